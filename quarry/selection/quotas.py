"""How many items each stratum of a dataset shall have: quotas, and what they come to in numbers.

A quota is a count (`150`), a share of the total (`25%`) or a least number (`>=100`). Which items
fill it is decided in `quarry.selection.stratification`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, Literal

from quarry.errors import UsageError
from quarry.selection.apportionment import apportion

QuotaKind = Literal["count", "share", "at_least"]

DEFAULT_COLUMN: Final = "difficulty"
NEEDS_COT: Final[Mapping[str, str]] = {"needs_cot": "true"}

_AMOUNT = re.compile(r"(?P<least>>=|≥)?\s*(?P<number>\d{1,9}(?:\.\d{1,9})?)\s*(?P<percent>%)?")
_PART = re.compile(r"(?P<stratum>[^=≥]+?)\s*(?:=(?!=)|(?=>=|≥))(?P<amount>.*)", re.DOTALL)
_MOST_ITEMS = 10_000_000
_EXAMPLE = "2-step=150, 3-step=25% or 4-step>=100"


@dataclass(frozen=True)
class Quota:
    """What one stratum shall have.

    Args:
        stratum: the column's value that its items have, such as `5+step`.
        kind: an exact count, a share of the total, or at least a count.
        amount: the count, or the share as 0 .. 1.
    """

    stratum: str
    kind: QuotaKind
    amount: Fraction

    @classmethod
    def parse(cls, stratum: str, amount: object) -> Quota:
        """A quota as it is written: `150`, `"25%"` or `">=100"`.

        Raises:
            UsageError: the amount is none of these; it is named with its stratum.
        """
        found = None if isinstance(amount, bool) else _AMOUNT.fullmatch(str(amount).strip())
        if found is None or not stratum:
            raise _bad_quota(stratum, amount, "a count, a share in percent, or >= and a count")
        number = Fraction(found["number"])
        if found["percent"]:
            if found["least"] or number > 100:
                raise _bad_quota(stratum, amount, "a share of 0% to 100%, without >=")
            return cls(stratum, "share", number / 100)
        if number.denominator != 1 or "." in found["number"]:
            raise _bad_quota(stratum, amount, "a whole number, or a percent sign behind it")
        return cls(stratum, "at_least" if found["least"] else "count", number)

    def __str__(self) -> str:
        """As it is written: `150`, `25%`, `>=100`."""
        if self.kind == "share":
            return f"{float(self.amount * 100):g}%"
        return f"{'>=' if self.kind == 'at_least' else ''}{self.amount}"


@dataclass(frozen=True)
class StrataSpec:
    """A stratified dataset as it is asked for.

    Args:
        quotas: one a stratum, in the order of the dataset.
        total: items in all; needed for shares and least numbers.
        column: the column whose values are the strata.
        seed: of the hash order in which items are taken.
        where: what an item must have to be chosen, by column; beside that it must be tested.
    """

    quotas: tuple[Quota, ...]
    total: int | None = None
    column: str = DEFAULT_COLUMN
    seed: int = 42
    where: Mapping[str, str] = field(default_factory=lambda: dict(NEEDS_COT))

    def __post_init__(self) -> None:
        """Refuse quotas that can't be met together."""
        names = [quota.stratum for quota in self.quotas]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not names or twice:
            raise UsageError(
                "A stratum has two targets" if twice else "A dataset has no target",
                where=", ".join(twice) or None,
                expected="one target for each stratum",
                got="two or more" if twice else "none",
                fix=f"write such as {_EXAMPLE}",
            )
        _require_total(self)
        _require_a_fit(self)

    @property
    def strata(self) -> tuple[str, ...]:
        """The strata, in the order of the dataset."""
        return tuple(quota.stratum for quota in self.quotas)

    def resolve(
        self,
        kept: Mapping[str, int] | None = None,
        available: Mapping[str, int] | None = None,
    ) -> dict[str, int]:
        """How many items each stratum shall have.

        Least numbers rise, in proportion to one another, until the total is reached. What a stratum
        lacks to its own target is never asked of another one.

        Args:
            kept: items by stratum that are in the dataset anyway.
            available: items by stratum that there are, kept ones included; None for any number.

        Returns:
            Numbers by stratum, in the order of the dataset. A larger total never makes one smaller.
        """
        numbers = self._fixed()
        least = self._of_kind("at_least")
        if least:
            held = {q.stratum: max(int(q.amount), (kept or {}).get(q.stratum, 0)) for q in least}
            rest = (self.total or 0) - sum(numbers.values()) - sum(held.values())
            weights = {q.stratum: max(q.amount, Fraction(1)) for q in least}
            numbers |= apportion(rest, weights, held=held, most=available)
        return {stratum: numbers[stratum] for stratum in self.strata}

    def _fixed(self) -> dict[str, int]:
        """The numbers of counts and shares."""
        numbers = {quota.stratum: int(quota.amount) for quota in self._of_kind("count")}
        shares = {quota.stratum: quota.amount for quota in self._of_kind("share")}
        total = self.total or 0
        seats = min(
            _rounded(sum(shares.values(), Fraction()) * total), total - sum(numbers.values())
        )
        return numbers | apportion(seats, shares)

    def _of_kind(self, kind: QuotaKind) -> list[Quota]:
        return [quota for quota in self.quotas if quota.kind == kind]


