"""What follows from votes: agreement, the released files as labels of a task, and which side people prefer."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from scipy.stats import binomtest

from gill_bench.analysis.annotation.from_folder import material_of_folder
from gill_bench.analysis.annotation.partiprompts_files import write_partiprompts_files
from gill_bench.analysis.annotation.preference import compare_by_people
from gill_bench.analysis.annotation.study import Study
from gill_bench.analysis.annotation.tally import tally
from gill_bench.analysis.annotation.votes import VoteBook, read_votes
from gill_bench.cards.find import Cards
from gill_bench.datasets.partiprompts import load
from gill_bench.errors import InputError
from gill_bench.planning.resolve import resolve_task
from gill_bench.statistics.agreement import krippendorff_alpha
from tests.support.annotation import pairs, vote
from tests.support.runs import run

# For each prompt the answers of five annotators to the question of relevance: generated, retrieved, same, or none.
CAST = ("ggggg", "rrrrs", "grsss", "ggggr", "rrrg.", "ggs..", "g....", ".....")
SIDES = {"g": "generated", "r": "retrieved", "s": "same"}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A study with the votes `CAST` on relevance, and "same" on realism by everybody."""
    study = pairs(tmp_path).study
    book = VoteBook(tmp_path / "votes", study)
    for number, annotator in enumerate(("Ann", "Bo", "Cy", "Di", "Ed")):
        book.keep(
            annotator,
            [vote(example, SIDES[cast[number]]) for example, cast in enumerate(CAST) if cast[number] != "."],
        )
    return study


def test_agreement_is_that_of_the_votes_with_missing_ones(study: Study, tmp_path: Path) -> None:
    counted = tally(study, read_votes(tmp_path / "votes", study))
    relevance, realism = counted.questions
    letters = [[letter for letter in cast if letter != "."] for cast in CAST]
    assert (counted.examples, counted.with_votes, counted.with_several) == (8, 7, 6)
    assert dict(counted.annotators) == {"Ann": 7, "Bo": 6, "Cy": 6, "Di": 5, "Ed": 4}
    assert relevance.alpha == krippendorff_alpha(letters)
    assert (relevance.four_of_five, relevance.with_five) == (3 / 4, 4)
    assert dict(relevance.counts) == {"generated": 14, "retrieved": 9, "same": 5}
    assert (realism.alpha, realism.four_of_five) == (None, 1.0)
    assert counted.left == 14 / 23


def test_exported_votes_are_what_the_task_reads(study: Study, tmp_path: Path) -> None:
    votes = read_votes(tmp_path / "votes", study)
    exported = tmp_path / "exported" / "partiprompts"
    files = write_partiprompts_files(exported, study, votes)
    assert {file.name for file in files} == {
        "PartiPromptsAllDecisions_Alignment.tsv",
        "PartiPromptsAllDecisions_Realism.tsv",
        "PartiPromptsDecisionsConfident.tsv",
    }
    alignment = (exported / "PartiPromptsAllDecisions_Alignment.tsv").read_text().splitlines()
    assert alignment[0] == "Prompt\tCategory\tChallenge\tNote\tDecisions"
    assert alignment[2] == 'the sign says "1"\tSigns\tWriting & Symbols\t\tret,ret,ret,ret,same'
    assert len(alignment) == 8
    labels = (exported / "PartiPromptsDecisionsConfident.tsv").read_text().splitlines()
    assert labels[0] == "Prompt\tCategory\tChallenge\tNote\tDecision"
    assert [line.rpartition("\t")[2] for line in labels[1:]] == ["gen", "ret", "same", "gen", "ret", "same", "same"]
    examples = load(exported, "all", {"train": 1}).examples
    assert [(example.turns[0].text[-2], example.facts["label"]) for example in examples] == [
        ("0", "gen"),
        ("1", "ret"),
        ("3", "gen"),
        ("4", "ret"),
    ]
    assert load(exported, "all", {"train": 1, "rule": "strict"}).examples[2].facts["votes"] == "gen,gen,gen,gen,ret"
    # The same votes give the same files again; others are not written over them.
    assert write_partiprompts_files(exported, study, votes) == files
    VoteBook(tmp_path / "votes", study).keep("Ann", [vote(7, "retrieved")])
    with pytest.raises(InputError, match="there already, with other votes"):
        write_partiprompts_files(exported, study, read_votes(tmp_path / "votes", study))


