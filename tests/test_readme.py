"""What the README shows works as printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gill_bench.cli import main
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_model_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_model.toml").write_text(block("toml"))
    Path("my_model.py").write_text(block("python"))
    assert main(["run", "vist", "--models", "./my_model.toml", "--limit", "2", "--seeds", "2"]) == 0
    assert main(["report", "runs/vist"]) == 0


def test_a_copied_task_card_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["show", "vist"])
    Path("my-vist.toml").write_text(capsys.readouterr().out.replace('name = "vist"', 'name = "my-vist"'))
    Path("my_model.toml").write_text(block("toml"))
    Path("my_model.py").write_text(block("python"))
    words = ["run", "./my-vist.toml", "--models", "./my_model.toml", "--limit", "1", "--seeds", "1"]
    assert main(words) == 0
    assert Path("runs/my-vist/results.json").is_file()


def test_every_command_line_option_of_the_readme_exists(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.split("  ")[0] for line in README.splitlines() if line.startswith("gill-bench ")]
    assert len(lines) >= 8
    for line in lines:
        command = line.split()[1]
        main([command, "--help"])
        shown = capsys.readouterr().out
        assert all(option in shown for option in re.findall(r"--[a-z-]+", line)), line


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target