def parse_quotas(text: str) -> tuple[Quota, ...]:
    """The quotas of a text such as `2-step=150,4-step>=100,5+step=5%`.

    Raises:
        UsageError: a part of it can't be read.
    """
    quotas: list[Quota] = []
    for part in text.split(","):
        found = _PART.fullmatch(part.strip())
        if found is None:
            raise UsageError(
                "A target can't be read",
                where=repr(text),
                expected=f"parts such as {_EXAMPLE}, with commas between",
                got=repr(part.strip()),
                fix="correct that part; in a shell, put targets with > in quotes",
            )
        quotas.append(Quota.parse(found["stratum"], found["amount"]))
    return tuple(quotas)


def quotas_of_mapping(targets: Mapping[Any, object]) -> tuple[Quota, ...]:
    """The quotas of a catalog's mapping such as `{2-step: 150, 4-step: ">=100", 5+step: 5%}`.

    Raises:
        UsageError: an amount can't be read.
    """
    return tuple(Quota.parse(stratum_name(name) or "", targets[name]) for name in targets)


def stratum_name(value: object) -> str | None:
    """The name of the stratum of a column's value: `3`, `true`, `test`; None for no value."""
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _require_total(spec: StrataSpec) -> None:
    """Refuse shares and least numbers without a total, and a total out of range."""
    relative = [quota for quota in spec.quotas if quota.kind != "count"]
    if relative and spec.total is None:
        raise UsageError(
            "A target needs a total",
            where=f"{relative[0].stratum}: {relative[0]}",
            expected="a total that it is a share of, or that it may rise to",
            got="none",
            fix="give --total, or `total:` in the catalog; or a plain count as target",
        )
    if spec.total is not None and not 0 <= spec.total <= _MOST_ITEMS:
        raise UsageError(
            "A total is out of range",
            expected=f"0 to {_MOST_ITEMS:,}",
            got=str(spec.total),
            fix="correct --total, or `total:` in the catalog",
        )


def _require_a_fit(spec: StrataSpec) -> None:
    """Refuse targets that ask for more than the total, or leave a part of it to nobody."""
    if spec.total is None:
        return
    shares = sum((q.amount for q in spec.quotas if q.kind == "share"), Fraction())
    counts = sum((q.amount for q in spec.quotas if q.kind != "share"), Fraction())
    asked = _rounded(counts + shares * spec.total)
    can_rise = any(quota.kind == "at_least" for quota in spec.quotas)
    if asked > spec.total or shares > 1 or (asked < spec.total and not can_rise):
        raise UsageError(
            "The targets don't come to the total",
            where=", ".join(f"{quota.stratum}: {quota}" for quota in spec.quotas),
            expected=f"{spec.total:,} items",
            got=f"{asked:,}",
            fix="change the total or a target, or mark those with >= that may rise to it",
        )


def _rounded(number: Fraction) -> int:
    """To the nearest whole number, halves up."""
    return int(number + Fraction(1, 2))


def _bad_quota(stratum: str, amount: object, expected: str) -> UsageError:
    """The error for an amount that can't be read."""
    return UsageError(
        "A target can't be read",
        where=f"stratum {stratum!r}",
        expected=f"{expected}, such as {_EXAMPLE}",
        got=repr(amount),
        fix="correct the target of that stratum",
    )
