"""All runs of a folder: ranked with ties where they can be compared, and listed with the reason where they cannot."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gill_bench
from gill_bench.analysis.leaderboard import leaderboard
from gill_bench.cards.find import Cards
from gill_bench.cli import main
from gill_bench.errors import InputError
from gill_bench.reporting.leaderboard import FORMATS, render_leaderboard
from gill_bench.rundir.load import read_results
from gill_bench.rundir.writer import write_results
from tests.support.made_up_run import made_up
from tests.support.runs import cut, write_made_up_spec

RANDOM = np.random.default_rng(0)
VALUES = RANDOM.random((30, 2))
NOISE = RANDOM.normal(0, 0.01, (30, 2))


def make(folder: Path, values: np.ndarray, guidance: str, **options: object) -> Path:
    """A made-up run of the model `m` with a setting."""
    made_up(folder, values, **options)  # type: ignore[arg-type]
    results = read_results(folder / "results.json")
    rows = tuple(replace(row, model_signature=f"adapter:x|guidance_scale:{guidance}") for row in results.rows)
    write_results(folder, replace(results, rows=rows))
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that do not differ by more than noise, one that is worse, and four that cannot be ranked with them."""
    folder = tmp_path_factory.mktemp("leaderboard")
    make(folder / "a", VALUES, "1.0")
    make(folder / "below" / "b", VALUES + NOISE - NOISE.mean(), "2.0")
    make(folder / "c", VALUES - 0.3, "3.0", failed=2)
    make(folder / "copy", VALUES, "1.0")
    make(folder / "other", VALUES, "4.0", signature="gill-bench:1|examples:12345678|net:a")
    write_made_up_spec_of(folder / "unscored")
    cut(make(folder / "damaged", VALUES, "5.0") / "results.json")
    return folder


def write_made_up_spec_of(folder: Path) -> None:
    folder.mkdir()
    write_made_up_spec(folder, [{"task": "vist", "model": "m", "context": "c"}])


def test_models_are_ranked_with_ties(runs: Path) -> None:
    (ranking,) = leaderboard(runs, Cards()).rankings
    assert (ranking.task, ranking.context, ranking.metric, ranking.higher_is_better) == ("vist", "c", "q", True)
    ranks = {entry.model.partition(", ")[2]: entry.rank for entry in ranking.entries}
    assert {name: rank for name, rank in ranks.items() if "guidance 3.0" in name} == {"guidance 3.0": 3}
    assert sorted(ranks.values()) == [1, 1, 3]
    assert ranking.entries[0].behind is None
    worst = ranking.entries[2]
    assert worst.behind is not None
    assert worst.behind.high < 0
    assert worst.p is not None
    assert worst.p <= 0.05
    assert worst.value == pytest.approx(VALUES.mean() - 0.3)
    assert worst.gaps == ("4 of 60 samples failed",)
    assert ranking.untested == ()


def test_lower_is_better_turns_the_order(tmp_path: Path) -> None:
    for name, values in (("a", VALUES), ("b", VALUES - 0.3)):
        folder = make(tmp_path / name, values, name)
        results = read_results(folder / "results.json")
        rows = tuple(replace(row, higher_is_better=False) for row in results.rows)
        write_results(folder, replace(results, rows=rows))
    (ranking,) = leaderboard(tmp_path, Cards()).rankings
    assert [(entry.rank, entry.run.name) for entry in ranking.entries] == [(1, "b"), (2, "a")]


def test_what_cannot_be_ranked_is_listed_with_the_reason(runs: Path) -> None:
    reasons = {left.run.name: left.reason for left in leaderboard(runs, Cards()).not_ranked}
    assert set(reasons) == {"copy", "other", "unscored", "damaged"}
    assert reasons["copy"] == f"the same number as in {runs / 'a'}"
    assert "examples is 'absent' and '12345678'" in reasons["other"]
    assert reasons["unscored"].startswith("not scored yet")
    assert "damaged" in reasons["damaged"]


