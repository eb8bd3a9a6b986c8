"""Several requests at a time, with results in order and bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from quarry.storage.limits import Limits

_POLL_S = 0.1

T = TypeVar("T")


def in_order(calls: Iterable[Callable[[], T]], n_threads: int, limits: Limits) -> Generator[T]:
    """Run calls in threads; gives their results in the order of the calls.

    At most `n_threads + 1` calls are taken and not yet given back. The first failure of any of
    them ends all; requests under way notice it with their next piece or their socket's timeout,
    without being waited for.

    Args:
        calls: what to run; taken one by one on the caller's thread.
        n_threads: how many run at a time.
        limits: checked while waiting, and stopped at a failure.
    """
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="b2")
    waiting: deque[Future[T]] = deque()
    try:
        for call in calls:
            waiting.append(pool.submit(call))
            if len(waiting) > n_threads:
                yield _next(waiting, limits)
        while waiting:
            yield _next(waiting, limits)
    except BaseException:
        limits.stop()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _next(waiting: deque[Future[T]], limits: Limits) -> T:
    """The result of the oldest call; the error of any call that failed."""
    while True:
        for future in waiting:
            if future.done() and future.exception() is not None:
                return future.result()
        if waiting[0].done():
            return waiting.popleft().result()
        wait([waiting[0]], timeout=_POLL_S)
        limits.check()
