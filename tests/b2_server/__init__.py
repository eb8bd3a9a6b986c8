"""A Backblaze B2 service on loopback, with faults on request.

`B2Server` speaks the native B2 API over HTTP on top of b2sdk's `RawSimulator`, so b2sdk's own HTTP,
retry, authorization and hashing code runs in tests. Nothing here imports `quarry`.
"""

from tests.b2_server.exchanges import Exchange
from tests.b2_server.faults import Fault, FaultKind
from tests.b2_server.server import B2Server, StoredFile

__all__ = ["B2Server", "Exchange", "Fault", "FaultKind", "StoredFile"]
