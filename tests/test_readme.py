"""The commands of the README work as printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gill_bench.cli import main
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    match = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert match is not None
    return match[1]


def write_model() -> str:
    """Write the README's model into the current folder; its name on the command line."""
    Path("my_model.py").write_text(block("python"))
    return "./my_model.py:MyModel"


def test_the_model_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["run", "vist", "--models", write_model(), "--set", "MyModel.side=32", "--limit", "2", "--seeds", "2"]
    assert main(words) == 0
    capsys.readouterr()
    assert main(["report", "runs/vist"]) == 0
    assert "my-model" in capsys.readouterr().out


def test_a_copied_task_card_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["show", "vist"])
    Path("my-vist.toml").write_text(capsys.readouterr().out.replace('name = "vist"', 'name = "my-vist"'))
    assert main(["run", "./my-vist.toml", "--models", write_model(), "--limit", "1", "--seeds", "1"]) == 0
    assert Path("runs/my-vist/results.json").is_file()


def test_every_command_line_option_of_the_readme_exists(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.split("  ")[0] for line in README.splitlines() if line.startswith("gill-bench ")]
    assert len(lines) >= 8
    for line in lines:
        words = line.split()[1:]
        main([*words[: 2 if words[0] in ("data", "mini") else 1], "--help"])
        shown = capsys.readouterr().out
        assert all(option in shown for option in re.findall(r"--[a-z-]+", line)), line


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target
