"""CODI: language models that think in continuous latent steps, and what ablating those steps does.

`settings` and `comparison` hold plain records and import no torch; `checkpoint` opens a published
checkpoint, `model` runs it. Source: Shen et al. 2025, arXiv 2502.21074.
"""
