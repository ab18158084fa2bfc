"""Arrays are read in several threads at once; damaged files are refused."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import numpy as np
import pytest

from gill_bench.storage.arrays import map_array, read_array

ARRAY = np.arange(24, dtype=np.float32).reshape(4, 6)


def _npy(array: object, *, allow_pickle: bool = False) -> bytes:
    written = io.BytesIO()
    np.save(written, np.asarray(array), allow_pickle=allow_pickle)
    return written.getvalue()


@pytest.mark.parametrize("reader", ["read_array", "open_memmap"])
def test_one_header_is_parsed_at_a_time(reader: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ARRAY)
    original = getattr(np.lib.format, reader)
    parsing = Lock()

    def alone(*arguments: object, **options: object) -> object:
        assert parsing.acquire(blocking=False), "another thread parses a header"
        try:
            time.sleep(0.001)  # lets the other threads run
            return original(*arguments, **options)
        finally:
            parsing.release()

    monkeypatch.setattr(np.lib.format, reader, alone)

    def read(_: int) -> bool:
        if reader == "open_memmap":
            return np.array_equal(map_array(tmp_path / "a.npy"), ARRAY)
        with (tmp_path / "a.npy").open("rb") as opened:
            return np.array_equal(read_array(opened), ARRAY)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(read, range(40)))


@pytest.mark.parametrize(
    "content",
    [b"", _npy(ARRAY)[:40], _npy(ARRAY)[:-1], b"PK\x03\x04" + bytes(60), _npy([{}], allow_pickle=True)],
    ids=["empty", "header cut off", "values cut off", "archive", "pickle"],
)
def test_files_that_hold_no_whole_array_are_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_array(io.BytesIO(content))
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        map_array(tmp_path / "a.npy")


def test_a_mapped_array_is_that_of_the_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ARRAY)
    mapped = map_array(tmp_path / "a.npy")
    assert np.array_equal(mapped, ARRAY)
    assert not mapped.flags.writeable
