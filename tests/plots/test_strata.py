"""The bars of a stratified dataset."""

from quarry.plots.canvas import BLUE, ORANGE
from quarry.plots.strata import LACKING_COLOUR, strata_plot
from quarry.selection.report import StratificationReport, StratumReport
from tests.plots.test_plots import picture, share_of


def report(*strata: StratumReport) -> StratificationReport:
    return StratificationReport("difficulty", 42, {}, None, strata, (), (), 0, 0, 0, {})


def stratum(existing: int, new: int, target: int = 100, name: str = "2-step") -> StratumReport:
    return StratumReport(name, str(target), target, existing, new, 7)


def test_existing_new_and_lacking_items_have_areas_of_their_own():
    kept = picture(strata_plot(report(stratum(80, 20)), title="t"))
    new = picture(strata_plot(report(stratum(20, 80)), title="t"))
    short = picture(strata_plot(report(stratum(20, 20)), title="t"))
    assert share_of(kept, BLUE) > 3 * share_of(new, BLUE)
    assert share_of(new, ORANGE) > 3 * share_of(kept, ORANGE)
    assert share_of(short, LACKING_COLOUR) > 3 * share_of(new, LACKING_COLOUR)


def test_names_are_taken_literally_and_many_or_no_strata_can_be_drawn():
    odd = [stratum(1, 2, name=rf"$\frac{n}$_^{n}") for n in range(60)]
    assert picture(strata_plot(report(*odd), title="$t_")).shape[0] < 1000
    assert picture(strata_plot(report(), title="t")).shape[0] > 100


def test_the_same_report_gives_the_same_bytes():
    one = report(stratum(1, 2))
    assert strata_plot(one, title="t") == strata_plot(one, title="t")
