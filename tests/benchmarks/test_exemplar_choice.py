"""A train question that is also graded is passed over, not shown."""

from quarry.benchmarks.exemplars import check_exemplars, without_graded_questions
from quarry.samples import Sample


def test_a_candidate_with_a_graded_question_is_passed_over():
    graded = [Sample("gsm8k/test/0", "How many  Apples?", "1")]
    candidates = [
        Sample("gsm8k/train/0", "how many apples?", "1"),
        Sample("gsm8k/train/1", "How many pears?", "2"),
    ]
    kept = without_graded_questions(candidates, graded)
    assert [sample.id for sample in kept] == ["gsm8k/train/1"]
    assert check_exemplars(kept, graded) == []
