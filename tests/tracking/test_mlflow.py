from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gill_bench.cli import main
from tests.support.runs import results

pytestmark = pytest.mark.skipif(find_spec("mlflow") is None, reason="mlflow is not installed")


def test_a_run_tracked_in_mlflow_is_read_back(tmp_path: Path, small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # the store that needs no server and no database
    address = f"file:{tmp_path / 'store'}"
    assert main(["track", str(small_run), "--to", f"mlflow={address}", "--pictures", "1"]) == 0
    mlflow: Any = import_module("mlflow")
    client = mlflow.MlflowClient(tracking_uri=address)
    experiment = client.get_experiment_by_name("gill-bench")
    [run] = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("small", "FINISHED")
    rows = results(small_run)["rows"]
    history = client.get_metric_history(run.info.run_id, "vist/noisy/1-caption/lpips.mini")
    stored = {row["seed"]: row["value"] for row in rows if row["metric"] == "lpips[mini]"}
    assert {entry.step: entry.value for entry in history} == stored
    mean = run.data.metrics["mean/vist/noisy/1-caption/lpips.mini"]
    assert mean == pytest.approx(sum(stored.values()) / len(stored))
    assert run.data.params["model/vist/noisy"] == rows[0]["model_signature"]
    paths = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert paths == {"tables", "pictures", "results.json", "spec.json", "env.json"}
    [picture] = (tmp_path / "store").rglob("pictures/vist/noisy/1-caption/1024/*.png")
    assert picture.read_bytes() == next(small_run.glob("units/vist/noisy/1-caption/*/000-1024-0.png")).read_bytes()
    [table, *_] = (tmp_path / "store").rglob("tables/*.md")
    assert "Contextual image generation on VIST" in table.read_text()


def test_a_store_that_mlflow_refuses_is_named(
    tmp_path: Path, small_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    assert main(["track", str(small_run), "--to", f"mlflow=nonsense:{tmp_path}"]) == 1
    assert "--to mlflow: nonsense:" in capsys.readouterr().err
