"""The calls that a tracker gets, recorded by a tracker that does nothing else."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gill_bench.cards import registry
from gill_bench.cli import main
from gill_bench.errors import InputError
from gill_bench.rundir.reader import RunReader
from gill_bench.tracking import open_tracker
from gill_bench.tracking.run import track
from tests.support.runs import results


class Listener:
    """Records its calls."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def start(self, name: str, config: Mapping[str, str]) -> None:
        self.heard.append(("start", name, dict(config)))

    def log(self, values: Mapping[str, float], seed: int) -> None:
        self.heard.append(("log", dict(values), seed))

    def summary(self, values: Mapping[str, float]) -> None:
        self.heard.append(("summary", dict(values)))

    def table(self, name: str, markdown: str) -> None:
        self.heard.append(("table", name, markdown))

    def file(self, file: Path) -> None:
        self.heard.append(("file", file.name))

    def picture(self, name: str, file: Path, caption: str) -> None:
        assert file.is_file()
        self.heard.append(("picture", name, caption))

    def finish(self) -> str:
        self.heard.append(("finish",))
        return "nowhere"


def test_a_tracker_gets_every_number_table_file_and_picture_once(small_run: Path) -> None:
    listener = Listener()
    assert track(RunReader.open(small_run), listener, "mine", {"t": "| a |"}, 2) == "nowhere"
    rows = results(small_run)["rows"]
    kinds = [call[0] for call in listener.heard]
    assert kinds == ["start", "log", "log", "summary", "table", *["file"] * 3, "picture", "picture", "finish"]
    config = listener.heard[0][2]
    assert config["model/vist/noisy"] == rows[0]["model_signature"]
    assert {"commit", "device", "packages/torch", "signature/vist/lpips[mini]"} <= config.keys()
    for _, values, seed in listener.heard[1:3]:
        expected = {f"vist/noisy/1-caption/{r['metric']}": r["value"] for r in rows if r["seed"] == seed}
        assert values == expected
    summary = listener.heard[3][1]
    lpips = [row["value"] for row in rows if row["metric"] == "lpips[mini]"]
    assert summary["mean/vist/noisy/1-caption/lpips[mini]"] == pytest.approx(np.mean(lpips))
    assert summary["std/vist/noisy/1-caption/lpips[mini]"] == pytest.approx(np.std(lpips, ddof=1))
    assert {call[1] for call in listener.heard if call[0] == "picture"} == {
        f"vist/noisy/1-caption/{example}" for example in ("1024", "1025")
    }


def test_a_tracker_of_another_package_is_used_by_its_name(small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener()
    point = SimpleNamespace(name="mine", load=lambda: SimpleNamespace(open=lambda where: listener))
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == "gill_bench.trackers" else [])
    assert main(["track", str(small_run), "--to", "mine", "--name", "called"]) == 0
    assert listener.heard[0][:2] == ("start", "called")
    assert "Contextual image generation on VIST" in next(call[2] for call in listener.heard if call[0] == "table")


def test_unknown_trackers_missing_libraries_and_folders_without_a_run_are_refused(
    tmp_path: Path, small_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="no tracker named 'wand'; did you mean 'wandb'"):
        open_tracker("wand")
    assert main(["track", str(tmp_path), "--to", f"tensorboard={tmp_path}"]) == 2
    for library, extra in (("tensorboard", "tensorboard"), ("mlflow", "mlflow"), ("wandb", "wandb")):
        monkeypatch.setitem(sys.modules, library, None)  # as if it were not installed
        capsys.readouterr()
        assert main(["track", str(small_run), "--to", f"{extra}={tmp_path / 'x'}"]) == 2
        assert f"pip install 'gill-bench[{extra}]'" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
