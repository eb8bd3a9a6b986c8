"""`B2Key`: an application key that nothing shows. Loads no b2sdk."""

from __future__ import annotations

from typing import NoReturn

KEY_ID_VARIABLE = "QUARRY_B2_KEY_ID"
KEY_VARIABLE = "QUARRY_B2_KEY"


class B2Key:
    """An application key that no message, log, traceback or pickle shows.

    Args:
        key_id: its id.
        key: the secret itself.
    """

    __slots__ = ("_key", "_key_id")

    def __init__(self, key_id: str, key: str) -> None:
        self._key_id = key_id
        self._key = key

    def __repr__(self) -> str:
        """Nothing of the key."""
        return "B2Key(***)"

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied into a pickle, which would hold the key in clear.

        Raises:
            TypeError: always.
        """
        raise TypeError("a B2Key is never pickled: make it from the environment where it is used")

    @property
    def missing(self) -> list[str]:
        """The environment variables whose part of the key is empty."""
        parts = {KEY_ID_VARIABLE: self._key_id, KEY_VARIABLE: self._key}
        return [name for name, part in parts.items() if not part]

    def reveal(self) -> tuple[str, str]:
        """Id and secret, to be handed to b2sdk and to nothing else."""
        return self._key_id, self._key
