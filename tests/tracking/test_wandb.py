"""Offline, in a process of its own: the library talks to its own service over a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import run_command
from tests.support.runs import results

pytestmark = pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed")
_BLOCK, _HEADER = 32768, 7


def records(file: Path) -> Iterator[Any]:
    """The records of a .wandb file: seven bytes, then blocks of chunks as in a LevelDB log."""
    messages: Any = import_module("wandb.proto.wandb_internal_pb2")
    content, position, record = file.read_bytes(), _HEADER, b""
    while position < len(content):
        if _BLOCK - position % _BLOCK < _HEADER:
            position += _BLOCK - position % _BLOCK
            continue
        length, kind = int.from_bytes(content[position + 4 : position + 6], "little"), content[position + 6]
        record += content[position + _HEADER : position + _HEADER + length]
        position += _HEADER + length
        if kind in (1, 4):  # whole, or the last of several chunks
            yield messages.Record.FromString(record)
            record = b""


def test_an_offline_run_of_wandb_is_read_back(tmp_path: Path, small_run: Path) -> None:
    ended = run_command(
        "track", small_run, "--to", "wandb=mine", "--pictures", "1", WANDB_MODE="offline", WANDB_DIR=str(tmp_path)
    )
    assert ended.returncode == 0, ended.stderr
    [folder] = (tmp_path / "wandb").glob("offline-run-*")
    [file] = folder.glob("*.wandb")
    logged = list(records(file))
    [run] = [record.run for record in logged if record.WhichOneof("record_type") == "run"]
    assert (run.project, run.display_name, run.job_type) == ("mine", "small", "evaluation")
    rows = results(small_run)["rows"]
    config = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in run.config.update}
    assert config["model/vist/noisy"] == rows[0]["model_signature"]
    history = {}
    for record in logged:
        if record.WhichOneof("record_type") == "history":
            line = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
            history[line["seed"]] = line["vist/noisy/1-caption/lpips[mini]"]
    assert history == {row["seed"]: row["value"] for row in rows if row["metric"] == "lpips[mini]"}
    summary = {
        item.key or item.nested_key[0]: json.loads(item.value_json)
        for record in logged
        if record.WhichOneof("record_type") == "summary"
        for item in record.summary.update
    }
    mean = sum(history.values()) / len(history)
    assert summary["mean/vist/noisy/1-caption/lpips[mini]"] == pytest.approx(mean)
    assert summary["pictures/vist/noisy/1-caption/1024"]["_type"] == "image-file"
    assert (folder / "files" / "results.json").read_bytes() == (small_run / "results.json").read_bytes()
    assert not (folder / "files" / "results.json").is_symlink()
