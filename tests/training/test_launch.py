"""`accelerate launch`, as docs/training.md shows it, on two CPU processes; what they train is in test_distributed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.training.conftest import free_port


@pytest.mark.slow
@pytest.mark.enable_socket
def test_the_documented_command_trains_on_two_processes(world: Path, tmp_path: Path) -> None:
    shown = "accelerate launch --num_processes 2 -m gill_bench train"
    assert shown in (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_machines", "1"]
    weights = world / "weights"
    options = {
        "data": world / "data",
        "llm": weights / "opt-mini",
        "visual-encoder": weights / "clip-mini",
        "out": tmp_path / "trained",
        "ret-emb-dim": 16,
        "mapper-width": 16,
        "mapper-layers": 1,
        "visual-tokens": 2,
        "max-len": 24,
        "batch-size": 4,
        "steps": 2,
        "steps-per-epoch": 2,
        "warmup-steps": 1,
        "workers": 0,
        "device": "cpu",
        "threads": 1,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    done = subprocess.run(
        [*launch, "--main_process_port", str(free_port()), *shown.split()[2:], *words, "--json"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    printed, _ = json.JSONDecoder().raw_decode(done.stdout)  # of the first process; the other prints the same
    assert printed["steps"] == 2
    assert (tmp_path / "trained" / "last" / "pretrained_ckpt.pth.tar").is_file()
