"""What goes wrong in each case: faults that pass, in random combinations, and trouble that stays.

Every plan follows from a generator. Carrying it out is in `faults`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tests.b2_server import Fault, FaultKind
from tests.b2_server.faults import DOWNLOAD_KINDS, UPLOAD_KINDS
from tests.soak.corpus import drawn
from tests.soak.fault_repair import Repair
from tests.soak.fault_work import (
    CONNECT,
    GET,
    Download,
    Mirror,
    ReadRange,
    Upload,
    Work,
)

Draw = np.random.Generator
UPLOADS: tuple[Callable[[], Work], ...] = (lambda: Upload(False), lambda: Upload(True), Mirror)
REPAIRS = ("flipped", "cut", "lost", "no table", "no manifest")
MOST_FAULTS = 4

ANYWHERE = (
    FaultKind.SERVICE_UNAVAILABLE,
    FaultKind.INTERNAL_ERROR,
    FaultKind.REQUEST_TIMEOUT,
    FaultKind.TOO_MANY_REQUESTS,
    FaultKind.RESET_BEFORE_ANSWER,
    FaultKind.LOST_ANSWER,
    FaultKind.STALLED,
)
TOKENS = (FaultKind.EXPIRED_AUTH_TOKEN, FaultKind.BAD_AUTH_TOKEN)
PASSING = (*ANYWHERE, *TOKENS, FaultKind.RESET_IN_UPLOAD, FaultKind.WRONG_SHA1_RETURNED,
           FaultKind.RESET_IN_DOWNLOAD, FaultKind.TRUNCATED_BODY, FaultKind.STALLED_BODY,
           FaultKind.SLOW_BODY)  # fmt: skip
SLOW = {FaultKind.STALLED, FaultKind.STALLED_BODY, FaultKind.SLOW_BODY}
CAUSES = {
    FaultKind.SERVICE_UNAVAILABLE: "503 service_unavailable",
    FaultKind.INTERNAL_ERROR: "500 internal_error",
    FaultKind.REQUEST_TIMEOUT: "408 request_timeout",
    FaultKind.TOO_MANY_REQUESTS: "Too many requests",
    FaultKind.RESET_BEFORE_ANSWER: "Connection error",
    FaultKind.LOST_ANSWER: "Connection error",
    FaultKind.STALLED: "Read timed out",
    FaultKind.EXPIRED_AUTH_TOKEN: "refused.*expired_auth_token",
    FaultKind.BAD_AUTH_TOKEN: "refused.*bad_auth_token",
    FaultKind.STORAGE_CAP_EXCEEDED: "a cap of the account is exceeded.*storage cap",
    FaultKind.TRANSACTION_CAP_EXCEEDED: "a cap of the account is exceeded.*transaction cap",
    FaultKind.BAD_REQUEST: "refused.*the request is wrong",
    FaultKind.RESET_IN_UPLOAD: "Connection error",
    FaultKind.WRONG_SHA1_RETURNED: "something else than was sent|has wrong SHA1",
    FaultKind.WRONG_SHA1_STORED: "Sha1 of a part did not match",
    FaultKind.RESET_IN_DOWNLOAD: "the answer broke off",
    FaultKind.TRUNCATED_BODY: "the answer broke off",
    FaultKind.STALLED_BODY: "the answer broke off.*Read timed out",
    FaultKind.SLOW_BODY: "no answer, or a slow one",
    FaultKind.CORRUPT_ON_WIRE: "other bytes|damaged there|stored|is damaged",
}
"""What an error has to say, by the kind of the fault that never ends; a pattern."""


@dataclass(frozen=True)
class Plan:
    """One case.

    Args:
        name: what it is, for a person.
        work: what is done.
        faults: what the server does wrong.
        words: pattern of what the error has to say; empty where the work must succeed.
        trouble: what is wrong besides: `rot`, `gone`, `key`, `permission`, `bucket`, `disk`.
        heals: whether the work succeeds once the faults are over.
    """

    name: str
    work: Work
    faults: tuple[Fault, ...] = ()
    words: str = ""
    trouble: str = ""
    heals: bool = True


def passing(rng: Draw) -> Plan:
    """A few faults that pass; the first one befalls a request that is made for certain."""
    work = _work(rng)
    kinds = [kind for kind in PASSING if _places(kind, work)]
    n_faults = int(rng.integers(1, MOST_FAULTS + 1))
    chosen = [kinds[index] for index in rng.permutation(len(kinds))[:n_faults]]
    faults = [_passing_fault(kind, work, rng) for kind in chosen]
    faults[0] = replace(faults[0], after=0)
    words = ", ".join(f"{one.times} x {one.kind} at {one.operation}" for one in faults)
    return Plan(f"{_name(work)}: {words}", work, tuple(faults))


def lasting(rng: Draw) -> Plan:
    """One thing that stays wrong, from the service, the account, the bucket or the disk."""
    kind = drawn(rng, [*CAUSES, *TROUBLES])
    if kind in TROUBLES:
        return TROUBLES[kind](rng)
    work = _work(rng)
    while not (places := _lasting_places(kind, work)):
        work = _work(rng)
    place = drawn(rng, places)
    fault = Fault(
        kind,
        place,
        times=None,
        after=int(rng.integers(_n_sure(work, place))),
        at=float(rng.uniform(0, 1)),
        bytes_per_s=500,
        retry_after_s=3600 if kind is FaultKind.TOO_MANY_REQUESTS and rng.integers(2) else None,
    )
    words = CAUSES[kind]
    if fault.retry_after_s:
        words += ".*asked for a pause of 3600 s"
    return Plan(f"{_name(work)}: {kind} at {fault.operation}", work, (fault,), words)


def _rot(rng: Draw) -> Plan:
    """A stored byte went bad."""
    work = drawn(rng, [Download(True), Download(False), Repair("flipped"), Repair("lost")])
    return Plan(f"{_name(work)}: rot", work, words=CAUSES[FaultKind.CORRUPT_ON_WIRE],
                trouble="rot", heals=False)  # fmt: skip


def _corrupt_upload(rng: Draw) -> Plan:
    """A byte goes bad while it is stored, after the service has compared digests."""
    plan = _rot(rng)
    return replace(plan, name=f"{plan.name} at once", trouble="rot at once")


def _gone(rng: Draw) -> Plan:
    """The object is not there any more."""
    work = drawn(rng, [Download(True), ReadRange()])
    return Plan(f"{_name(work)}: gone", work, words="missing", trouble="gone", heals=False)


def _permission(rng: Draw) -> Plan:
    """The key may not do this."""
    work = drawn(rng, [*(make() for make in UPLOADS), Download(True), ReadRange(), Repair("cut")])
    words = "Unauthorized" if isinstance(work, Upload | Mirror) else "Unauthorized|AccessDenied"
    return Plan(f"{_name(work)}: permission", work, words=words, trouble="permission")


def _key(rng: Draw) -> Plan:
    """The key is wrong."""
    work = _work(rng)
    return Plan(f"{_name(work)}: wrong key", work, words="refused", trouble="key")


def _bucket(rng: Draw) -> Plan:
    """The bucket is another one."""
    work = _work(rng)
    return Plan(f"{_name(work)}: no bucket", work, words="bucket", trouble="bucket")


def _disk(rng: Draw) -> Plan:
    """The target's disk is full; see `full_disk`."""
    kind = drawn(rng, ["room", "names", "file size"])
    work = Download(bool(rng.integers(2)))
    return Plan(f"{_name(work)}: disk, {kind}", work, words="Not enough space", trouble=kind)


