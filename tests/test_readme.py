"""The commands of the README work as printed."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

import gill_bench
from gill_bench.cli import main
from tests.conftest import ROOT
from tests.support.first_command import run_of_first_command
from tests.support.runs import results

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str, number: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)[number]  # type: ignore[no-any-return]


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


def test_the_model_of_the_readme_runs_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    write_model()
    code = block("python", 1)
    for whole, small in ((', "gill"]', "]"), ("limit=8", "limit=1, seeds=1")):  # or it would take a minute
        assert whole in code
        code = code.replace(whole, small)
    try:
        exec(code)
    finally:
        sys.modules.pop("my_model", None)
    assert Path("runs/mine/page/index.html").is_file()
    assert results(Path("runs/mine"))["rows"][0]["model"] == "my-model"


@pytest.mark.slow
def test_the_first_command_prints_the_table_that_the_readme_shows() -> None:
    _, text = run_of_first_command()
    printed, shown = text.strip().splitlines(), block("", 1).strip().splitlines()
    number = re.compile(r"\d+\.\d+")
    assert [number.sub("0", line) for line in printed] == [number.sub("0", line) for line in shown]
    for line, expected in zip(printed, shown, strict=True):
        measured = [float(text) for text in number.findall(line)]
        assert measured == pytest.approx([float(text) for text in number.findall(expected)], abs=0.02)


def test_the_readme_is_short_and_begins_with_a_sentence_and_a_picture() -> None:
    lines = README.splitlines()
    assert len(lines) < 150
    assert lines[2].count(".") == 1
    assert lines[4].startswith("![")
    assert "No published checkpoint has been loaded here yet" in README


def test_a_package_index_gets_no_link_that_leads_nowhere() -> None:
    metadata = ProjectMetadata(str(ROOT), PluginManager())
    text = metadata.core.readme
    assert text.startswith("# gill-bench\n")
    assert "![" not in text
    assert "tutorial (`docs/tutorial.md`)" in text
    targets = re.findall(r"\]\(([^)]+)\)", text)
    assert targets
    assert [target for target in targets if not target.startswith("https://")] == []
    assert all(url.startswith("https://") for url in metadata.core.urls.values())


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == gill_bench.__version__ == ProjectMetadata(str(ROOT), PluginManager()).core.version
    assert citation["license"] == "Apache-2.0"
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


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
