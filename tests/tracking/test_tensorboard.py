from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gill_bench.cli import main
from tests.support.runs import results

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def test_a_run_tracked_in_tensorboard_is_read_back(tmp_path: Path, small_run: Path) -> None:
    assert main(["track", str(small_run), "--to", f"tensorboard={tmp_path}", "--pictures", "1"]) == 0
    events = accumulator.EventAccumulator(str(tmp_path / "small"))
    events.Reload()
    rows = results(small_run)["rows"]
    for metric in ("lpips[mini]", "clip-similarity[mini]"):
        name = f"vist/noisy/1-caption/{metric}"
        logged = {event.step: event.value for event in events.Scalars(name)}
        stored = {row["seed"]: row["value"] for row in rows if row["metric"] == metric}
        assert logged == pytest.approx(stored, rel=1e-6)  # events are float32
        assert events.Scalars(f"mean/{name}")[0].value == pytest.approx(np.mean([*stored.values()]), rel=1e-6)
    [picture] = events.Images("vist/noisy/1-caption/1024")
    stored_picture = next(small_run.glob("units/vist/noisy/1-caption/*/000-1024-0.png"))
    assert np.array_equal(
        np.asarray(Image.open(io.BytesIO(picture.encoded_image_string))), np.asarray(Image.open(stored_picture))
    )
    texts = set(events.Tags()["tensors"])
    assert {"config/text_summary", "vist/noisy/1-caption/1024/caption/text_summary"} <= texts
    assert any(name.startswith("tables/") for name in texts)
    assert (tmp_path / "small" / "results.json").read_bytes() == (small_run / "results.json").read_bytes()


def test_two_runs_of_one_name_are_not_mixed(
    tmp_path: Path, small_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["track", str(small_run), "--to", f"tensorboard={tmp_path}"]
    assert main(words) == 0
    assert main(words) == 2
    assert "give another --name" in capsys.readouterr().err
    assert main([*words, "--name", "again"]) == 0
