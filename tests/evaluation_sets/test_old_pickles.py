"""Old pickles are read by their opcodes; nothing in them ever runs."""

import collections
import json
import os
import pickle
import pickletools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import quarry
from quarry.errors import FileMissingError, UnknownNameError
from quarry.evaluation_sets.old_pickles import inspect_pickle
from tests.evaluation_sets.graded_tables import plainly_loaded, write


class Touches:
    """Makes a file when it is loaded, as any program could."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def malicious(tmp_path):
    path = tmp_path / "eval_functions.pkl"
    path.write_bytes(pickle.dumps({"metrics": [1, 2], "f": Touches(tmp_path / "ran")}))
    return path


def test_what_would_run_is_named_and_does_not_run(malicious, tmp_path):
    report = inspect_pickle(malicious)
    assert not report.is_plain_data
    assert report.globals == ("posix.system",)
    assert [(call.opcode, call.target, call.n) for call in report.calls] == [
        ("REDUCE", "posix.system", 1)
    ]
    assert malicious.read_bytes()[report.calls[0].position :][:1] == b"R"
    assert not (tmp_path / "ran").exists()
    pickle.loads(malicious.read_bytes())
    assert (tmp_path / "ran").exists()


def test_a_set_of_earlier_tools_is_loaded_without_touching_its_pickle(malicious, tmp_path):
    write(tmp_path / "new")
    ours = plainly_loaded(tmp_path / "new")
    old = tmp_path / "old"
    ours.save_to_disk(str(old / "eval_dataset"))
    malicious.rename(old / "eval_functions.pkl")
    (old / "eval_functions.pkl").chmod(0)
    loaded = quarry.load_eval_dataset(old)
    assert list(loaded.dataset) == list(ours)
    assert loaded.description is None
    assert [one.kind for one in loaded.findings] == ["no_description", "pickle"]
    assert "not opened" in loaded.findings[1].what
    assert not (tmp_path / "ran").exists()
    with pytest.raises(UnknownNameError, match="names no metric"):
        loaded.metric([[[0.0]]], [[0]])


def test_rows_of_earlier_tools_in_parquet_are_read(tmp_path):
    write(tmp_path / "new")
    ours = plainly_loaded(tmp_path / "new")
    folder = tmp_path / "old/eval_dataset/data"
    folder.mkdir(parents=True)
    ours.to_parquet(str(folder / "0000.parquet"))
    assert list(quarry.load_eval_dataset(tmp_path / "old").dataset) == list(ours)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_is_told_from_anything_else_in_every_protocol(tmp_path, protocol):
    path = tmp_path / "data.pkl"
    plain = {"a": [1, 2.5, None, True], "b": ("ö", b"x" if protocol > 2 else "x"), "big": 2**70}
    path.write_bytes(pickle.dumps([plain, plain], protocol))
    report = inspect_pickle(path)
    assert (report.is_plain_data, report.globals, report.calls) == (True, (), ())
    assert report.protocols == ((protocol,) if protocol > 1 else (0,))
    path.write_bytes(pickle.dumps([plain, Touches("x")], protocol))
    report = inspect_pickle(path)
    assert report.globals == ("posix.system",)
    assert {call.target for call in report.calls} == {"posix.system"}


def test_names_that_come_from_the_memo_are_found(tmp_path):
    path = tmp_path / "memo.pkl"
    # "posix" and "system" are put away, covered by a dict, and fetched again
    path.write_bytes(
        b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x940\x30}\x94h\x00h\x01\x93\x8c\x02id\x85R."
    )
    report = inspect_pickle(path)
    assert report.globals == ("posix.system",)
    assert report.calls[0].target == "posix.system"


def test_a_name_that_is_made_by_a_call_counts_as_unknown(tmp_path):
    path = tmp_path / "made.pkl"
    path.write_bytes(b"\x80\x04cbuiltins\nstr\n\x8c\x05posix\x85R\x8c\x06system\x93\x8c\x01x\x85R.")
    report = inspect_pickle(path)
    assert report.globals == ("?.system", "builtins.str")
    assert [call.target for call in report.calls] == ["builtins.str", "?.system"]


@pytest.mark.parametrize(
    ("content", "targets"),
    [
        (b"(cposix\nsystem\nS'id'\no.", ["posix.system"]),
        (b"(S'id'\niposix\nsystem\n.", ["posix.system"]),
        (b"\x80\x02ccollections\nCounter\n)\x81}b.", ["collections.Counter"] * 2),
        (b"Pname\n.", ["persistent_load of the loader"]),
        (b"\x80\x02\x82\x07)R.", ["copyreg extension.7"]),
    ],
)
def test_every_opcode_that_runs_something_is_seen(tmp_path, content, targets):
    path = tmp_path / "one.pkl"
    path.write_bytes(content)
    report = inspect_pickle(path)
    named = [call.target.removesuffix(".__setstate__").removesuffix("()") for call in report.calls]
    assert named == targets
    assert not report.is_plain_data


def test_a_second_pickle_behind_a_harmless_one_is_followed(tmp_path):
    path = tmp_path / "two.pkl"
    path.write_bytes(pickle.dumps([1]) + pickle.dumps(Touches("x"), 0))
    report = inspect_pickle(path)
    assert report.protocols == (pickle.DEFAULT_PROTOCOL, 0)
    assert report.globals == ("posix.system",)


def test_what_is_before_the_damage_is_still_reported(malicious):
    malicious.write_bytes(malicious.read_bytes()[:-1])
    report = inspect_pickle(malicious)
    assert report.globals == ("posix.system",)
    assert report.findings[-1].kind == "unreadable"


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04" + bytes(50), b"\xff" * 9, b"\x8e" + b"\xff" * 8]
)
def test_what_is_no_pickle_is_said_to_be_none(tmp_path, content):
    path = tmp_path / "garbage.pkl"
    path.write_bytes(content)
    assert [one.kind for one in inspect_pickle(path).findings][-1] == "unreadable"


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(FileMissingError, match="no such file"):
        inspect_pickle(tmp_path / "none.pkl")


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_no_bytes_are_plain_data_if_loading_would_name_anything(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / f"bytes-{os.getpid()}.pkl"
    path.write_bytes(content)
    report = inspect_pickle(path)
    assert report.size_bytes == len(content)
    if report.is_plain_data:
        names = {opcode.name for opcode, _, _ in pickletools.genops(content)}
        assert names.isdisjoint({"GLOBAL", "STACK_GLOBAL", "INST", "REDUCE", "OBJ", "NEWOBJ"})
    json.dumps(report.as_dict())


def test_many_objects_of_one_kind_are_one_line(tmp_path):
    path = tmp_path / "many.pkl"
    path.write_bytes(pickle.dumps([collections.Counter({n: n}) for n in range(500)]))
    report = inspect_pickle(path)
    assert [(call.target, call.n) for call in report.calls] == [("collections.Counter", 500)]
