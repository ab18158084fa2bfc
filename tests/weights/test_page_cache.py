"""Weights are read ahead by the system, where memory allows it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gill_bench.weights import page_cache
from gill_bench.weights.page_cache import available_memory, read_into_page_cache


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that the system was asked to read."""
    names: list[str] = []

    def advise(handle: int, start: int, length: int, advice: int) -> None:
        assert (start, length, advice) == (0, 0, os.POSIX_FADV_WILLNEED)
        names.append(Path(f"/proc/self/fd/{handle}").readlink().name)

    monkeypatch.setattr(os, "posix_fadvise", advise, raising=False)
    monkeypatch.setattr(os, "POSIX_FADV_WILLNEED", 3, raising=False)
    return names


@pytest.fixture
def weights(tmp_path: Path) -> set[Path]:
    """A folder with a network in two formats, and a file."""
    folder = tmp_path / "clip"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "pytorch_model.bin"):
        (folder / name).write_bytes(bytes(1000))
    (tmp_path / "alexnet.pth").write_bytes(bytes(1000))
    return {folder, tmp_path / "alexnet.pth"}


def memory(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    (folder / "meminfo").write_text(text)
    monkeypatch.setattr(page_cache, "_MEMORY", folder / "meminfo")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux's /proc")
def test_the_files_that_a_loader_reads_are_asked_for(
    asked_for: list[str], weights: set[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(monkeypatch, tmp_path, "MemTotal:  99 kB\nMemAvailable:       6 kB\n")
    assert available_memory() == 6 * 1024
    files = read_into_page_cache(weights)
    assert asked_for == [file.name for file in files] == ["alexnet.pth", "config.json", "model.safetensors"]


def test_with_too_little_memory_nothing_is_read(
    asked_for: list[str], weights: set[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("MemAvailable:       5 kB\n", "nothing of the kind"):
        memory(monkeypatch, tmp_path, text)
        assert read_into_page_cache(weights) == []
    monkeypatch.setattr(page_cache, "_MEMORY", tmp_path / "absent")
    assert read_into_page_cache(weights) == []
    assert asked_for == []


def test_a_file_that_is_not_there_is_left_to_the_loader(asked_for: list[str], tmp_path: Path) -> None:
    assert read_into_page_cache([tmp_path / "absent"]) == []
    assert asked_for == []
