"""What programs may do in every layer: nothing that honest code needs is taken away."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.boxes import Box

PROGRAMS: dict[str, tuple[str, Any]] = {
    "asyncio": (
        """
        import asyncio
        async def three():
            await asyncio.sleep(0.001)
            return await asyncio.gather(*(asyncio.sleep(0, n) for n in range(3)))
        report = asyncio.run(three())
        """,
        [0, 1, 2],
    ),
    "asyncio with a thread": (
        """
        import asyncio
        async def other():
            return await asyncio.to_thread(sum, [1, 2])
        report = asyncio.run(other())
        """,
        3,
    ),
    "an executor of threads": (
        """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(16) as pool:
            report = list(pool.map(abs, range(-3, 1)))
        """,
        [3, 2, 1, 0],
    ),
    "forty threads at once": (
        """
        import threading
        gate, count = threading.Barrier(40), []
        def one():
            gate.wait(20)
            count.append(1)
        threads = [threading.Thread(target=one) for _ in range(40)]
        [thread.start() for thread in threads], [thread.join(20) for thread in threads]
        report = len(count)
        """,
        40,
    ),
    "files of its own": (
        """
        import os, pathlib, shutil, tempfile
        with tempfile.TemporaryDirectory() as directory:
            first = pathlib.Path(directory, "a")
            first.write_text("text")
            second = first.rename(pathlib.Path(directory, "b"))
            os.symlink("b", pathlib.Path(directory, "c"))
            shutil.copy(second, pathlib.Path(directory, "d"))
            shutil.copytree(directory, pathlib.Path("tree"))
            shutil.make_archive("packed", "tar", "tree")
            shutil.unpack_archive("packed.tar", "unpacked")
            with tempfile.NamedTemporaryFile("w", dir=directory) as file:
                file.write("text")
            report = [sorted(os.listdir(directory)), sorted(os.listdir("unpacked"))]
        """,
        [["b", "c", "d"], ["b", "c", "d"]],
    ),
    "numpy": (
        """
        import numpy as np
        matrix = np.random.default_rng(0).random((20, 20))
        report = [(matrix @ matrix).shape, np.linalg.inv(matrix).shape, np.fft.fft([1, 2]).shape,
                  round(float(np.linalg.det(np.eye(3))), 6), np.random.rand(2).shape]
        """,
        [[20, 20], [20, 20], [2], 1.0, [2]],
    ),
    "hashes": (
        """
        import hashlib
        names = ("md5", "sha1", "sha256", "sha3_256", "blake2b")
        report = [hashlib.new(name, b"").hexdigest()[:4] for name in names]
        """,
        ["d41d", "da39", "e3b0", "a7ff", "786a"],
    ),
    "a database": (
        """
        import sqlite3
        report = []
        for where in (":memory:", "own.db"):
            database = sqlite3.connect(where)
            database.execute("create table t (a)")
            database.execute("insert into t values (1)")
            database.commit()
            report += database.execute("select a from t").fetchall()
            database.close()
        """,
        [[1], [1]],
    ),
    "time zones": (
        """
        import datetime, zoneinfo
        zone = zoneinfo.ZoneInfo("Europe/Berlin")
        report = str(datetime.datetime(2024, 7, 1, tzinfo=zone))
        """,
        "2024-07-01 00:00:00+02:00",
    ),
    "true randomness": (
        """
        import os, random, secrets, uuid
        report = [random.SystemRandom().random() < 1, len(secrets.token_hex(4)), len(os.urandom(3)),
                  uuid.uuid4().version]
        """,
        [True, 8, 3, 4],
    ),
    "signals to itself": (
        """
        import os, signal
        report = []
        signal.signal(signal.SIGALRM, lambda *_: report.append("alarm"))
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        signal.pause()
        signal.signal(signal.SIGUSR1, lambda *_: report.append("user"))
        os.kill(os.getpid(), signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR1)
        """,
        ["alarm", "user", "user"],
    ),
    "pipes, sockets in pairs, maps and select": (
        """
        import mmap, os, select, socket, sys
        area = mmap.mmap(-1, 4096)
        area[0] = 1
        reading, writing = os.pipe()
        os.write(writing, b"x")
        one, other = socket.socketpair()
        one.send(b"word")
        print("into nothing", file=sys.stderr, flush=True)
        report = [other.recv(4).decode(), select.select([reading], [], [], 0)[0] == [reading],
                  sys.stdin.read(), os.getcwd() == os.environ["HOME"]]
        """,
        ["word", True, "", True],
    ),
    "recursion": (
        """
        import sys
        sys.setrecursionlimit(20000)
        def depth(n):
            return 0 if n == 0 else 1 + depth(n - 1)
        report = depth(10000)
        """,
        10000,
    ),
    "too much memory is its own error": (
        """
        try:
            bytearray(2 << 30)
        except MemoryError:
            report = "MemoryError"
        """,
        "MemoryError",
    ),
    "too large a file is its own error": (
        """
        try:
            with open("large", "wb") as file:
                file.write(b"x" * (5 << 20))
        except OSError as error:
            report = error.strerror
        """,
        "File too large",
    ),
}

EVERY_MODULE = """
import importlib, sys
elsewhere = {"antigravity", "this", "idlelib", "tkinter", "turtle", "turtledemo", "lib2to3",
             "msilib", "winreg", "winsound", "msvcrt", "nt", "ossaudiodev", "test", "ntpath"}
report = []
for name in sorted(sys.stdlib_module_names - elsewhere):
    if name.startswith("_"):
        continue
    try:
        importlib.import_module(name)
    except ImportError as error:
        report.append(error.name)
    except BaseException as error:
        report.append(f"{name}: {error!r}")
"""


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_honest_program_finds_what_it_needs(box: Box, name: str):
    program, expected = PROGRAMS[name]
    assert box.run(program) == expected


def test_the_standard_library_can_be_imported_in_every_layer(box: Box):
    # an interpreter may have been built without some of it, which is then the same everywhere
    import sys

    found = box.run(EVERY_MODULE)
    missing = [name for name in found if ":" in name]
    assert missing == []
    assert len(found) < len(sys.stdlib_module_names) // 10


def test_what_differs_by_chance_is_the_same_for_every_program(box: Box):
    program = """
    import random
    report = [list({"apple", "pear", "plum", "fig"}), random.random(), random.sample(range(99), 3)]
    """
    assert box.run(program) == box.run(program)


def test_pools_of_threads_work_where_semaphores_have_a_place_of_their_own(box: Box):
    if box.layer == "fallback":
        pytest.skip("named semaphores would outlive the program, and Landlock leaves no place")
    program = """
    from multiprocessing.pool import ThreadPool
    with ThreadPool(4) as pool:
        report = pool.map(abs, [-1, 2])
    """
    assert box.run(program) == [1, 2]
