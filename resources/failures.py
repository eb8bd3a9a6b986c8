"""The one place where an error of the core becomes a failure of a run.

An error of `quarry.errors` is permanent: a retry would meet the same file or the same catalog. It
ends the step at once, with the parts of its message as metadata. Anything else is a bug or a crash
and keeps its traceback.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from quarry.errors import IntegrityError, QuarryError
from resources.findings import findings_markdown


@contextmanager
def permanent_failures() -> Iterator[None]:
    """Turn errors of the core into `dg.Failure(allow_retries=False)`; also works as a decorator."""
    try:
        yield
    except QuarryError as error:
        metadata: dict[str, dg.MetadataValue] = {
            name: dg.MetadataValue.text(text) for name, text in error.parts().items()
        }
        if isinstance(error, IntegrityError):
            metadata["findings"] = findings_markdown(error.findings)
        raise dg.Failure(description=str(error), metadata=metadata, allow_retries=False) from error
