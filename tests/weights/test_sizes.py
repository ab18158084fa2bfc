"""The memory of weights is counted from the headers of their files, in the precision that the model is loaded with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gill_bench.models.precision import bytes_of_precision
from gill_bench.weights.find import Weights
from gill_bench.weights.sizes import memory_of

TENSORS = {
    "a": torch.zeros(3, 5),  # 15 numbers
    "b": torch.zeros(7, dtype=torch.float16),
    "c": torch.zeros((), dtype=torch.bfloat16),
    "steps": torch.zeros(2, dtype=torch.int64),
}
IN_FILE, IN_HALF, IN_FULL = 15 * 4 + 7 * 2 + 2 + 16, 23 * 2 + 16, 23 * 4 + 16


def save(file: Path) -> Path:
    if file.suffix == ".safetensors":
        save_file(TENSORS, file)
    else:
        torch.save({"epoch": 3, "state_dict": TENSORS}, file)
    return file


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "decision_model.pth.tar"])
def test_floating_point_numbers_take_the_precision_asked_for(tmp_path: Path, name: str) -> None:
    weights = Weights("x", save(tmp_path / name))
    assert [memory_of(weights, count) for count in (None, 2, 4)] == [IN_FILE, IN_HALF, IN_FULL]


def test_files_that_a_loader_does_not_read_and_those_without_tensors_do_not_count(tmp_path: Path) -> None:
    save(tmp_path / "model.safetensors")
    save(tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text("{}")
    assert memory_of(Weights("x", tmp_path), 2) == IN_HALF


def test_a_file_that_cannot_be_looked_into_counts_with_its_size(tmp_path: Path) -> None:
    old, code = tmp_path / "old.pt", tmp_path / "code.pt"
    torch.save(TENSORS, old, _use_new_zipfile_serialization=False)
    torch.save(torch.nn.Linear(2, 2), code)
    for file in (old, code):
        assert memory_of(Weights("x", file), 2) == file.stat().st_size


@pytest.mark.parametrize(
    ("name", "device", "of_files", "count"),
    [
        ("float32", "cuda:0", "", 4),
        ("bfloat16", "cpu", "", 2),
        ("auto", "cpu", "", 4),
        ("auto", "cuda:0", "", 2),
        ("auto", "cuda:0", "float32", 4),
        ("auto", "cpu", "float16", 4),
        ("auto", "cpu", "bfloat16", 2),
        (None, "cpu", "", None),
        (7, "cpu", "", None),
    ],
)
def test_the_bytes_of_a_precision(name: object, device: str, of_files: str, count: int | None) -> None:
    assert bytes_of_precision(name, device, of_files) == count
