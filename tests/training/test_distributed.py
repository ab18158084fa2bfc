"""Two processes on one machine, over gloo, as `accelerate launch --num_processes 2` starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from gill_bench.models.interleaved.checkpoint import read_tensors
from gill_bench.training import train
from tests.training.conftest import Configure, free_port, write_pairs


@pytest.mark.slow
@pytest.mark.enable_socket
def test_two_processes_train_as_one(configure: Configure, world: Path, tmp_path: Path) -> None:
    """Without packing and with captions of one length, means over halves are means over the whole batch.

    But for the contrastive loss, whose gradients DDP averages without correction (protocol 2.7): it is left out here.
    """
    for split, name in (("train", "training"), ("val", "validation")):
        write_pairs(tmp_path / "data", split, name, ["a red square is at the left ."] * 8)
    values = {
        "data": tmp_path / "data",
        "text_encoder": world / "weights" / "sd-mini",
        "packing": 0.0,
        "ret_loss_scale": 0.0,
        "batch_size": 8,
        "steps": 4,
    }
    alone = train(configure(tmp_path / "alone", **values))
    config = configure(tmp_path / "two", **values)
    file = tmp_path / "config.json"
    file.write_text(config.model_dump_json())
    common = {
        **os.environ,
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "OMP_NUM_THREADS": "1",
        "ACCELERATE_USE_CPU": "true",
    }
    script = [sys.executable, "-m", "tests.training.two_processes", str(file)]
    processes = [
        subprocess.Popen(
            script,
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    outputs = [process.communicate(timeout=300) for process in processes]
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors[-3000:]
    # Both processes have the same validation loss, which is over the whole set.
    assert outputs[0][0] == outputs[1][0]
    first, second = (read_tensors(tmp_path / name / "last" / "pretrained_ckpt.pth.tar") for name in ("alone", "two"))
    assert alone.steps == 4
    for key, value in first.items():
        assert_close(second[key], value, rtol=1e-3, atol=1e-4, msg=key)
    assert not torch.equal(first["model.visual_embeddings.weight"], torch.zeros(()))
