from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gill_bench.cards.find import Cards
from gill_bench.errors import InputError
from gill_bench.interfaces import OutputKind
from gill_bench.reporting.table import why_empty
from tests.support.made_up import cell, line, row, seeds, table, usual_rows


def notes(shown: object) -> str:
    return "\n".join(shown.notes)  # type: ignore[attr-defined]


def test_mean_and_sample_standard_deviation_over_seeds() -> None:
    measured = cell(table(usual_rows()), "stable-diffusion", 0)
    assert measured.mean == pytest.approx(0.591)
    assert measured.std == pytest.approx(0.001 * 2**0.5)
    assert (measured.seeds, measured.n_expected, measured.n_scored) == ((0, 1), 20, 20)


def test_models_without_a_number_are_left_out() -> None:
    assert [item.model for item in table(usual_rows()).lines] == ["stable-diffusion", "gill"]


def test_models_that_the_layout_does_not_list_follow_by_card_title_or_name() -> None:
    unlisted = [
        *seeds("my-model", "1-caption", "lpips", [0.7, 0.7]),
        *seeds("another", "1-caption", "lpips", [0.8, 0.8]),
    ]
    shown = table([*usual_rows(), *unlisted])
    assert [item.title for item in shown.lines] == ["SD", "GILL", "another", "my-model"]


def test_a_text_only_model_cannot_read_pictures() -> None:
    assert cell(table(usual_rows()), "stable-diffusion", 1).status == "impossible"


def test_a_context_that_was_not_run_is_told_from_one_that_cannot_be() -> None:
    rows = [item for item in usual_rows() if (item.model, item.context) != ("gill", "5-captions-4-images")]
    assert cell(table(rows), "gill", 1).status == "not-run"


def test_best_goes_with_the_direction_and_ties_are_all_best() -> None:
    shown = table(usual_rows())
    assert (cell(shown, "stable-diffusion", 0).best, cell(shown, "gill", 0).best) == (True, False)
    # 0.7102 and 0.7104 are both printed as 0.710
    assert (cell(shown, "stable-diffusion", 2).best, cell(shown, "gill", 2).best) == (True, True)


def test_a_single_cell_is_not_best() -> None:
    assert not cell(table(usual_rows()), "gill", 1).best


def test_no_best_where_numbers_of_examples_differ() -> None:
    rows = [replace(item, n_scored=9, n_missing=1) if item.model == "gill" else item for item in usual_rows()]
    shown = table(rows)
    assert not any(item.best for model in shown.lines for item in model.cells)
    assert "No best is marked" in notes(shown)
    assert "Examples scored per seed: 9 of 10, except 10 of 10 (SD, 1 caption)." in notes(shown)


def test_failures_make_a_cell_incomplete_and_keep_it_from_being_best() -> None:
    rows = usual_rows()
    rows[0] = replace(rows[0], n_scored=8, n_failed=2)
    shown = table(rows)
    assert cell(shown, "stable-diffusion", 0).gaps == ("2 of 20 samples failed",)
    assert not cell(shown, "stable-diffusion", 0).best
    assert "Incomplete: 2 of 20 samples failed (SD, 1 caption, clip-similarity)." in notes(shown)


def test_a_seed_that_others_have_makes_a_cell_incomplete() -> None:
    shown = table([*usual_rows(), row("gill", "1-caption", 2, "lpips", 0.7)])
    assert cell(shown, "stable-diffusion", 2).gaps == ("seed 2 missing",)
    assert cell(shown, "gill", 2).gaps == ()


def test_a_cell_without_scored_samples_has_no_number() -> None:
    nothing = seeds("gill", "5-captions-4-images", "clip-similarity", [None, None], n_scored=0, n_missing=10)
    shown = table([item for item in usual_rows() if item.context != "5-captions-4-images"] + nothing)
    assert (cell(shown, "gill", 1).status, cell(shown, "gill", 1).mean) == ("unscored", None)


def test_different_signatures_never_share_a_column() -> None:
    rows = usual_rows()
    rows[0] = replace(rows[0], signature="metric:clip-similarity|size:336")
    with pytest.raises(InputError, match=r"size is '(224|336)' and '(224|336)'"):
        table(rows)


def test_two_variants_of_a_metric_never_share_a_column() -> None:
    with pytest.raises(InputError, match=r"lpips.* and lpips.* cannot share a column"):
        table([*usual_rows(), *seeds("my-model", "1-caption", "lpips[mini]", [0.5, 0.5])])


def test_a_stand_in_backbone_shows_in_the_column() -> None:
    rows = [replace(item, metric=f"{item.metric}[mini]") for item in usual_rows()]
    assert [column.variant for column in table(rows).columns] == ["mini"] * 3
    compared = table(rows, Cards().published())
    assert "small stand-in weights are behind clip-similarity[mini], lpips[mini]" in notes(compared)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InputError, match="value = nan, expected a finite number"):
        table([row("gill", "1-caption", 0, "lpips", float("nan"))])


def test_truncated_and_blackened_samples_are_counted_in_notes() -> None:
    rows = [replace(item, n_truncated=3) if item.model == "stable-diffusion" else item for item in usual_rows()]
    shown = table([replace(item, n_flagged=1) for item in rows])
    assert "Prompt truncated by the model, in samples (examples times seeds): 6 of 20 (SD, 1 caption)." in notes(shown)
    assert "Blackened by the safety checker: 2 of 20 samples (examples times seeds) in every cell." in notes(shown)


def test_comparing_shows_the_papers_numbers_and_the_difference() -> None:
    shown = table(usual_rows(), Cards().published())
    measured = cell(shown, "stable-diffusion", 0)
    assert measured.published is not None
    assert (measured.published.value, measured.published.std) == (0.592, 0.0007)
    assert measured.difference == pytest.approx(-0.001)
    assert cell(shown, "stable-diffusion", 1).difference is None
    assert line(shown, "glide").published_only
    assert "Paper: Tab. 1 of Koh" in notes(shown)


def test_the_order_of_the_rows_does_not_matter() -> None:
    assert table(usual_rows()) == table(usual_rows()[::-1])


def test_the_inputs_of_a_model_may_differ_by_output_kind(tmp_path: Path) -> None:
    """A model that reads pictures to answer and paints from text alone has "-" where it is to paint after pictures."""
    (tmp_path / "unified.toml").write_text(
        'schema = 1\nname = "unified"\ntitle = "Unified"\nadapter = "x.py"\n'
        'capabilities = ["image-generator", "text-generator"]\n'
        'inputs = { image-generator = ["text"], text-generator = ["text", "image"] }\n'
    )
    cards = Cards([tmp_path])
    expected: dict[OutputKind | None, str] = {"images": "impossible", "texts": "not-run", None: "not-run"}
    for asks, why in expected.items():
        assert why_empty("unified", "vist", "5-captions-4-images", asks, [], cards) == why
    assert why_empty("unified", "vist", "5-captions", "images", [], cards) == "not-run"