def test_two_groups_that_are_each_comparable_are_two_rankings(tmp_path: Path) -> None:
    for number, signature in enumerate(("net:a", "net:a", "net:b|net:a", "net:b|net:a")):
        make(tmp_path / str(number), VALUES + number, str(number), signature=f"gill-bench:1|{signature}")
    board = leaderboard(tmp_path, Cards())
    assert [[entry.run.name for entry in ranking.entries] for ranking in board.rankings] == [["1", "0"], ["3", "2"]]
    assert board.not_ranked == ()


def test_the_largest_selection_of_examples_is_ranked_where_no_two_models_share_one(tmp_path: Path) -> None:
    make(tmp_path / "few", VALUES[:6], "1.0", signature="gill-bench:1|examples:1")
    make(tmp_path / "many", VALUES, "2.0", signature="gill-bench:1|examples:2")
    board = leaderboard(tmp_path, Cards())
    assert [entry.run.name for ranking in board.rankings for entry in ranking.entries] == ["many"]
    assert [(left.run.name, left.reason) for left in board.not_ranked] == [
        ("few", "made in another way than what is ranked: examples is '2' and '1'")
    ]


def test_models_have_the_titles_of_their_cards(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", VALUES, "1.0")
    results = read_results(folder / "results.json")
    write_results(folder, replace(results, rows=tuple(replace(row, model="stable-diffusion") for row in results.rows)))
    (ranking,) = leaderboard(tmp_path, Cards()).rankings
    assert [(entry.model, entry.title) for entry in ranking.entries] == [
        ("stable-diffusion", Cards().model("stable-diffusion").title)
    ]


def test_values_that_cannot_be_tested_share_a_rank_and_say_so(tmp_path: Path) -> None:
    for name, values in (("a", VALUES[:3]), ("b", VALUES[:3] + 1)):  # one cluster
        make(tmp_path / name, values, name)
    (ranking,) = leaderboard(tmp_path, Cards()).rankings
    assert [entry.rank for entry in ranking.entries] == [1, 1]
    assert "all examples are of one cluster" in ranking.untested[0]


def test_every_format_has_the_ranks(runs: Path) -> None:
    board = leaderboard(runs, Cards())
    texts = {name: render_leaderboard(board, name) for name in FORMATS}
    assert "vist c, q ↑" in texts["terminal"]
    assert "  3  m, guidance 3.0" in texts["terminal"]
    assert "not ranked: " in texts["terminal"]
    assert "| 3 | m, guidance 3.0 |" in texts["markdown"]
    rows = list(csv.DictReader(io.StringIO(texts["csv"])))
    assert [row["rank"] for row in rows] == ["1", "1", "3"]
    assert [entry["rank"] for entry in json.loads(texts["json"])["rankings"][0]["entries"]] == [1, 1, 3]
    with pytest.raises(InputError, match="no such format"):
        render_leaderboard(board, "text")


def test_the_command(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["leaderboard", str(runs), "--metric", "q"]) == 0
    printed = capsys.readouterr().out
    assert main(["leaderboard", str(runs), "--out", str(tmp_path / "board.md")]) == 0
    assert "guidance 3.0" in printed
    assert (tmp_path / "board.md").read_text().startswith("### vist c, q ↑")
    assert main(["leaderboard", str(runs), "--html", str(tmp_path / "page")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "page" / "index.html")
    text = (tmp_path / "page" / "index.html").read_text()
    assert "m, guidance 3.0" in text
    assert "Not ranked" in text
    assert "<script" not in text


def test_wrong_requests_are_refused(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, reason in (
        (["--metric", "p"], "no run has it"),
        (["--out", "board.txt"], "its ending names no format"),
        (["--json", "--format", "csv"], "contradict each other"),
        (["--html", "page", "--json"], "a folder of its own"),
    ):
        assert main(["leaderboard", str(runs), *words]) == 2
        assert reason in capsys.readouterr().err
    assert main(["leaderboard", str(tmp_path)]) == 2
    assert "not the folder of a run" in capsys.readouterr().err


def test_in_python_it_is_a_frame(runs: Path) -> None:
    frame = gill_bench.leaderboard(runs, metrics=["q"])
    assert list(frame["rank"]) == [1, 1, 3]
    assert len(frame.attrs["not_ranked"]) == 4
