"""Comparisons sample by sample, from what runs have stored."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gill_bench.analysis.align import AlignedValues, align_examples
from gill_bench.analysis.compare import Comparison, compare, gain_in_run
from gill_bench.analysis.side import Side
from gill_bench.cli import main
from gill_bench.errors import InputError
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey
from gill_bench.statistics.bootstrap import paired_interval
from gill_bench.statistics.significance import holm
from tests.support.runs import run, seal_again


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs of one model with other settings; not to be changed."""
    folder = tmp_path_factory.mktemp("compare")
    run(folder / "a", limit=12)
    run(folder / "b", limit=12, settings=("noisy.style=striped",))
    return folder / "a", folder / "b"


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory, both: tuple[Path, Path]) -> Path:
    """The first run with eight stories more."""
    folder = shutil.copytree(both[0], tmp_path_factory.mktemp("more") / "run")
    run(folder, limit=20)
    return Path(folder)


def stored(folder: Path, context: str, metric: str) -> dict[str, dict[int, float]]:
    """Every stored value, read without the package."""
    values: dict[str, dict[int, float]] = {}
    for file in folder.glob(f"units/vist/noisy/{context}/*/score-{metric}-*.json"):
        for example, seed, value in json.loads(file.read_text())["values"]:
            values.setdefault(example, {})[seed] = value
    return values


def test_values_that_differ_by_rounding_are_ties(monkeypatch: pytest.MonkeyPatch, both: tuple[Path, Path]) -> None:
    def rounded(*arguments: Any) -> AlignedValues:
        aligned = align_examples(*arguments)
        return replace(aligned, second=aligned.first * (1 + 2e-6))

    monkeypatch.setattr("gill_bench.analysis.compare.align_examples", rounded)
    for comparison in compare(Side(both[0]), Side(both[0])):
        assert (
            comparison.wins,
            comparison.losses,
            comparison.ties,
            comparison.p,
            comparison.better,
            comparison.changes,
        ) == (0, 0, 12, 1.0, None, ())


def test_a_comparison_is_what_the_stored_values_say(both: tuple[Path, Path]) -> None:
    first, second = both
    by_metric = {
        (comparison.context, comparison.metric): comparison for comparison in compare(Side(first), Side(second))
    }
    assert len(by_metric) == 6
    comparison = by_metric["1-caption", "lpips[mini]"]
    left, right = stored(first, "1-caption", "lpips"), stored(second, "1-caption", "lpips")
    differences = [float(np.mean([*right[name].values()]) - np.mean([*left[name].values()])) for name in left]
    assert comparison.difference.mean == pytest.approx(np.mean(differences), abs=1e-12)
    assert (comparison.difference.n, comparison.difference.clusters) == (12, 6)
    assert comparison.means[0] == pytest.approx(np.mean([np.mean([*by.values()]) for by in left.values()]))
    assert [comparison.p_holm for comparison in by_metric.values()] == holm(
        [comparison.p for comparison in by_metric.values()]
    )
    by_name = dict(zip(left, differences, strict=True))
    largest = max(by_name, key=lambda name: abs(by_name[name]))
    assert comparison.changes[0].example == largest
    assert len(comparison.changes) == 5
    gains = [-difference for difference in differences]  # less is better
    assert (comparison.wins, comparison.losses, comparison.ties) == (
        sum(g > 0 for g in gains),
        sum(g < 0 for g in gains),
        0,
    )
    clusters = np.array([by_name[str(n)] + by_name[str(n + 1)] for n in range(1024, 1036, 2)]) / 2
    assert comparison.effect_size == pytest.approx(clusters.mean() / clusters.std(ddof=1))
    change = comparison.changes[0]
    assert change.seed == max(left[largest], key=lambda seed: abs(right[largest][seed] - left[largest][seed]))
    for file, run_folder in zip(change.files, (first, second), strict=True):
        assert Path(file).is_file()
        assert Path(file).is_relative_to(run_folder)
        assert Path(file).name.endswith(f"-{largest}-{change.seed}.png")


