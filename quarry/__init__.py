"""quarry: activation trajectories, labels and datasets of language models, kept trustworthy.

The core of the platform. It knows no Dagster: everything here works in a notebook or a script.
"""

__version__ = "0.1.0"
