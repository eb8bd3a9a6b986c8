"""What makes a checkpoint unusable, and the one error for it; reading is in `checkpoint`."""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from quarry.errors import EngineMemoryError, ModelLoadError, QuarryError
from quarry.inference.batching import is_out_of_memory

_CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "*.tiktoken")


def check_directory(directory: Path) -> None:
    """Name what a checkpoint directory lacks before anything is loaded."""
    needed = {
        "a directory": directory.is_dir(),
        "config.json": (directory / "config.json").is_file(),
        "weights in *.safetensors": any(directory.glob("*.safetensors")),
        "a tokenizer (tokenizer.json)": any(
            any(directory.glob(pattern)) for pattern in _TOKENIZER_FILES
        ),
    }
    missing = [name for name, is_there in needed.items() if not is_there]
    if not missing:
        return
    names = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []
    raise ModelLoadError(
        f"A checkpoint lacks {missing[0]}",
        where=str(directory),
        expected="config.json, *.safetensors and tokenizer.json",
        got=", ".join(names[:12]) or "nothing there",
        fix="materialise `model_checkpoints` of this model, or correct its path; weights in "
        "pickle files (*.bin, *.pt) are never read, convert them to safetensors",
    )


def check_architecture(config: Any, where: str) -> None:
    """Refuse models that do not predict the next token."""
    names = [str(name) for name in (config.architectures or [])]
    if names and not config.is_encoder_decoder and any(name.endswith(_CAUSAL) for name in names):
        return
    raise ModelLoadError(
        "A checkpoint is not a causal language model",
        where=where,
        expected="an architecture such as Olmo3ForCausalLM",
        got=", ".join(names) or "no architecture in config.json",
        fix="name a decoder-only language model in the catalog",
    )


def check_complete(report: Any, where: str) -> None:
    """Refuse weights that transformers would otherwise fill with random numbers."""
    missing = sorted(str(name) for name in report["missing_keys"])
    mismatched = sorted(str(entry) for entry in report.get("mismatched_keys", ()))
    if not missing and not mismatched:
        return
    raise ModelLoadError(
        f"A checkpoint lacks {len(missing) + len(mismatched)} weights of its architecture",
        where=where,
        expected="every weight that config.json implies, in its shape",
        got=", ".join([*missing, *mismatched][:5]),
        fix="fetch or train the checkpoint again; it is incomplete",
    )


@contextmanager
def as_load_error(where: str, revision: str | None) -> Generator[None]:
    """Turn what transformers, safetensors, tokenizers and the hub client raise into one error."""
    try:
        yield
    except QuarryError:
        raise
    # `tokenizers` raises the bare Exception class for a damaged tokenizer.json.
    except Exception as error:  # noqa: BLE001
        _raise_load_error(error, where, revision)


def _raise_load_error(error: Exception, where: str, revision: str | None) -> NoReturn:
    """One message; the original stays attached as the cause."""
    got = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    place = where if revision is None else f"{where} at revision {revision}"
    if is_out_of_memory(error):
        raise EngineMemoryError(
            "A model does not fit the device",
            where=place,
            expected="room for the weights",
            got=got,
            fix="use a smaller dtype, another device or a smaller model",
        ) from error
    if Path(where).is_dir():
        fix = "fetch or train the checkpoint again; a file of it is damaged or of another kind"
    else:
        fix = (
            "check the hub id and revision; without network, download it where there is one "
            "(`hf download`), or point the catalog at a local `path`"
        )
    raise ModelLoadError(
        "A checkpoint can't be read",
        where=place,
        expected="a causal language model in safetensors with its tokenizer",
        got=got,
        fix=fix,
    ) from error
