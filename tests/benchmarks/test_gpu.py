"""The script for machines with a GPU runs from end to end at tiny size on a CPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import gpu


@pytest.mark.slow
def test_every_number_is_there_at_tiny_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "gpu.json"
    assert gpu.main(["--tiny", "--device", "cpu", "--dtypes", "bfloat16", "--out", str(out)]) == 0
    content = json.loads(out.read_text())
    line = content["bfloat16"]
    assert set(line["relative error"]) == {"conditioning", "prompt embeddings", "picture embeddings"}
    assert all(0 < error < gpu.RELATIVE_ERROR["bfloat16"] for error in line["relative error"].values())
    assert line["grey levels"]["twice"] == 0
    assert set(line["seconds a picture"]) == {"1", "2"}
    assert line["run"]["whole over calls"] >= 1
    assert 0 <= line["run"]["idle share of generating"] < 1
    assert isinstance(line["pictures a second of two processes"], float)
    table = capsys.readouterr().out.splitlines()
    assert len(table) == len(list(gpu.rows(content)))


def test_a_precision_that_is_off_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = {"relative error": {"conditioning": float("nan")}, "grey levels": {"twice": 1}}
    monkeypatch.setattr(gpu, "measure", lambda *_: line)
    monkeypatch.setattr(gpu, "search", lambda *_: 0.0)
    assert gpu.main(["--tiny", "--device", "cpu", "--dtypes", "float16"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "wrong: float16: conditioning differs by nan from float32 on a CPU",
        "wrong: float16: the same seed gives another picture",
    ]
