"""Types and shapes that are read without torch are those that torch reads; what torch must look at is left to torch."""

from __future__ import annotations

import os
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from gill_bench.errors import InputError
from gill_bench.weights.tensor_entries import TensorEntry, entries_of
from gill_bench.weights.tensor_files import read_entries, read_pickled_shapes, read_state

TYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
TABLE = torch.arange(24, dtype=torch.float32).reshape(4, 6)


def outline(content: Any) -> Any:
    """Content in which a type and a shape stand for each tensor."""
    if isinstance(content, torch.Tensor):
        return str(content.dtype), tuple(content.shape), content.element_size(), content.numel()
    if isinstance(content, TensorEntry):
        return f"torch.{content.dtype}", content.shape, content.element_size(), content.numel()
    if isinstance(content, Mapping):
        return {key: outline(value) for key, value in content.items()}
    return [outline(item) for item in content] if isinstance(content, list | tuple) else content


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth.tar"])
def test_every_type_and_shape_is_that_of_torch(tmp_path: Path, name: str) -> None:
    tensors = {kind: torch.zeros(2, 3, dtype=getattr(torch, kind)) for kind in TYPES}
    tensors |= {"scalar": torch.tensor(1.0), "empty": torch.zeros(0, 5), "long": torch.zeros(7)}
    file = tmp_path / name
    save_file(tensors, file) if file.suffix == ".safetensors" else torch.save(tensors, file)
    assert outline(entries_of(file)) == outline(tensors)


def test_plain_objects_around_tensors_and_parts_of_tensors_are_read_as_torch_reads_them(tmp_path: Path) -> None:
    layer = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    moments = {0: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(2, 3)}}
    content = {
        "epoch": 3,
        "best": torch.tensor(0.1),
        "state_dict": layer.state_dict(),  # an OrderedDict with an attribute
        "optimizer": {"state": moments, "param_groups": [{"betas": (0.9, 0.999), "params": [0, 1]}]},
        "views": [TABLE[1:, ::2], TABLE.T, TABLE[0].expand(3, 6), (None, True, "text", OrderedDict(x=1.5))],
    }
    torch.save(content, tmp_path / "ckpt.pth.tar")
    assert outline(entries_of(tmp_path / "ckpt.pth.tar")) == outline(content)
    assert outline(read_pickled_shapes(tmp_path / "ckpt.pth.tar")) == outline(content)


class Attack:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._folder / "attacked"),)


def rewritten(file: Path, edit: Callable[[str, bytes], bytes | None], compression: int = zipfile.ZIP_STORED) -> None:
    """Write a zip file again, with the content that the edit gives for each of its files; None leaves one out."""
    with zipfile.ZipFile(file) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in contents.items():
            if (changed := edit(name, content)) is not None:
                archive.writestr(name, changed)


UNUSUAL: dict[str, Callable[[Path], object]] = {
    "missing": lambda file: None,
    "empty": lambda file: file.write_bytes(b""),
    "text": lambda file: file.write_text("<html>not found"),
    "before torch 1.6": lambda file: torch.save({"a": TABLE}, file, _use_new_zipfile_serialization=False),
    "code": lambda file: torch.save({"a": TABLE, "b": Attack(file.parent)}, file),
    "parameter": lambda file: torch.save({"a": torch.nn.Parameter(TABLE)}, file),
    "sparse": lambda file: torch.save({"a": TABLE.to_sparse()}, file),
    "another type": lambda file: torch.save({"a": torch.zeros(2, dtype=torch.complex64)}, file),
    "script": lambda file: torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), file),
}
CHANGED: dict[str, Callable[[str, bytes], bytes | None]] = {
    "no values": lambda name, content: None if name.endswith("/data/0") else content,
    "fewer values": lambda name, content: content[:-4] if name.endswith("/data/0") else content,
    "big-endian": lambda name, content: b"big" if name.endswith("/byteorder") else content,
    "larger than its storage": lambda name, content: content.replace(b"K\x04K\x06", b"K\x05K\x06"),
    "no version": lambda name, content: None if name.endswith("/version") else content,
    "a later protocol": lambda name, content: content[:-1] + b"\x94." if name.endswith(".pkl") else content,
    "a memo without limit": lambda name, content: (
        content[:-1] + b"r\xff\xff\xff\x7f." if name.endswith(".pkl") else content
    ),
    "another function": lambda name, content: content.replace(b"_rebuild_tensor_v2", b"_rebuild_tensor_vv"),
}


@pytest.mark.parametrize("kind", UNUSUAL)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:.*torch.jit:FutureWarning")
def test_a_file_that_is_not_plain_is_left_to_torch_and_runs_no_code(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "a.pth"
    UNUSUAL[kind](file)
    assert entries_of(file) is None
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize("kind", CHANGED)
def test_a_damaged_file_is_left_to_torch(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "a.pth"
    torch.save({"a": TABLE}, file)
    before = file.read_bytes()
    rewritten(file, lambda name, content: content)
    assert outline(entries_of(file)) == {"a": ("torch.float32", (4, 6), 4, 24)}
    file.write_bytes(before)
    rewritten(file, CHANGED[kind])
    assert entries_of(file) is None


def test_a_compressed_file_is_left_to_torch(tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    torch.save({"a": TABLE}, file)
    rewritten(file, lambda name, content: content, zipfile.ZIP_DEFLATED)
    assert entries_of(file) is None


BAD: dict[str, Callable[[Path], object]] = {
    "whole numbers": lambda file: _save({"a": torch.zeros(2, dtype=torch.int64)}, file),
    "cut": lambda file: _save({"a": TABLE}, file, cut=20),
    "pointer": lambda file: file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"),
    "empty": lambda file: file.write_bytes(b""),
    "missing": lambda file: None,
}
BAD_PICKLES: dict[str, Callable[[Path], object]] = {
    "a list": lambda file: torch.save([TABLE], file),
    "no state": lambda file: torch.save({"model": {"a": TABLE}}, file),
    "a number": lambda file: torch.save({"state_dict": {"a": TABLE, "b": 3}}, file),
    "code": lambda file: torch.save({"state_dict": {"a": TABLE}, "b": Attack(file.parent)}, file),
}


def _save(tensors: dict[str, torch.Tensor], file: Path, cut: int = 0) -> None:
    save_file(tensors, file) if file.suffix == ".safetensors" else torch.save({"state_dict": tensors}, file)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) - cut])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, kind) for name in ("a.safetensors", "a.pth") for kind in BAD),
        *(("a.pth", kind) for kind in BAD_PICKLES),
    ],
)
def test_without_values_a_file_is_refused_in_the_same_words(tmp_path: Path, name: str, kind: str) -> None:
    file = tmp_path / name
    (BAD | BAD_PICKLES)[kind](file) if name == "a.pth" else BAD[kind](file)
    words = []
    for read in (read_state, read_entries):
        with pytest.raises(InputError) as refused:
            read(file, "state_dict")
        words.append(str(refused.value))
    assert words[0] == words[1]
    assert str(file) in words[0]


def test_a_file_that_only_torch_can_read_has_the_same_entries(tmp_path: Path) -> None:
    torch.save({"a": TABLE}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert read_entries(tmp_path / "old.pt") == {"a": TensorEntry("float32", (4, 6))}
