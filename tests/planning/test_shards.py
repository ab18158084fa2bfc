"""Parts of a run for arrays of jobs: together they are the run, and the last one scores."""

from __future__ import annotations

from pathlib import Path

import pytest

from gill_bench.cli import main
from gill_bench.planning.plan import make_plan
from tests.support.runs import command_line, results, run, run_request, tree


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in one piece."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert run(out, limit=16).complete
    return out


def keys(out: Path, number: int, of: int) -> list[str]:
    return [
        unit.key for cell in make_plan(run_request(out, limit=16, shard=(number, of))).share for unit in cell.pending
    ]


@pytest.mark.parametrize("of", [1, 2, 5, 12, 40])
def test_parts_are_disjoint_equal_and_everything(tmp_path: Path, of: int) -> None:
    parts = [keys(tmp_path / "run", number, of) for number in range(1, of + 1)]
    everything = [key for part in parts for key in part]
    assert sorted(everything) == sorted(keys(tmp_path / "run", 1, 1))
    assert len(set(everything)) == len(everything) == 12
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_a_part_stays_what_it_is_when_others_are_done(tmp_path: Path) -> None:
    second = keys(tmp_path / "run", 2, 3)
    run(tmp_path / "run", limit=16, shard=(1, 3))
    run(tmp_path / "run", limit=16, shard=(3, 3))
    assert keys(tmp_path / "run", 2, 3) == second
    assert keys(tmp_path / "run", 1, 3) == keys(tmp_path / "run", 3, 3) == []


def test_the_last_part_scores_and_the_bytes_are_those_of_one_run(tmp_path: Path, whole: Path) -> None:
    out = tmp_path / "run"
    for number in (3, 1):
        outcome = run(out, limit=16, shard=(number, 3))
        assert outcome.complete
        assert outcome.left
        assert not (out / "results.json").exists()
        assert not list(out.rglob("score-*"))
    last = run(out, limit=16, shard=(2, 3))
    assert last.complete
    assert last.left == 0
    assert tree(out) == tree(whole)
    assert run(out, limit=16, shard=(1, 3)).results == last.results  # again: nothing to do, and still the whole


def test_a_part_tells_how_to_go_on_and_only_its_own_failures_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = [*map(str, command_line(out)), "--shard"]
    with monkeypatch.context() as patch:
        patch.setenv("NOISY_FAIL_ON", " ")
        assert main([*words, "1/2", "--max-failures", "99"]) == 4
    assert "part 1 of 2: 24 of its examples failed" in capsys.readouterr().err
    assert main([*words, "2/2", "--json"]) == 0
    said = capsys.readouterr()
    assert "part 2 of 2: done; 48 outputs of the whole run are left." in said.err
    assert f"at the end: gill-bench score {out}" in said.err
    assert said.out == ""
    assert main(["score", str(out), "--device", "cpu"]) == 4
    assert {(row["n_scored"], row["n_failed"]) for row in results(out)["rows"]} == {(8, 8)}


@pytest.mark.parametrize("text", ["3", "0/3", "4/3", "a/b", "1/0"])
def test_a_part_that_does_not_exist_is_refused(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*map(str, command_line(tmp_path / "run")), "--shard", text]) == 2
    assert f"--shard {text}: expected PART/PARTS, such as 3/16; the first is 1" in capsys.readouterr().err
