"""Human performance: rules on small votes, and the published number from the released votes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from gill_bench.datasets.partiprompts import label_of
from gill_bench.errors import InputError
from gill_bench.metrics.functional.decision import constant_f1, human_f1, macro_f1, random_f1

TRAIN = 600


@pytest.fixture(scope="module")
def votes(real_data: Path) -> list[list[str]]:
    file = real_data / "partiprompts" / "PartiPromptsAllDecisions_Alignment.tsv"
    lines = file.read_text(encoding="utf-8").splitlines()[1:]
    return [line.split("\t")[4].split(",") for line in lines]


@pytest.fixture(scope="module")
def kept(votes: list[list[str]]) -> list[tuple[list[str], str]]:
    labelled = ((row, label_of(row)) for row in votes)
    return [(row, label) for row, label in labelled if label != "same"]


def test_the_released_votes_have_the_published_counts_of_labels(votes: list[list[str]]) -> None:
    assert Counter(map(label_of, votes)) == {"gen": 592, "ret": 319, "same": 721}
    assert Counter(label_of(row, "strict") for row in votes) == {"gen": 377, "ret": 166, "same": 1089}
    assert [label_of(row) for row in votes if len(row) == 4] == ["same", "same"]


def test_the_released_split_has_the_published_counts_and_baselines(kept: list[tuple[list[str], str]]) -> None:
    labels = [label for _, label in kept]
    assert Counter(labels[:TRAIN]) == {"gen": 391, "ret": 209}
    assert Counter(labels[TRAIN:]) == {"gen": 201, "ret": 110}
    table = {
        "all": (labels, 0.2593, 0.3939),
        "train": (labels[:TRAIN], 0.2583, 0.3946),
        "test": (labels[TRAIN:], 0.2613, 0.3926),
        "last 300": (labels[-300:], 0.2574, 0.3952),
        "first 300": (labels[:300], 0.2665, 0.3890),
        "first 311": (labels[:311], 0.2665, 0.3890),
    }
    for name, (part, ret, gen) in table.items():
        assert (constant_f1(part, "ret"), constant_f1(part, "gen")) == pytest.approx((ret, gen), abs=5e-5), name
    test = labels[TRAIN:]
    f1 = random_f1(test, test.count("ret") / len(test))
    assert f1.mean == pytest.approx(0.4996, abs=5e-5)
    assert f1.std == pytest.approx(0.02838, abs=1e-5)


def test_human_performance_is_the_published_number(votes: list[list[str]]) -> None:
    """The function gets all rows, and leaves out rows without a label."""
    human = human_f1(votes, [label_of(row) for row in votes])
    assert human.mean == pytest.approx(0.8510681024099351, abs=2e-16)
    assert human.per_annotator == pytest.approx((0.8438, 0.8689, 0.8406, 0.8482, 0.8538), abs=5e-5)
    assert human.n == 911


def test_human_performance_on_the_test_prompts_is_that_of_the_protocol(kept: list[tuple[list[str], str]]) -> None:
    human = human_f1(*zip(*kept[TRAIN:], strict=True))
    assert human.mean == pytest.approx(0.8434, abs=5e-5)
    assert human.per_annotator == pytest.approx((0.8306, 0.8638, 0.8378, 0.8460, 0.8389), abs=5e-5)
    assert human.n == 311


@pytest.mark.parametrize(("part", "expected"), [(slice(None), 0.8511), (slice(TRAIN, None), 0.8434)])
def test_leaving_the_own_vote_out_changes_nothing(
    kept: list[tuple[list[str], str]], part: slice, expected: float
) -> None:
    values = []
    for annotator in range(5):
        pairs = []
        for row, _ in kept[part]:
            others = Counter(row[:annotator] + row[annotator + 1 :])
            if row[annotator] != "same":
                assert others["gen"] != others["ret"]
                pairs.append(("gen" if others["gen"] > others["ret"] else "ret", row[annotator]))
        values.append(macro_f1(*zip(*pairs, strict=True)))
    assert sum(values) / 5 == pytest.approx(expected, abs=5e-5)
    assert human_f1(*zip(*kept[part], strict=True)).per_annotator == pytest.approx(tuple(values))


def test_same_and_absent_votes_are_left_out() -> None:
    votes = [["gen", "ret", "gen"], ["same", "ret"], ["gen", "same"], ["ret", "gen", "gen"]]
    human = human_f1(votes, ["gen", "ret", "gen", "same"])
    assert human.per_annotator == pytest.approx((0.5, 1 / 3, 0.5))
    assert human.mean == pytest.approx(4 / 9)
    assert human.n == 3


def test_an_annotator_without_a_vote_has_no_value() -> None:
    assert human_f1([["gen", "same"], ["ret", "same"]], ["gen", "ret"]).per_annotator == (1.0, None)


def test_votes_that_cannot_be_scored_are_refused() -> None:
    with pytest.raises(InputError, match="nothing to score"):
        human_f1([["same"]], ["gen"])
    with pytest.raises(ValueError, match="'maybe'"):
        human_f1([["maybe"]], ["gen"])
    with pytest.raises(ValueError, match="2 rows"):
        human_f1([["gen"], ["ret"]], ["gen"])
    with pytest.raises(ValueError, match="votes"):
        label_of([])
