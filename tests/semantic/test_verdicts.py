"""What is remembered of comparisons."""

from pathlib import Path

from quarry.findings import Finding
from quarry.semantic.checking import SemanticReport
from quarry.semantic.verdicts import record_verdict, recorded_verdict


def finding(sample: str, severity: str = "error") -> Finding:
    return Finding("semantic", "layer", "what", "where", "a", "b", "cure", severity, sample)  # type: ignore[arg-type]


def report(compared: str, *found: Finding, digest: str = "d" * 64) -> SemanticReport:
    return SemanticReport(Path("x.h5"), found, {}, tuple(compared.split()), digest)


def test_a_wrong_sample_stays_wrong_until_it_is_compared_again(tmp_path):
    record_verdict(tmp_path, report("s1 s2", finding("s1")))
    record_verdict(tmp_path, report("s3 s4"))
    assert [one.sample_id for one in recorded_verdict(tmp_path, "d" * 64).wrong] == ["s1"]
    assert set(recorded_verdict(tmp_path, "d" * 64).findings) == {"s1", "s2", "s3", "s4"}
    record_verdict(tmp_path, report("s1"))
    assert recorded_verdict(tmp_path, "d" * 64).wrong == ()


def test_a_verdict_is_about_one_content(tmp_path):
    record_verdict(tmp_path, report("s1", finding("s1")))
    assert recorded_verdict(tmp_path, "e" * 64).findings == {}


def test_what_could_not_be_told_is_not_kept(tmp_path):
    record_verdict(tmp_path, report("s1", finding("s1", "warning")))
    record_verdict(tmp_path, report("s1", finding("s1"), digest=None))  # type: ignore[arg-type]
    assert recorded_verdict(tmp_path, "d" * 64).findings == {}
    assert recorded_verdict(tmp_path, None).findings == {}


def test_a_damaged_record_says_nothing_and_is_replaced(tmp_path):
    record_verdict(tmp_path, report("s1", finding("s1")))
    (path,) = (tmp_path / "state" / "semantic").iterdir()
    path.write_bytes(path.read_bytes().replace(b"layer", b"later"))
    assert recorded_verdict(tmp_path, "d" * 64).findings == {}
    record_verdict(tmp_path, report("s2", finding("s2")))
    assert [one.sample_id for one in recorded_verdict(tmp_path, "d" * 64).wrong] == ["s2"]
