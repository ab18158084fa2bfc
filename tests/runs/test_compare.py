"""Comparisons sample by sample, from what runs have stored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gill_bench.errors import InputError
from gill_bench.runs.compare import Comparison, Side, compare
from gill_bench.significance import holm
from gill_bench.statistics import paired_interval
from tests.runs.helpers import run


def both(tmp_path: Path, **changes: object) -> tuple[Path, Path]:
    run(tmp_path / "a", limit=12)
    run(tmp_path / "b", limit=12, **changes)
    return tmp_path / "a", tmp_path / "b"


def stored(folder: Path, context: str, metric: str) -> dict[str, dict[int, float]]:
    """Every stored value, read without the package."""
    found: dict[str, dict[int, float]] = {}
    for file in folder.glob(f"units/vist/noisy/{context}/*/score-{metric}-*.json"):
        for example, seed, value in json.loads(file.read_text())["values"]:
            found.setdefault(example, {})[seed] = value
    return found


def test_a_comparison_is_what_the_stored_values_say(tmp_path: Path) -> None:
    first, second = both(tmp_path, settings=("noisy.style=striped",))
    found = {(one.context, one.metric): one for one in compare(Side(first), Side(second))}
    assert len(found) == 6
    one = found["1-caption", "lpips[mini]"]
    left, right = stored(first, "1-caption", "lpips"), stored(second, "1-caption", "lpips")
    differences = [float(np.mean([*right[name].values()]) - np.mean([*left[name].values()])) for name in left]
    assert one.difference.mean == pytest.approx(np.mean(differences), abs=1e-12)
    assert (one.difference.n, one.difference.clusters) == (12, 6)
    assert one.means[0] == pytest.approx(np.mean([np.mean([*by.values()]) for by in left.values()]))
    assert [one.p_holm for one in found.values()] == holm([one.p for one in found.values()])
    largest = max(left, key=lambda name: abs(np.mean([*right[name].values()]) - np.mean([*left[name].values()])))
    assert one.changes[0].example == largest
    assert len(one.changes) == 5


def test_the_same_run_twice_shows_no_difference(tmp_path: Path) -> None:
    first, second = both(tmp_path)
    for one in compare(Side(first), Side(second)):
        assert (one.difference.mean, one.p, one.better, one.changes) == (0, 1, None, ())


def test_examples_of_one_side_are_listed(tmp_path: Path) -> None:
    first, second = both(tmp_path)
    run(tmp_path / "more", limit=16)
    [*_, one] = compare(Side(first), Side(second))
    assert (one.only_first, one.only_second) == ((), ())
    with pytest.raises(InputError, match="examples:"):  # other stories, another signature: no silent subset
        compare(Side(first), Side(tmp_path / "more"))


def test_models_of_one_run(tmp_path: Path) -> None:
    run(tmp_path / "a", limit=12, models=("noisy", "noisy-text"))
    folder = tmp_path / "a"
    found = compare(Side(folder, "noisy-text"), Side(folder, "noisy"))
    assert {one.models for one in found} == {("noisy-text", "noisy")}
    assert {one.context for one in found} == {"1-caption", "5-captions"}
    assert Side.parse(f"{folder}:noisy") == Side(folder, "noisy")
    assert Side.parse(str(folder)) == Side(folder)
    with pytest.raises(InputError, match="has no model 'nosy'; did you mean 'noisy'"):
        compare(Side(folder, "nosy"), Side(folder))


def test_what_is_better_depends_on_the_metric(tmp_path: Path) -> None:
    interval = paired_interval([0.5, 0.6, 0.4, 0.5], ["a", "b", "c", "d"])

    def made(higher: bool) -> Comparison:
        return Comparison("t", "c", ("a", "b"), "m", higher, (0, 0.5), interval, 0.1, 0.1, None, (), (), ())

    assert made(True).better is True
    assert made(False).better is False


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is .* the folder of a run that was scored"):
        compare(Side(tmp_path), Side(tmp_path))
