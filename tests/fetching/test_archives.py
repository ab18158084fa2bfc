"""Archives: the wanted files come out, under the wanted paths, and nothing else ever does."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gill_bench.errors import GillBenchError
from gill_bench.fetching import archives
from gill_bench.fetching.archives import is_archive, unpack_files, unpack_pictures
from tests.support.mirror import picture, tarred, zipped

SIS = "sis/val.story-in-sequence.json"
FILES = {"sis/train.story-in-sequence.json": b"[0]", SIS: b"[1]", "readme.txt": b"no"}


def archive(folder: Path, content: bytes) -> Path:
    (folder / "work").mkdir(exist_ok=True)
    file = folder / "work" / "official.archive"
    file.write_bytes(content)
    return file


def files_in(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_the_wanted_files_come_out_and_no_others(tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]) -> None:
    packed = archive(tmp_path, pack(FILES))
    assert is_archive(packed)
    wanted = {SIS: tmp_path / SIS, "sis/test.story-in-sequence.json": tmp_path / "gone"}
    assert unpack_files(packed, wanted) == ["sis/test.story-in-sequence.json"]
    assert files_in(tmp_path) == [SIS, "work/official.archive"]
    assert (tmp_path / SIS).read_bytes() == b"[1]"


def test_of_several_files_of_a_name_the_one_at_the_same_path_comes_out(tmp_path: Path) -> None:
    files = {"__MACOSX/a/b.json": b"0", "b.json": b"1", "x/y/a/b.json": b"2"}
    packed = archive(tmp_path, zipped(files))
    unpack_files(packed, {"a/b.json": tmp_path / "out.json"})
    assert (tmp_path / "out.json").read_bytes() == b"2"


@pytest.mark.parametrize("top", ["val2014/", "deep/er/val2014/", "", "other/"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_pictures_come_into_the_folder_whatever_folder_they_are_packed_in(
    tmp_path: Path, top: str, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    files = {f"{top}{name}": picture(0) for name in ("a.png", "sub/b.png", ".hidden.png", "read.me")}
    packed = archive(tmp_path, pack({**files, f"__MACOSX/{top}._a.png": b"mac"}))
    assert unpack_pictures(packed, tmp_path / "val2014") == 2
    assert files_in(tmp_path / "val2014") == ["a.png", "sub/b.png"]


def test_pictures_that_are_there_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "val2014").mkdir()
    (tmp_path / "val2014" / "a.png").write_bytes(b"my own")
    unpack_pictures(
        archive(tmp_path, zipped({"val2014/a.png": picture(0), "val2014/b.png": picture(1)})), tmp_path / "val2014"
    )
    assert (tmp_path / "val2014" / "a.png").read_bytes() == b"my own"
    assert (tmp_path / "val2014" / "b.png").read_bytes() == picture(1)


def zip_with(name: str, mode: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr(SIS, b"[1]")
        info = zipfile.ZipInfo("placeholder")
        info.filename, info.external_attr = name, mode << 16
        packed.writestr(info, b"/etc/passwd")
    return buffer.getvalue()


UNSAFE = {
    "zip: above": zip_with(f"../{Path(SIS).name}"),
    "zip: above, inside": zip_with("a/../../b.json"),
    "zip: absolute": zip_with("/tmp/b.json"),
    "zip: of another system": zip_with("..\\b.json"),
    "zip: of a drive": zip_with("C:\\b.json"),
    "zip: link": zip_with("sis/link.json", 0o120777),
    "zip: device": zip_with("sis/device", 0o020666),
    "tar: above": tarred({SIS: b"[1]", "../b.json": b"2"}),
    "tar: absolute": tarred({SIS: b"[1]", "/tmp/b.json": b"2"}),
    "tar: link": tarred({SIS: special(SIS, tarfile.SYMTYPE, "/etc/passwd")}),
    "tar: hard link": tarred({"x": special(SIS, tarfile.LNKTYPE, "../../secret")}),
    "tar: device": tarred({SIS: b"[1]", "x": special("dev", tarfile.CHRTYPE)}),
    "tar: pipe": tarred({SIS: b"[1]", "x": special("pipe", tarfile.FIFOTYPE)}),
    "tar: folder above": tarred({SIS: b"[1]", "x": special("../folder", tarfile.DIRTYPE)}),
}


@pytest.mark.parametrize("kind", UNSAFE)
def test_an_archive_with_an_unsafe_member_is_refused_as_a_whole(tmp_path: Path, kind: str) -> None:
    packed = archive(tmp_path, UNSAFE[kind])
    with pytest.raises(GillBenchError, match="nothing was unpacked"):
        unpack_files(packed, {SIS: tmp_path / SIS})
    assert files_in(tmp_path) == []
    packed = archive(tmp_path, UNSAFE[kind])
    with pytest.raises(GillBenchError, match="nothing was unpacked"):
        unpack_pictures(packed, tmp_path / "pictures")


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped({SIS: b"[1]"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the list at the end
    with pytest.raises(GillBenchError, match="is encrypted"):
        unpack_files(archive(tmp_path, bytes(content)), {SIS: tmp_path / SIS})


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_bomb_is_refused(
    tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_HARMLESS", 1 << 20)
    packed = archive(tmp_path, pack({SIS: bytes(2 << 20)}))
    with pytest.raises(GillBenchError, match="decompression bomb"):
        unpack_files(packed, {SIS: tmp_path / SIS})
    assert files_in(tmp_path) == []
    monkeypatch.setattr(archives, "_HARMLESS", 3 << 20)
    assert unpack_files(archive(tmp_path, pack({SIS: bytes(2 << 20)})), {SIS: tmp_path / SIS}) == []


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_damaged_archive_is_deleted_and_leaves_nothing(
    tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    content = bytearray(pack({SIS: bytes(range(256)) * 4000}))
    for position in range(200, 400):
        content[position] ^= 255
    packed = archive(tmp_path, bytes(content))
    with pytest.raises(GillBenchError, match="damaged archive"):
        unpack_files(packed, {SIS: tmp_path / SIS})
    assert files_in(tmp_path) == []


def test_archives_larger_than_the_disk_are_left_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=100))
    packed = archive(tmp_path, zipped({SIS: bytes(1000)}))
    with pytest.raises(GillBenchError, match=r"unpacking official\.archive: needs 1\.0 kB"):
        unpack_files(packed, {SIS: tmp_path / SIS})
    assert files_in(tmp_path) == ["work/official.archive"]