def test_the_same_run_twice_shows_no_difference(both: tuple[Path, Path]) -> None:
    for comparison in compare(Side(both[0]), Side(both[0])):
        assert (comparison.difference.mean, comparison.p, comparison.better, comparison.changes) == (0, 1, None, ())
        assert (comparison.effect_size, comparison.ties, comparison.notes) == (0, 12, ())


def test_runs_with_different_limits_are_compared_on_shared_examples(both: tuple[Path, Path], more: Path) -> None:
    for comparison in compare(Side(both[0]), Side(more)):
        assert (comparison.only_first, set(comparison.only_second), comparison.difference.n) == (
            (),
            set(map(str, range(1036, 1044))),
            12,
        )
        assert comparison.notes == ("the sides were given different examples: only the shared examples are compared",)


def test_seeds_of_one_side_are_left_out_and_named(tmp_path: Path, both: tuple[Path, Path]) -> None:
    shutil.copytree(both[0], tmp_path / "a")
    run(tmp_path / "a", limit=12, seeds=3)
    for comparison in compare(Side(tmp_path / "a"), Side(both[1])):
        assert comparison.seeds == (0, 1)
        assert comparison.notes == ("seed 2 of A left out: B does not have it",)


def _edit(folder: Path, metric: str, change: Callable[[list[list[Any]]], list[list[Any]]]) -> None:
    """Change the stored values of every unit of a cell."""
    for file in folder.glob(f"units/vist/noisy/1-caption/*/score-{metric}-*.json"):
        content = json.loads(file.read_text())
        content["values"] = change(content["values"])
        file.write_text(json.dumps(content))
    seal_again(folder)


def test_an_example_that_failed_on_one_side_is_listed(tmp_path: Path, both: tuple[Path, Path]) -> None:
    first, second = both[0], shutil.copytree(both[0], tmp_path / "b")
    _edit(second, "lpips", lambda values: [v for v in values if v[0] != "1024" and v[:2] != ["1025", 1]])
    comparison = next(
        comparison for comparison in compare(Side(first), Side(second)) if comparison.metric.startswith("lpips")
    )
    assert (comparison.only_first, comparison.incomplete, comparison.only_second) == (("1024",), ("1025",), ())
    assert comparison.difference.n == 10


def test_a_value_that_is_no_number_is_refused(tmp_path: Path, both: tuple[Path, Path]) -> None:
    first, second = both[0], shutil.copytree(both[0], tmp_path / "b")
    for file in second.rglob("score-lpips-*.json"):
        content = json.loads(file.read_text())
        content["values"][0][2] = float("nan")
        file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"NaN|finite"):
        compare(Side(first), Side(second))


