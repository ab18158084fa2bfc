"""A world of another seed has other scenes, none of a kind that models were trained on; findings are judged there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gill_bench.cli import main
from gill_bench.datasets.sis import load
from gill_bench.mini import grammar
from gill_bench.mini.scene import split_of
from gill_bench.mini.writers.vist import SEQUENCES, write_vist


def drawn(folder: Path, seed: int) -> set[tuple[str, ...]]:
    """The stories of a small world's test split."""
    write_vist(folder, seed, ("test",))
    return {tuple(turn.text for turn in example.turns) for example in load(folder, "test", {}).examples}


def test_another_seed_draws_other_stories_of_kinds_that_training_never_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds: list[str] = []
    sequence = grammar.sequence

    def noted(*arguments: Any) -> Any:
        scenes = sequence(*arguments)
        kinds.extend({split_of(scene) for scene in scenes})
        return scenes

    monkeypatch.setattr("gill_bench.mini.writers.vist.sequence", noted)
    first, second = drawn(tmp_path / "0", 0), drawn(tmp_path / "7", 7)
    assert len(first) == len(second) == 2 * SEQUENCES["test"]
    assert not first & second
    assert set(kinds) == {"test"}


@pytest.mark.slow  # writes a world and loads three models
def test_a_fresh_world_is_judged_and_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["mini", "findings", "--seed", "7", "--out", str(tmp_path), "--tasks", "vist-retrieval", "--limit", "16"]
    assert main([*command, "--json"]) == 0
    first = capsys.readouterr()
    judged = json.loads(first.out)
    assert {(item["task"], item["verdict"] in ("holds", "not shown", "opposite")) for item in judged} == {
        ("vist-retrieval", True)
    }
    assert all(item["low"] <= item["gain"] <= item["high"] for item in judged)
    assert main([*command, "--json"]) == 0
    again = capsys.readouterr()
    assert again.out == first.out
    assert "writing" in first.err
    assert "writing" not in again.err
    assert "generating" not in again.err


def test_either_runs_or_a_seed_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mini", "findings"]) == 2
    assert "name either runs, or a seed with --seed N" in capsys.readouterr().err
    assert main(["mini", "findings", "--seed", "7", "--tasks", "vsit"]) == 2
    assert "did you mean" in capsys.readouterr().err
