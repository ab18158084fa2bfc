"""A report in a terminal: the table, the few notes that nobody can do without, and the ids of signatures."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from gill_bench.cards.find import Cards
from gill_bench.mini.embedded import NOTE_DATA
from gill_bench.reporting import render
from gill_bench.reporting.caption import brief_notes, signature_ids
from gill_bench.rundir.rows import Row
from gill_bench.weights.embedded import NOTE_WEIGHTS
from tests.support.made_up import cell, row, table, usual_rows


def with_signature(signature: str) -> list[Row]:
    return [replace(item, signature=f"{signature}|metric:{item.metric}") for item in usual_rows()]


def test_the_notes_are_examples_seeds_and_why_not_to_compare() -> None:
    result_table = table(usual_rows(), notes=(NOTE_DATA, NOTE_WEIGHTS))
    assert brief_notes(result_table) == (
        "Examples scored per seed: 10 of 10.",
        "Mean ± sample standard deviation over 2 seeds (0, 1).",
        "Not comparable with the paper: embedded data; embedded weights.",
    )
    assert len(brief_notes(table(usual_rows()))) == 2


def test_gaps_and_other_warnings_are_never_left_out() -> None:
    rows = usual_rows()
    rows[0] = replace(rows[0], n_failed=1, n_scored=9)
    said = " ".join(brief_notes(table(rows, notes=("UNFINISHED: vist/gill/1-caption.",))))
    for part in ("except", "Incomplete: 1 of 20", "UNFINISHED: vist/gill/1-caption.", "the notes of the run"):
        assert part in said


def test_a_signature_has_one_line_with_its_id() -> None:
    ids = signature_ids(table(usual_rows()))
    assert list(ids.values()) == ["clip-similarity", "lpips"]
    text = render(table(usual_rows()), "terminal", notes=False)
    assert [line for line in text.splitlines() if line.startswith("Signature")] == [
        f"Signature {id}: {names}." for id, names in ids.items()
    ]
    assert "as run" not in text
    assert "|" not in text
    other = signature_ids(
        table([replace(item, signature=item.signature.replace("224", "336")) for item in usual_rows()])
    )
    assert not set(other) & set(ids)
    assert all(len(id) == len(hashlib.sha256().hexdigest()) // 8 for id in ids)


def test_all_notes_are_the_default_and_hold_the_whole_signatures() -> None:
    result_table = table(usual_rows(), Cards().published(), ("tiny",))
    whole, brief = render(result_table, "terminal"), render(result_table, "terminal", notes=False)
    assert len(brief.splitlines()) < len(whole.splitlines())
    for text in ("metric:clip-similarity|size:224", "GILL as run: adapter:gill|steps:50", "Paper: Tab. 1 of Koh"):
        assert text in whole
        assert text not in brief


@pytest.mark.parametrize("format", ["terminal", "markdown", "latex", "html", "csv"])
def test_no_difference_to_the_paper_where_it_means_nothing(format: str) -> None:
    published = Cards().published()
    comparable = render(table(usual_rows(), published), format)
    assert "0.007" in comparable  # LPIPS of Stable Diffusion: ours minus the paper's
    for rows, notes in (
        (usual_rows(), (NOTE_DATA,)),
        ([replace(item, metric=f"{item.metric}[mini]") for item in usual_rows()], ()),
        ([replace(item, n_available=40) for item in usual_rows()], ()),
        (with_signature("data:sis/test"), ()),
    ):
        text = render(table(rows, published, notes), format)
        assert "0.007" not in text
        assert "0.703" in text  # the paper's own number stays
        assert "ours minus the paper's" not in text


def test_the_papers_own_data_is_compared_and_another_split_is_named() -> None:
    published = Cards().published()
    own = table(with_signature("data:sis/val"), published)
    assert cell(own, "stable-diffusion", 0).difference == pytest.approx(-0.001)
    other = table(with_signature("data:sis/test"), published)
    assert cell(other, "stable-diffusion", 0).difference is None
    assert "Not comparable with the paper: the data is sis/test, not sis/val." in other.notes
    strange = table([row("mine", "1-caption", 0, "lpips", 0.5, signature="data:mine/all")], published)
    assert "the data is mine/all, not sis/val" in " ".join(brief_notes(strange))
