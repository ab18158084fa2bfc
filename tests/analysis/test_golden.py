"""Golden files: a planted regression is caught, other seeds are not reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gill_bench.analysis.golden import RegressionVerdict, check, golden_of, read_golden, write_golden
from gill_bench.cli import main
from gill_bench.errors import IncompleteError, InputError
from gill_bench.rundir.reader import RunReader
from tests.support.made_up_run import made_up
from tests.support.runs import run


def quality(seed: int, loss: float = 0.0) -> np.ndarray:
    """Values of sixty examples in twenty clusters: an example's own part stays, and each seed adds another part."""
    worth = np.repeat(np.random.default_rng(0).normal(0.5, 0.1, 20), 3)
    return worth[:, None] - loss + np.random.default_rng(seed).normal(0, 0.05, (60, 5))


def states(golden: dict[str, Any], now: RunReader, tolerance: float = 0.0) -> list[str]:
    return [verdict.state for verdict in check(now, golden["numbers"], tolerance)]


def test_a_planted_regression_is_caught_and_other_seeds_are_not(tmp_path: Path) -> None:
    golden = golden_of(made_up(tmp_path / "golden", quality(1)))
    again = [states(golden, made_up(tmp_path / f"again{seed}", quality(seed))) for seed in range(2, 7)]
    assert ["regression"] not in again
    worse = made_up(tmp_path / "worse", quality(9, loss=0.05))
    assert states(golden, worse) == ["regression"]
    assert states(golden, worse, tolerance=0.2) == ["ok"]
    assert states(golden, made_up(tmp_path / "better", quality(9, loss=-0.05))) == ["better"]


def test_missing_and_changed_numbers_have_a_state_of_their_own(tmp_path: Path) -> None:
    golden = golden_of(made_up(tmp_path / "golden", quality(1)))
    assert states(golden, made_up(tmp_path / "failed", quality(1), failed=1)) == ["incomplete"]
    assert states(golden, made_up(tmp_path / "fewer", quality(1)[:30])) == ["incomplete"]
    [verdict] = check(made_up(tmp_path / "other", quality(1), signature="gill-bench:1|net:b"), golden["numbers"])
    assert (verdict.state, "net:a -> net:b" in verdict.note) == ("changed", True)
    golden["numbers"][0]["model"] = "absent"
    assert states(golden, made_up(tmp_path / "same", quality(1))) == ["incomplete"]
    with pytest.raises(IncompleteError, match="is not complete"):
        golden_of(made_up(tmp_path / "broken", quality(1), failed=2))


def test_numbers_without_examples_are_held_to_the_tolerance(tmp_path: Path) -> None:
    now = made_up(tmp_path / "now", quality(1))
    [number] = golden_of(now)["numbers"]
    del number["examples"]
    for value, expected in (
        (number["value"], "ok"),
        (number["value"] + 0.01, "regression"),
        (number["value"] - 0.01, "better"),
    ):
        assert [v.state for v in check(now, [{**number, "value": value}])] == [expected]
    assert [v.state for v in check(now, [{**number, "value": number["value"] + 0.01}], 0.02)] == ["ok"]


def test_a_tolerance_can_be_set_by_metric(tmp_path: Path) -> None:
    golden = golden_of(made_up(tmp_path / "golden", quality(1)))["numbers"]
    worse = made_up(tmp_path / "worse", quality(1, loss=0.05))
    for tolerance, expected in (
        ({"q": 0.1}, "ok"),
        ({"": 0.1}, "ok"),
        ({"": 0.1, "q": 0.01}, "regression"),
        ({}, "regression"),
    ):
        assert [verdict.state for verdict in check(worse, golden, tolerance)] == [expected]
    for tolerance, message in (({"x": 0.1}, "no such metric"), ({"q": -1.0}, "from 0 on"), ({"": float("nan")}, "nan")):
        with pytest.raises(InputError, match=message):
            check(worse, golden, tolerance)


def test_damaged_golden_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such golden file; write it with"):
        read_golden(tmp_path / "none.json")
    entry = {
        "task": "t",
        "model": "m",
        "context": "c",
        "metric": "q",
        "value": 1,
        "signature": "",
        "higher_is_better": 1,
    }
    bad = json.dumps({"schema_version": 1, "numbers": [{**entry, "examples": {"a": 1}}]})
    for content in ("{", '{"schema_version": 1, "numbers": [{}]}', "[]", bad):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(InputError, match="damaged"):
            read_golden(tmp_path / "bad.json")
    (tmp_path / "new.json").write_text('{"schema_version": 9, "numbers": []}')
    with pytest.raises(InputError, match="schema_version = 9"):
        read_golden(tmp_path / "new.json")


def test_the_command_check_ends_with_its_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path / "run", limit=12)
    golden = tmp_path / "goldens" / "vist.json"
    assert main(["check", str(tmp_path / "run"), "--against", str(golden)]) == 2
    assert main(["check", str(tmp_path / "run"), "--against", str(golden), "--update"]) == 0
    assert main(["check", str(tmp_path / "run"), "--against", str(golden)]) == 0
    numbers = json.loads(golden.read_text())
    assert len(numbers["numbers"]) == 6
    for number in numbers["numbers"]:
        sign = 1 if number["higher_is_better"] else -1
        number["value"] += sign * 0.1
        number["examples"] = {name: [value + sign * 0.1, c] for name, (value, c) in number["examples"].items()}
    golden.write_text(json.dumps(numbers))
    capsys.readouterr()
    assert main(["check", str(tmp_path / "run"), "--against", str(golden)]) == 3
    assert capsys.readouterr().out.count("regression") == 6
    check_it = ["check", str(tmp_path / "run"), "--against", str(golden)]
    assert main([*check_it, "--tolerance", "1"]) == 0
    assert main([*check_it, "--tolerance", "lpips=1"]) == 3
    assert main([*check_it, "--tolerance", "lpips=1", "--tolerance", "clip-similarity=1"]) == 0
    assert main([*check_it, "--tolerance", "lpips=much"]) == 2
    capsys.readouterr()
    run(tmp_path / "less", limit=12, contexts=("1-caption",))
    write_golden(golden, RunReader.open(tmp_path / "run"))
    assert main(["check", str(tmp_path / "less"), "--against", str(golden), "--json"]) == 4
    verdicts = [RegressionVerdict(**record) for record in json.loads(capsys.readouterr().out)]
    assert sorted(verdict.state for verdict in verdicts) == ["incomplete"] * 4 + ["ok"] * 2
