"""Progress lines say what is done, how fast, and how long is left."""

from quarry.progress import ProgressLog


def test_the_last_item_is_always_logged_with_a_rate():
    lines: list[str] = []
    progress = ProgressLog(lines.append, 3, "samples", every_s=3600)
    for done in (1, 2, 3):
        progress.update(done)
    assert len(lines) == 1
    assert lines[0].startswith("3 of 3 samples, ")
    assert lines[0].endswith(" samples/s")


def test_a_line_in_between_names_the_remaining_time():
    lines: list[str] = []
    progress = ProgressLog(lines.append, 10, "samples", every_s=0)
    progress.update(5)
    assert "5 of 10 samples" in lines[0]
    assert lines[0].endswith(" left")
