"""Lines of a transfer."""

from quarry.transfer_log import TransferLog


def test_the_end_is_logged_and_what_comes_too_soon_is_not():
    lines: list[str] = []
    progress = TransferLog(lines.append, "upload", every_s=3600)
    for done in (1_000, 500_000, 1_000_000):
        progress(done, 1_000_000)
    assert len(lines) == 1
    assert lines[0].startswith("upload: 1.0 MB of 1.0 MB, ")


def test_a_line_in_between_names_the_time_left():
    lines: list[str] = []
    TransferLog(lines.append, "upload", every_s=0)(1_000, 3_000)
    assert lines[0].endswith(" s left")