def test_exported_votes_are_labels_of_a_run(study: Study, tmp_path: Path) -> None:
    write_partiprompts_files(tmp_path / "data" / "partiprompts", study, read_votes(tmp_path / "votes", study))
    outcome = run(
        tmp_path / "run",
        tasks=("partiprompts",),
        models=("always-generate", "human"),
        contexts=("all-labels",),
        data=str(tmp_path / "data"),
        split=None,
        seeds=1,
        limit=0,
        settings=("partiprompts.train=1",),
    )
    values = {row.model: (row.value, row.n_scored) for row in outcome.results.rows if row.metric == "macro-f1"}
    # Two of four labels are "gen": F1 of generating 2/3, of retrieving 0.
    assert values["always-generate"][0] == pytest.approx(1 / 3)
    assert [scored for _, scored in values.values()] == [4, 4]
    human = values["human"][0]
    assert human is not None
    assert 0.7 < human <= 1


def test_votes_on_two_generating_models_are_no_labels(tmp_path: Path) -> None:
    study = pairs(tmp_path).study
    renamed = tmp_path / "other"
    renamed.mkdir()
    material = pairs(renamed)
    assert material.study.digest == study.digest
    (renamed / "pictures" / "retrieved").rename(renamed / "pictures" / "second")
    card = resolve_task(Cards().task("partiprompts"), data=str(renamed / "data"), split=None, settings={})
    both = material_of_folder(renamed / "pictures", card, str(renamed / "data"), ("generated", "second")).study
    with pytest.raises(InputError, match=r"these votes are on generated \(generated\) and second \(generated\)"):
        write_partiprompts_files(tmp_path / "exported", both, {})
    with pytest.raises(InputError, match="nobody has voted yet"):
        write_partiprompts_files(tmp_path / "exported", study, {})


def test_people_prefer_a_side_with_ties_as_halves(study: Study, tmp_path: Path) -> None:
    forth = compare_by_people("retrieved", "generated", tmp_path / "votes")
    relevance, realism = forth
    shares = [
        (Counter(cast)["g"] + Counter(cast)["s"] / 2) / sum(letter != "." for letter in cast) for cast in CAST[:7]
    ]
    assert relevance.means[1] == pytest.approx(sum(shares) / 7)
    assert relevance.means[0] + relevance.means[1] == pytest.approx(1)
    assert relevance.difference.mean == pytest.approx(relevance.means[1] - relevance.means[0])
    assert (relevance.wins, relevance.losses, relevance.ties) == (4, 2, 1)
    assert relevance.notes == ('28 votes of 5 annotators; 5 of them "the same", which count half for each side',)
    assert (realism.means, realism.ties, realism.p) == ((0.5, 0.5), 7, 1.0)
    back, _ = compare_by_people("generated", "retrieved", tmp_path / "votes")
    assert back.difference.mean == pytest.approx(-relevance.difference.mean)
    assert back.p == relevance.p


def test_with_a_single_annotator_p_is_that_of_the_exact_sign_test(tmp_path: Path) -> None:
    study = pairs(tmp_path).study
    cast = ["generated"] * 6 + ["retrieved", "same"]
    VoteBook(tmp_path / "votes", study).keep("Ann", [vote(number, side) for number, side in enumerate(cast)])
    relevance, _ = compare_by_people("retrieved", "generated", tmp_path / "votes")
    assert relevance.p == pytest.approx(binomtest(6, 7, 0.5).pvalue)


def test_comparisons_without_votes_are_refused(tmp_path: Path) -> None:
    pairs(tmp_path)
    with pytest.raises(InputError, match="no votes on retrieved and gill; there are votes on generated and retrieved"):
        compare_by_people("retrieved", "gill", tmp_path / "votes")
    with pytest.raises(InputError, match="nobody has voted yet"):
        compare_by_people("retrieved", "generated", tmp_path / "votes")
    with pytest.raises(InputError, match="expected RUN:MODEL"):
        compare_by_people("retrieved", "generated")
