"""quarry: activation trajectories, labels and datasets of language models, kept trustworthy.

The core of the platform. It knows no Dagster: everything here works in a notebook or a script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quarry.evaluation_sets.loading import EvalDataset as EvalDataset
    from quarry.evaluation_sets.loading import load_eval_dataset as load_eval_dataset

__version__ = "0.1.0"
__all__ = ["EvalDataset", "__version__", "load_eval_dataset"]


def __getattr__(name: str) -> Any:
    """What is imported only when it is asked for, so that `import quarry` stays light."""
    if name in {"EvalDataset", "load_eval_dataset"}:
        from quarry.evaluation_sets import loading

        return getattr(loading, name)
    raise AttributeError(f"module 'quarry' has no attribute {name!r}")
