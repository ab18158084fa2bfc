"""`gill-bench status`: of a run, of a folder of runs, and of what is neither."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gill_bench.cli import main
from tests.support.runs import half, whole


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: a finished one, and one in a folder below that was never scored."""
    folder = tmp_path_factory.mktemp("runs")
    whole(folder / "whole")
    half(folder / "others" / "half")
    return folder


def test_the_status_of_a_run_as_text(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(runs / "whole")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{runs / 'whole'}: finished, 8 of 8 samples"
    assert lines[2].split()[:5] == ["vist/noisy/1-caption", "8", "of", "8", "1"]
    assert lines[2].endswith("scored")
    assert lines[3] == "last pictures:"
    assert all(Path(line.strip()).is_file() for line in lines[4:])


def test_the_status_of_a_run_as_json(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(runs / "others" / "half"), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["state"], content["done"], content["expected"]) == ("unfinished", 8, 16)
    assert [len(cell["units"]) for cell in content["cells"]] == [1, 0]


def test_the_status_of_a_folder_of_runs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(runs)]) == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["others/half", "whole"]
    assert lines[0][1].startswith("unfinished, 8 of 16 samples, about ")
    assert lines[1][1] == "finished, 8 of 8 samples"
    assert main(["status", str(runs), "--json"]) == 0
    assert [each["state"] for each in json.loads(capsys.readouterr().out)["runs"]] == ["unfinished", "finished"]


def test_failures_are_shown_with_their_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOISY_FAIL_ON", "then it")
    half(tmp_path)
    capsys.readouterr()
    assert main(["status", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    (line,) = [line for line in shown.splitlines() if line.startswith("failed: ")]
    assert "vist/noisy/1-caption" in line
    assert "noisy.py:" in line
    record = next(line for line in shown.splitlines() if line.startswith("    traceback: "))
    assert Path(record.partition(": ")[2]).is_file()


def test_the_status_of_a_folder_that_is_no_run_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(tmp_path / "nothing")]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert main(["status", str(tmp_path)]) == 2
    assert "no spec.json; this is not the folder of a run" in capsys.readouterr().err
