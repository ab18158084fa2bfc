"""`gill-bench run experiment.toml`: a run is saved, repeated and overridden; variables stand for options."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from gill_bench.cli import main
from gill_bench.rundir.records import EXPERIMENT, RESULTS

MODEL = """
from PIL import Image

class Grey:
    def __init__(self, device="cpu", level=10):
        self.level = level

    def generate_images(self, prompts, noise):
        return [[Image.new("RGB", (32, 32), (self.level, s.seed % 256, 9)) for s in samples] for samples in noise]
"""
SMALL = ("--contexts", "1-caption", "--limit", "2", "--seeds", "1", "--threads", "1", "--workers", "1")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "grey.py").write_text(MODEL, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def test_a_run_is_repeated_from_its_own_folder_and_from_elsewhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = ["run", "vist", "--models", "code/grey.py:Grey", *SMALL, "--set", "Grey.level=40", "--out", "runs/a"]
    assert main([*words, "--save", "saved.toml"]) == 0
    assert (
        main(["run", "visdial", "--models", "code/grey.py:Grey", "--limit", "2", "--seeds", "1", "--out", "runs/a"])
        == 0
    )
    saved = Path("saved.toml").read_bytes()
    assert main([*words, "--save", "saved.toml", "--dry-run"]) == 0  # the same command again
    assert main([*words, "--limit", "3", "--save", "saved.toml", "--dry-run"]) == 2
    assert "saved.toml: it exists with other content" in capsys.readouterr().err
    assert Path("saved.toml").read_bytes() == saved
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    capsys.readouterr()
    assert main(["run", f"../runs/a/{EXPERIMENT}", "--out", "b"]) == 0
    assert "out = ../runs/a: overridden by --out b" in capsys.readouterr().err
    assert Path("b", RESULTS).read_bytes() == Path("../runs/a", RESULTS).read_bytes()
    first, second = tomllib.loads(Path("b", EXPERIMENT).read_text())["run"]
    assert (first["models"], first["settings"]) == (["../../code/grey.py:Grey"], {"Grey": {"level": 40}})
    assert second["tasks"] == ["visdial"]

    assert main(["run", "../saved.toml", "--dry-run", "--json"]) == 0  # in the same folder: nothing is left to do
    [cell] = json.loads(capsys.readouterr().out)["cells"]
    assert (cell["task"], cell["samples_pending"]) == ("vist", 0)
    assert main(["run", "../saved.toml", "--set", "Grey.level=41", "--limit", "3", "--dry-run", "--json"]) == 0
    said = capsys.readouterr()
    assert "../saved.toml: limit = 2: overridden by --limit 3" in said.err
    assert "../saved.toml: Grey.level=40: overridden by --set" in said.err
    assert json.loads(said.out)["cells"][0]["samples_pending"] == 3


def test_a_wrong_file_is_refused_before_anything_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    Path("e.toml").write_text('tasks = ["vist"]\nmodles = ["gill"]\n')
    assert main(["run", "e.toml"]) == 2
    assert "error: e.toml, line 2: unknown key 'modles'; did you mean 'models'?" in capsys.readouterr().err
    for words, message in (
        (["vist", "--save", "e.txt"], "ends in .toml"),
        (["vist", "--save", "no/e.toml"], "no folder no"),
    ):
        assert main(["run", *words, "--dry-run"]) == 2
        assert message in capsys.readouterr().err


def test_tasks_beside_the_file_take_the_place_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    Path("e.toml").write_text('tasks = ["vist"]\nmodels = "code/grey.py:Grey"\nlimit = 2\nseeds = 1\n')
    assert main(["run", "e.toml", "visdial", "--dry-run", "--json"]) == 0
    said = capsys.readouterr()
    assert "e.toml: tasks = vist: overridden by the tasks visdial" in said.err
    assert {cell["task"] for cell in json.loads(said.out)["cells"]} == {"visdial"}


def test_a_variable_stands_for_an_option_and_a_file_or_an_option_overrides_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("DATA", "nowhere"), ("WEIGHTS", "mini"), ("OUT", "runs/variable")):
        monkeypatch.setenv(f"GILL_BENCH_{name}", value)
    words = ["run", "vist", "--models", "code/grey.py:Grey", "--limit", "2", "--dry-run"]
    assert main(words) == 2
    assert "nowhere" in capsys.readouterr().err.splitlines()[-1]
    assert main([*words, "--data", "mini", "--save", "e.toml"]) == 0
    said = capsys.readouterr().err
    assert "--out runs/variable: from GILL_BENCH_OUT" in said
    assert "--weights mini: from GILL_BENCH_WEIGHTS" in said
    assert "from GILL_BENCH_DATA" not in said
    assert "run directory: runs/variable" in said
    assert main(["run", "e.toml", "--dry-run"]) == 0
    assert "e.toml: data = mini: overrides the environment's" in capsys.readouterr().err
    assert main(["weights", "check", "gill", "--weights", "elsewhere"]) != 0
    assert "from GILL_BENCH_WEIGHTS" not in capsys.readouterr().err
    monkeypatch.setenv("GILL_BENCH_WEIGHTS", "elsewhere")
    assert main(["weights", "check", "gill"]) != 0
    assert "--weights elsewhere: from GILL_BENCH_WEIGHTS" in capsys.readouterr().err
    assert main(["run", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"GILL_BENCH_{name}" in shown for name in ("DATA", "WEIGHTS", "OUT"))
