"""The process in which vLLM runs a model, and its two ends.

    caller (`client`) ── socket: JSON lines (`wire`) ──▶ host (`main`, `pump`) ──▶ vLLM's processes
       ▲                                                                              │
       └────────── hidden states: shared memory (`spool`) ◀── `connector` ◀───────────┘

`settings`, `wire`, `spool` and `client` need neither torch nor vLLM; `main`, `pump`, `connector`
and `scheduler` run in the interpreter that has vLLM, which may be another environment than the
caller's: they use nothing of quarry but this package and `quarry.inference.stopping`.
"""