TROUBLES: dict[str, Callable[[Draw], Plan]] = {
    "rot": _rot,
    "rot at once": _corrupt_upload,
    "gone": _gone,
    "permission": _permission,
    "key": _key,
    "bucket": _bucket,
    "disk": _disk,
}


def _work(rng: Draw) -> Work:
    """Any work."""
    makers: list[Callable[[], Work]] = [
        *UPLOADS,
        lambda: Download(False),
        lambda: Download(True),
        ReadRange,
        lambda: Repair(drawn(rng, REPAIRS)),
        lambda: Repair(drawn(rng, REPAIRS)),
    ]
    return drawn(rng, makers)()


def _name(work: Work) -> str:
    """A kind of work for a person."""
    is_large = getattr(work, "is_large", None)
    size = "" if is_large is None else " large" if is_large else " small"
    return f"{type(work).__name__.lower()}{size} {getattr(work, 'damage', '')}".strip()


def _n_sure(work: Work, place: str) -> int:
    """How many requests of a name a work makes at least."""
    if place == "upload_part" or (isinstance(work, Download) and work.is_large and place == GET[1]):
        return 5
    if isinstance(work, Repair) and place == GET[1]:
        return 3 if work.damage == "lost" else 2
    return 1


def _passing_fault(kind: FaultKind, work: Work, rng: Draw) -> Fault:
    """A fault of a kind for some requests of a work, so few that the work can be done."""
    most = 1 if kind in SLOW else 2 if kind in TOKENS else 4
    return Fault(
        kind,
        drawn(rng, _places(kind, work)),
        times=int(rng.integers(1, most + 1)),
        after=int(rng.integers(3)),
        at=float(rng.uniform(0, 1)),
        retry_after_s=drawn(rng, [None, 0]),
        bytes_per_s=200_000,
    )


def _places(kind: FaultKind, work: Work) -> list[str]:
    """Requests of a work that a fault of a kind can befall and that pass again."""
    places = [*CONNECT, *work.operations]
    if kind in UPLOAD_KINDS:
        return [place for place in places if place.startswith("upload_")]
    if kind in DOWNLOAD_KINDS:
        return [place for place in places if place.startswith("download_")]
    if kind is FaultKind.WRONG_SHA1_RETURNED:
        return [place for place in places if place == "upload_part"]
    if kind in TOKENS:  # at the authorisation itself it means that the key is wrong
        return [place for place in places if place != "authorize_account"]
    return places


def _lasting_places(kind: FaultKind, work: Work) -> list[str]:
    """Requests of a work at which a fault of a kind that never ends stops it."""
    places = [*CONNECT, *work.operations]
    if kind is FaultKind.LOST_ANSWER:  # at these three it is looked up that they took effect
        kept = {"upload_file", "start_large_file", "finish_large_file"}
        return [place for place in places if place not in kept]
    if kind is FaultKind.WRONG_SHA1_RETURNED:
        return [place for place in places if place.startswith("upload_")]
    if kind is FaultKind.WRONG_SHA1_STORED:
        return [place for place in places if place == "upload_part"]
    if kind is FaultKind.CORRUPT_ON_WIRE and isinstance(work, ReadRange):
        return []  # documented as unproven
    if kind is FaultKind.CORRUPT_ON_WIRE and isinstance(work, Repair):
        return ["download_*"]  # a manifest that comes damaged is not needed where one is here
    return places if kind in TOKENS else _places(kind, work)
