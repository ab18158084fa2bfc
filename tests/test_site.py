"""The documentation site is built without a warning, its notebook runs, and the commands of its tutorial work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from gill_bench.cli import main
from gill_bench.cli.app import app
from tests.conftest import ROOT


@pytest.mark.slow
def test_the_site_is_built_with_the_results_of_its_notebook(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    notebook = (tmp_path / "notebook.html").read_text(encoding="utf-8")
    assert len(re.findall("<table", notebook)) >= 4  # the notebook's report, results, samples and comparison
    assert "data:image/png" in notebook
    commands = (tmp_path / "reference" / "commands.html").read_text(encoding="utf-8")
    assert all(f"gill-bench {command.name} [OPTIONS]" in unescape(commands) for command in app.registered_commands)
    assert 'id="gill_bench.api.run"' in (tmp_path / "reference" / "python.html").read_text(encoding="utf-8")
    served = (tmp_path / "served-models.html").read_text(encoding="utf-8")
    assert 'href="reference/baselines.html#served-chat"' in served
    pages = [file.read_text(encoding="utf-8") for file in tmp_path.rglob("*.html")]
    assert not [
        address for page in pages for address in re.findall(r'(?:src|rel="stylesheet" href)="(http[^"]+)', page)
    ]


@pytest.mark.slow
def test_the_commands_of_the_tutorial_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tutorial = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    models = re.findall(r"^```python\n(.*?)^```$", tutorial, re.DOTALL | re.MULTILINE)
    Path("my_model.py").write_text(models[0], encoding="utf-8")
    lines = [line for line in tutorial.splitlines() if line.startswith("gill-bench ") and " DIR" not in line]
    assert len(lines) >= 7
    for line in lines:  # smaller than in the document: four stories are two sequences, which can be compared
        words = line.replace("--limit 8", "--limit 4").replace("--seeds 2", "--seeds 1").split()
        assert main(words[1:]) == 0, line
    assert Path("runs/first/page/index.html").is_file()
