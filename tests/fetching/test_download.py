"""One download: interrupted, changed on the server, cut, refused, redirected, and never half of a file."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gill_bench.cards.sources import WebFile
from gill_bench.errors import GillBenchError, InputError
from gill_bench.fetching.download import download
from gill_bench.fetching.web import Web, checked_mirror
from tests.support.mirror import WAIT, Cut, Mirror, Short, Status, WebPage, html, redirect, running_mirror

pytestmark = pytest.mark.enable_socket

CONTENT = bytes(range(256)) * 40
SITE = "https://data.example/set/val.bin"


class Pauses(list[float]):
    """The seconds that a client wanted to wait."""


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with running_mirror({"/set/val.bin": WebPage(CONTENT)}) as mirror:
        yield mirror


def get(mirror: Mirror, folder: Path, *, checksums: bool = True, attempts: int = 3, **fields: Any) -> Path:
    web = Web(mirror.url, attempts=attempts, pause=Pauses().append)
    try:
        return download(web, WebFile(**{"url": SITE, **fields}), folder, checksums=checksums)
    finally:
        web.close()


def refusal(mirror: Mirror, folder: Path, **fields: Any) -> str:
    """The message of a download that fails; nothing may then look like a finished file."""
    with pytest.raises(GillBenchError) as caught:
        get(mirror, folder, **fields)
    assert all(file.name.endswith((".part", ".part.json")) for file in folder.iterdir())
    return str(caught.value)


def test_a_file_is_downloaded_once(mirror: Mirror, tmp_path: Path) -> None:
    file = get(mirror, tmp_path, bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
    assert file.read_bytes() == CONTENT
    assert get(mirror, tmp_path) == file
    assert mirror.requests == ["/set/val.bin"]
    assert list(tmp_path.iterdir()) == [file]


def test_a_download_that_was_cut_goes_on_where_it_ended(mirror: Mirror, tmp_path: Path) -> None:
    mirror.pages["/set/val.bin"].faults = [Cut(1000), Cut(2000)]
    assert get(mirror, tmp_path).read_bytes() == CONTENT
    assert mirror.requests == ["/set/val.bin", "/set/val.bin bytes=1000-", "/set/val.bin bytes=3000-"]


def test_a_later_command_goes_on_too(mirror: Mirror, tmp_path: Path) -> None:
    mirror.pages["/set/val.bin"].faults = [Cut(1000), Status(404)]
    assert "answered 404" in refusal(mirror, tmp_path)
    assert get(mirror, tmp_path).read_bytes() == CONTENT
    assert mirror.requests[-1] == "/set/val.bin bytes=1000-"


@pytest.mark.parametrize("etag", ['"2"', ""])
def test_a_file_that_changed_on_the_server_is_downloaded_anew(mirror: Mirror, tmp_path: Path, etag: str) -> None:
    page = mirror.pages["/set/val.bin"]
    page.faults = [Cut(1000), Status(404)]
    refusal(mirror, tmp_path)
    page.content, page.etag = CONTENT[::-1], etag
    assert get(mirror, tmp_path).read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("etag", ["", 'W/"1"'])
def test_without_a_name_of_the_content_a_download_begins_anew(mirror: Mirror, tmp_path: Path, etag: str) -> None:
    page = mirror.pages["/set/val.bin"]
    page.etag, page.faults = etag, [Cut(1000)]
    assert get(mirror, tmp_path).read_bytes() == CONTENT
    assert mirror.requests == ["/set/val.bin", "/set/val.bin"]


def test_a_checksum_proves_parts_that_the_server_does_not_name(mirror: Mirror, tmp_path: Path) -> None:
    page, sha256 = mirror.pages["/set/val.bin"], hashlib.sha256(CONTENT).hexdigest()
    page.etag, page.faults = "", [Cut(1000)]
    assert get(mirror, tmp_path, sha256=sha256).read_bytes() == CONTENT
    assert mirror.requests[-1] == "/set/val.bin bytes=1000-"


def test_parts_that_do_not_fit_together_are_thrown_away(mirror: Mirror, tmp_path: Path) -> None:
    page, sha256 = mirror.pages["/set/val.bin"], hashlib.sha256(CONTENT).hexdigest()
    page.etag, page.content, page.faults = "", CONTENT[::-1], [Cut(1000), Status(404)]
    refusal(mirror, tmp_path, sha256=sha256)
    page.content = CONTENT
    assert get(mirror, tmp_path, sha256=sha256).read_bytes() == CONTENT
    assert mirror.requests[2:] == ["/set/val.bin bytes=1000-", "/set/val.bin"]


def test_a_server_without_ranges_begins_anew(mirror: Mirror, tmp_path: Path) -> None:
    page = mirror.pages["/set/val.bin"]
    page.ranges, page.faults = False, [Cut(1000), Cut(500)]
    assert get(mirror, tmp_path).read_bytes() == CONTENT


def test_a_server_that_always_cuts_is_given_up(mirror: Mirror, tmp_path: Path) -> None:
    page = mirror.pages["/set/val.bin"]
    page.ranges, page.faults, page.for_ever = False, [Cut(1000)], True
    message = refusal(mirror, tmp_path)
    assert "RemoteProtocolError" in message
    assert "1.0 kB are kept, and the same command goes on" in message
    assert len(mirror.requests) == 4  # the first brought something, three brought nothing new


def test_all_bytes_of_a_part_may_be_there_already(mirror: Mirror, tmp_path: Path) -> None:
    mirror.pages["/set/val.bin"].faults = [Short(len(CONTENT) + 5), Status(404)]
    refusal(mirror, tmp_path)
    assert get(mirror, tmp_path).read_bytes() == CONTENT
    assert mirror.requests[-1] == f"/set/val.bin bytes={len(CONTENT)}-"


def test_a_length_that_is_too_small_shows_in_size_and_checksum(mirror: Mirror, tmp_path: Path) -> None:
    page = mirror.pages["/set/val.bin"]
    page.faults, page.for_ever = [Short(1000)], True
    assert "1000 bytes, and the card says 10240" in refusal(mirror, tmp_path, bytes=len(CONTENT))
    assert "MD5 " in refusal(mirror, tmp_path, md5=hashlib.md5(CONTENT, usedforsecurity=False).hexdigest())
    assert "SHA-256 " in refusal(mirror, tmp_path, sha256=hashlib.sha256(CONTENT).hexdigest()[:8])
    assert list(tmp_path.iterdir()) == []


def test_other_files_than_the_official_ones_are_taken_on_request(mirror: Mirror, tmp_path: Path) -> None:
    assert "--no-checksums" in refusal(mirror, tmp_path, sha256="0" * 64)
    assert get(mirror, tmp_path, sha256="0" * 64, bytes=3, checksums=False).read_bytes() == CONTENT


def test_a_page_in_place_of_the_file_is_recognised(mirror: Mirror, tmp_path: Path) -> None:
    mirror.pages["/set/val.bin"] = html("Please log in")
    message = refusal(mirror, tmp_path)
    assert message.startswith(f"{SITE} (asked at {mirror.url}/set/val.bin): a page (HTML) came instead of the file")
    assert "'Please log in'" in message
    assert len(mirror.requests) == 1


@pytest.mark.parametrize("fault", [WAIT, Status(503, {"Retry-After": "0"}), Status(500), Status(502)])
def test_a_busy_server_is_asked_again(mirror: Mirror, tmp_path: Path, fault: Status) -> None:
    mirror.pages["/set/val.bin"].faults = [fault, fault]
    pauses = Pauses()
    web = Web(mirror.url, pause=pauses.append)
    assert download(web, WebFile(url=SITE), tmp_path).read_bytes() == CONTENT
    assert pauses == ([0.0, 0.0] if fault.headers else [1.0, 2.0])
    web.close()


def test_a_server_that_asks_for_hours_is_not_waited_for(mirror: Mirror, tmp_path: Path) -> None:
    mirror.pages["/set/val.bin"].faults = [Status(429, {"Retry-After": "7200"})]
    assert "answered 429 and asks to wait 7200 s" in refusal(mirror, tmp_path)


@pytest.mark.parametrize(("status", "reason"), [(404, "not there"), (410, "not there"), (403, "a licence?")])
def test_a_refusal_is_final(mirror: Mirror, tmp_path: Path, status: int, reason: str) -> None:
    page = mirror.pages["/set/val.bin"]
    page.faults, page.for_ever = [Status(status)], True
    message = refusal(mirror, tmp_path)
    assert f"answered {status}" in message
    assert reason in message
    assert len(mirror.requests) == 1


def test_redirects_are_followed_but_not_for_ever_and_not_to_files(mirror: Mirror, tmp_path: Path) -> None:
    mirror.pages |= {"/a": redirect("/b"), "/b": redirect("/set/val.bin"), "/loop": redirect("/loop")}
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (tmp_path / "work").mkdir()
    mirror.pages["/file"] = redirect(secret.as_uri())
    assert "more than 10 redirects" in refusal(mirror, tmp_path / "work", url="https://x.example/loop")
    assert "no web address" in refusal(mirror, tmp_path / "work", url="https://x.example/file")
    assert get(mirror, tmp_path / "work", url="https://x.example/a").read_bytes() == CONTENT


def test_a_full_disk_is_said_before_anything_is_written(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=5000))
    assert "needs 10.2 kB, and the disk of" in refusal(mirror, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_server_is_named(mirror: Mirror, tmp_path: Path) -> None:
    with running_mirror() as closed:
        pass
    assert f"(asked at {closed.url}/set/val.bin): ConnectError" in refusal(closed, tmp_path)


@pytest.mark.parametrize("text", ["mirror.example", "ftp://a.b", "http://", "http://a.b/?x=1", "http://[", "file:///a"])
def test_a_mirror_is_an_address_of_the_web(text: str) -> None:
    with pytest.raises(InputError, match="expected an address such as http"):
        checked_mirror(text)


def test_a_mirror_keeps_path_and_query() -> None:
    web = Web("http://127.0.0.1:1/gill/")
    assert web.address("https://a.b/s/x%20y.zip?dl=1") == "http://127.0.0.1:1/gill/s/x%20y.zip?dl=1"
    web.close()
