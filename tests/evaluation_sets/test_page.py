"""The page of distinct completions, and the plot of prompts."""

from quarry.evaluation_sets.counts import count_graded
from quarry.evaluation_sets.page import counts_table, distinct_table
from quarry.plots.equivalence import (
    EQUIVALENT_COLOUR,
    NOT_COLOUR,
    UNGRADED_COLOUR,
    equivalence_by_prompt,
)
from quarry.sampling.prompts import EvalPrompt
from tests.evaluation_sets.graded_tables import TOKYO, graded_row, ids_of, mayors, table
from tests.plots.test_plots import picture, share_of


def test_completions_are_listed_by_prompt_and_count_with_their_verdict():
    graded = mayors()
    graded.loc[2, "count"] = 500
    lines = distinct_table(graded).splitlines()
    assert len(lines) == 2 + 5
    assert "`' Noah Clark'`" in lines[2]
    assert "**not**" in lines[2]
    assert r"`' Grace Miller\nQ:'`" in lines[3]
    assert lines[6].rstrip(" |").endswith("spend limit")


def test_a_long_table_is_cut_with_a_line_that_says_so():
    graded = table(*(graded_row(TOKYO, [k + 9], k) for k in range(12)))
    text = distinct_table(graded, most_rows=10)
    assert text.count("\n| `Q: Who") == 10
    assert text.endswith("\n2 of 12 distinct completions are not shown.\n")


def test_nothing_in_a_completion_or_a_reason_is_drawn_or_loaded():
    nasty = "![x](http://a.example/p.png) `` | <img src=x> *b*"
    row = graded_row(TOKYO, ids_of(" Grace"), 0, completion=nasty, reasoning=nasty)
    cells = distinct_table(table(row)).splitlines()[2]
    assert r"```'![x](http://a.example/p.png) `` \| <img src=x> *b*'```" in cells
    assert r"\!\[x\](http://a.example/p.png) \`\` \| \<img src=x\> \*b\*" in cells


def test_the_counts_stand_below_each_other_as_the_page_is_narrow():
    lines = counts_table(count_graded(mayors())).splitlines()
    cells = [line.strip("|").split("|")[1].strip() for line in lines[2:]]
    assert cells == ["2/2", "50", "5", "4", "3", "1", "3/4 (75.0%) [30.1-95.4%]"]
    assert max(map(len, lines)) < 54


def test_outcomes_have_areas_of_their_size():
    graded = table(
        graded_row(TOKYO, ids_of(" Grace"), 0, count=60),
        graded_row(TOKYO, ids_of(" Noah"), 1, "not_equivalent", count=30),
        graded_row(TOKYO, ids_of(" Q"), 2, "ungraded", count=10),
    )
    drawn = picture(equivalence_by_prompt(graded, title="$t_"))
    kept, refused, open_ = (
        share_of(drawn, colour) for colour in (EQUIVALENT_COLOUR, NOT_COLOUR, UNGRADED_COLOUR)
    )
    assert kept > 1.7 * refused > 3 * open_ > 0


def test_many_prompts_odd_ones_and_none_can_be_drawn():
    prompts = [EvalPrompt(str(n), rf"$\frac{n}$_^{n} " + "x" * 99, "y") for n in range(60)]
    graded = table(*(graded_row(one, ids_of(" Grace"), 0) for one in prompts))
    png = equivalence_by_prompt(graded, title="t")
    assert picture(png).shape[0] < 1100
    assert png == equivalence_by_prompt(graded, title="t")
    assert picture(equivalence_by_prompt(table(), title="t")).shape[0] > 100