def test_metrics_and_contexts_that_cannot_be_compared_are_named(
    tmp_path: Path, both: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(both[0], tmp_path / "a")
    run(tmp_path / "b", limit=12, contexts=("1-caption",))
    for folder in (tmp_path / "a", tmp_path / "b"):  # one metric has no single values, as FID has not
        for file in folder.glob("units/vist/noisy/1-caption/*/score-lpips-*.json"):
            file.unlink()
    comparisons = compare(Side(tmp_path / "a"), Side(tmp_path / "b"))
    assert [comparison.metric for comparison in comparisons] == ["clip-similarity[mini]"]
    [left] = comparisons.left_out
    assert (left.metric, left.reason) == ("lpips[mini]", "no values of single examples in A and B")
    assert {side for side, _ in comparisons.unmatched} == {"A"}
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    shown = capsys.readouterr().out
    assert "not compared: vist 1-caption lpips[mini]" in shown
    assert "only in A: vist/noisy/5-captions" in shown
    with pytest.raises(InputError, match="lpip: not compared; did you mean 'lpips"):
        compare(Side(tmp_path / "a"), Side(tmp_path / "b"), metrics=["lpip"])


def test_holms_correction_is_over_the_requested_comparisons(both: tuple[Path, Path]) -> None:
    comparisons = [*compare(Side(both[0]), Side(both[1]), metrics=["lpips"])]
    assert [comparison.metric for comparison in comparisons] == ["lpips[mini]"] * 3
    assert [comparison.p_holm for comparison in comparisons] == holm([comparison.p for comparison in comparisons])


def test_the_json_of_a_comparison_has_every_name(
    both: tuple[Path, Path], more: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(both[0]), str(more)]) == 0
    assert "(8; all with --json)" in " ".join(capsys.readouterr().out.split())
    assert main(["compare", str(both[0]), str(more), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert sorted(content["comparisons"][0]["only_second"]) == [str(name) for name in range(1036, 1044)]
    assert (content["left_out"], content["lone"]) == ([], [])


def test_two_models_of_one_run_are_compared(tmp_path: Path) -> None:
    run(tmp_path / "a", limit=12, models=("noisy", "noisy-text"))
    folder = tmp_path / "a"
    comparisons = compare(Side(folder, "noisy-text"), Side(folder, "noisy"))
    assert {comparison.models for comparison in comparisons} == {("noisy-text", "noisy")}
    assert {comparison.context for comparison in comparisons} == {"1-caption", "5-captions"}
    assert Side.parse(f"{folder}:noisy") == Side(folder, "noisy")
    assert Side.parse(str(folder)) == Side(folder)
    with pytest.raises(InputError, match="has no model 'nosy'; did you mean 'noisy'"):
        compare(Side(folder, "nosy"), Side(folder))


def test_the_better_side_depends_on_the_direction_of_the_metric(tmp_path: Path) -> None:
    interval = paired_interval([0.5, 0.6, 0.4, 0.5], ["a", "b", "c", "d"])

    def comparison_with(higher: bool, p: float = 0.01) -> Comparison:
        return Comparison(
            task="t",
            context="c",
            models=("a", "b"),
            metric="m",
            higher_is_better=higher,
            means=(0, 0.5),
            difference=interval,
            p=p,
            p_holm=p,
            p_bootstrap=p,
            p_mcnemar=None,
            effect_size=None,
            wins=0,
            losses=0,
            ties=0,
            seeds=(0,),
            changes=(),
            only_first=(),
            only_second=(),
            incomplete=(),
            notes=(),
        )

    assert comparison_with(True).better is True
    assert comparison_with(False).better is False
    assert comparison_with(True, p=0.125).better is None  # as of four clusters: no p could be smaller


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"this is not the folder of a run"):
        compare(Side(tmp_path), Side(tmp_path))


def test_the_gain_inside_a_run_is_the_mean_paired_difference_in_the_good_direction(both: tuple[Path, Path]) -> None:
    reader = RunReader.open(both[0])
    keys = {context: CellKey("vist", "noisy", context) for context in ("1-caption", "2-captions", "5-captions")}
    one_caption, five_captions = (stored(both[0], context, "lpips") for context in ("1-caption", "5-captions"))
    expected = [sum(one_caption[name].values()) / 2 - sum(five_captions[name].values()) / 2 for name in one_caption]
    gain = gain_in_run(reader, keys["5-captions"], keys["1-caption"], "lpips")
    assert (gain.n, gain.clusters) == (12, 6)  # two stories share each photo sequence
    assert gain.mean == pytest.approx(sum(expected) / 12, abs=1e-12)
    with pytest.raises(InputError, match="has no noisy/2-captions"):
        gain_in_run(reader, keys["2-captions"], keys["1-caption"], "lpips")
    with pytest.raises(InputError, match="no metric 'lpis' of single examples; did you mean 'lpips'"):
        gain_in_run(reader, keys["5-captions"], keys["1-caption"], "lpis")


def test_examples_of_one_cluster_give_no_interval(tmp_path: Path) -> None:
    run(tmp_path / "run", limit=2, contexts=("1-caption", "5-captions"))
    with pytest.raises(InputError, match=r"of 1 cluster.* make more with a higher --limit"):
        gain_in_run(
            RunReader.open(tmp_path / "run"),
            CellKey("vist", "noisy", "5-captions"),
            CellKey("vist", "noisy", "1-caption"),
            "lpips",
        )
