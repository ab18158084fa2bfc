"""A file is written completely or does not exist."""

from __future__ import annotations

import errno
import itertools
import os
from pathlib import Path

import pytest

from gill_bench.storage import files
from gill_bench.storage.digests import digest, digest_file
from gill_bench.storage.files import write_atomic, writing
from gill_bench.storage.json import to_json


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.json"
    write_atomic(file, b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.json'"):
        write_atomic(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]
    with (
        pytest.raises(OSError, match=r"No space left on device: '.*commit\.json'"),
        files.writing(tmp_path, "commit.json") as write,
    ):
        write("commit.json", b"new")
    assert not (tmp_path / "commit.json").exists()


def test_a_full_disk_leaves_no_commit_and_no_flush_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flush, calls, flushed = os.fsync, itertools.count(), []

    def fsync(file: int) -> None:
        if next(calls) == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(file)  # raises for a file that is closed already
        flushed.append(file)

    monkeypatch.setattr(os, "fsync", fsync)

    def write_many() -> None:
        with writing(tmp_path, last="last") as write:
            for number in range(32):
                write(str(number), b"content")
            write("last", b"content")

    with pytest.raises(OSError, match="No space left"):
        write_many()
    assert len(flushed) == 32 + 2  # the other files, the folder and its parent
    assert not (tmp_path / "last").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_does_not_wait_for_threads_that_it_has_not(tmp_path: Path) -> None:
    with files.writing(tmp_path, "last") as write:
        write("last", b"")
    assert files._flushers.cache_info().currsize == 1
    child = os.fork()
    if child == 0:
        os._exit(files._flushers.cache_info().currsize)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_equal_values_give_equal_bytes() -> None:
    assert to_json({"b": [1, "é"], "a": None}) == '{"a":null,"b":[1,"é"]}'
    assert digest([1, 2]) != digest([2, 1])


def test_nan_is_not_written_as_json() -> None:
    with pytest.raises(ValueError, match="JSON"):
        to_json(float("nan"))


def test_the_digest_of_a_file_is_its_sha_256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert digest_file(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
