"""A shell completes commands, tasks and models."""

from __future__ import annotations

from pathlib import Path

import pytest

from gill_bench.cli.completion import model_names, task_names
from tests.support.cli import run_command


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("gill-bench run vi", ["visdial", "visdial-answers", "visdial-retrieval", "vist", "vist-retrieval"]),
        ("gill-bench run vist --models clip,fromage-", ["clip,fromage-vis4"]),
    ],
)
def test_bash_asks_and_is_answered(words: str, completed: list[str], tmp_path: Path) -> None:
    answered = run_command(
        _GILL_BENCH_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(words.count(" ")), HOME=str(tmp_path)
    )
    assert answered.stdout.split() == completed


def test_names_follow_a_comma_once_and_all_stands_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "own-task.toml").touch()
    monkeypatch.setenv("GILL_BENCH_CARDS", str(tmp_path))
    assert task_names("own") == ["own-task"]
    assert "all" in task_names("a")
    assert "all" in model_names("a")
    assert "gill,all" not in model_names("gill,a")
    assert "gill,gill" not in model_names("gill,")
    assert "gill,clip" in model_names("gill,")
