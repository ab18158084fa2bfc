"""Paths in object stores, and folders by path or URL; the store is one in memory."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("fsspec", reason="gill-bench[s3] is not installed")

from gill_bench.errors import InputError
from gill_bench.storage.digests import digest_file
from gill_bench.storage.files import folder_of, list_now, remove_folder, was_absent, write_atomic, writing
from gill_bench.storage.images import load_image
from gill_bench.storage.paths import is_remote


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    store_folder = folder_of(f"memory://bucket/{request.node.name}")
    yield store_folder
    remove_folder(store_folder)


@pytest.mark.parametrize("text", ["runs/one", "/runs/one", "one:two", "C:/runs", "."])
def test_a_path_stays_a_path(text: str) -> None:
    assert folder_of(text) == Path(text)
    assert isinstance(folder_of(text), Path)


def test_a_url_of_this_machine_is_a_path() -> None:
    assert folder_of("file:///runs/one") == Path("/runs/one")


def test_a_url_may_have_lost_a_slash_as_a_path() -> None:
    url = folder_of("memory://bucket/runs/one/")
    assert str(url) == "memory://bucket/runs/one"
    assert folder_of(Path("memory://bucket/runs/one")) == url == folder_of(url)
    assert is_remote(url)
    assert not is_remote(Path("memory:/bucket"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("memory://bucket", r"^memory://bucket: expected memory://BUCKET/FOLDER$"),
        ("memory://bucket/", r"expected memory://BUCKET/FOLDER$"),
        ("nowhere://bucket/run", r"^nowhere://: no such kind of object store"),
        ("memory://key:word@bucket/run", r"^memory://\.\.\.: a URL with credentials"),
        ("memory://bucket/run?token=word", r"^memory://\.\.\.: a URL with credentials"),
    ],
)
def test_urls_that_cannot_be_used(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        folder_of(text)
    assert "word" not in str(raised.value)


@pytest.mark.parametrize(("protocol", "extra"), [("s3", "s3"), ("gs", "gcs")])
def test_a_client_of_a_store_that_is_not_installed_is_named(
    protocol: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    def absent(*_: object, **__: object) -> None:
        raise ImportError("no client")

    monkeypatch.setattr(fsspec, "filesystem", absent)
    with pytest.raises(InputError, match=rf"pip install 'gill-bench\[{extra}\]'"):
        folder_of(f"{protocol}://bucket/run")


def test_paths_in_a_store_have_names_like_paths_on_disk(folder: Path) -> None:
    file = folder / "units" / "a.json"
    assert (file.name, file.stem, file.suffix, file.parent.name) == ("a.json", "a", ".json", "units")
    assert file.relative_to(folder).as_posix() == "units/a.json"
    assert folder.joinpath("units", "a.json") == file
    assert file.with_name("b.json") == folder / "units" / "b.json"
    assert pickle.loads(pickle.dumps(file)) == file
    assert len({file, folder / "units/a.json"}) == 1
    with pytest.raises(TypeError, match=r"is in an object store"):
        os.fspath(file)


def test_files_in_a_store_are_read_as_they_were_written(folder: Path) -> None:
    write_atomic(folder / "a" / "x.json", b'{"a": 1}\n')
    write_atomic(folder / "a" / "x.json", b'{"a": 2}\n')
    with writing(folder / "b", last="z.txt") as write:
        write("y.txt", "grün".encode())
        write("z.txt", b"")
    assert json.loads((folder / "a" / "x.json").read_text()) == {"a": 2}
    with (folder / "b" / "y.txt").open(encoding="utf-8") as file:
        assert file.read() == "grün"
    assert digest_file(folder / "a" / "x.json") == digest_file(folder / "a" / "x.json")
    assert [path.name for path in folder.iterdir()] == ["a", "b"]
    assert [path.name for path in folder.glob("*")] == ["a", "b"]
    assert [path.relative_to(folder).as_posix() for path in folder.glob("*/*.txt")] == ["b/y.txt", "b/z.txt"]
    assert [path.name for path in folder.rglob("*.json")] == ["x.json"]
    assert (folder / "b").is_dir()
    assert not (folder / "b").is_file()
    assert (folder / "b" / "y.txt").is_file()
    with pytest.raises(ValueError, match="objects are written whole"):
        (folder / "b" / "y.txt").open("w")


def test_removed_files_and_folders_of_a_store_are_gone(folder: Path) -> None:
    for name in ("a/x", "a/b/y", "c"):
        (folder / name).write_text("text")
    remove_folder(folder / "a")
    assert not (folder / "a").exists()
    assert not (folder / "a" / "b" / "y").exists()
    (folder / "c").unlink()
    (folder / "c").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        (folder / "c").unlink()
    with pytest.raises(FileNotFoundError, match="no such object"):
        (folder / "c").read_bytes()
    assert list(folder.glob("*")) == []


def test_a_folder_may_be_called_like_a_file_in_it(folder: Path) -> None:
    (folder / "units" / "units" / "a.json").write_text("1")
    assert list((folder / "units").iterdir()) == [folder / "units" / "units"]
    list_now(folder)
    assert list((folder / "units").glob("*")) == [folder / "units" / "units"]


def test_a_list_hides_no_file_that_this_process_writes(folder: Path) -> None:
    (folder / "unit" / "a.json").write_text("1")
    list_now(folder)
    assert [path.name for path in (folder / "unit").iterdir()] == ["a.json"]
    assert was_absent(folder / "unit" / "b.json")
    assert not was_absent(folder / "unit" / "a.json")
    assert not was_absent(folder / "other" / "c.json")
    (folder / "unit" / "b.json").write_text("2")
    (folder / "other" / "c.json").write_text("3")
    (folder / "unit" / "a.json").write_text("4")
    assert [path.name for path in (folder / "unit").iterdir()] == ["a.json", "b.json"]
    assert not was_absent(folder / "unit" / "b.json")
    assert [path.name for path in folder.iterdir()] == ["other", "unit"]
    assert (folder / "unit" / "a.json").read_text() == "4"
    (folder / "unit" / "a.json").unlink()
    assert not (folder / "unit" / "a.json").exists()


def test_a_list_finds_files_that_another_process_wrote_later(folder: Path) -> None:
    """The stored listing of this process does not know files that another process wrote."""
    (folder / "unit" / "a.json").write_text("1")
    list_now(folder)
    import fsspec

    fsspec.filesystem("memory").pipe_file(f"/bucket/{folder.name}/unit/b.json", b"2")
    assert (folder / "unit" / "b.json").is_file()
    assert (folder / "unit" / "b.json").read_text() == "2"


def test_a_picture_is_read_from_a_store(folder: Path, tmp_path: Path) -> None:
    Image.new("RGB", (3, 2), (9, 8, 7)).save(tmp_path / "a.png")
    (folder / "a.png").write_bytes((tmp_path / "a.png").read_bytes())
    assert load_image(folder / "a.png").tobytes() == load_image(tmp_path / "a.png").tobytes()
