"""Pictures one by one: their names, the record of failures, placeholders, and good manners."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gill_bench.datasets.addresses import PictureAddress
from gill_bench.errors import GillBenchError
from gill_bench.fetching import pictures
from gill_bench.fetching.pictures import fetch_pictures, summary
from gill_bench.fetching.record import FailedPicture, PictureFailures
from gill_bench.fetching.web import Web
from tests.support.mirror import WAIT, Cut, Mirror, Short, Status, WebPage, html, picture, redirect, running_mirror

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with running_mirror() as mirror:
        yield mirror


def addresses(mirror: Mirror, folder: Path, names: list[str]) -> list[PictureAddress]:
    """The addresses of pictures as a reader gives them, with the files that are there."""
    files = {file.stem: file for file in (folder / "images").glob("*")}
    return [PictureAddress(name, f"{mirror.url}/{name}", f"images/{name}", files.get(name)) for name in names]


def fetch(mirror: Mirror, folder: Path, names: list[str] | None = None, **options: Any) -> dict[str, str]:
    """Fetch pictures; returns the reasons of failures by id, as the record on the disk has them."""
    wanted = addresses(mirror, folder, names or [path.removeprefix("/") for path in mirror.pages])
    web = Web(pause=lambda seconds: None)
    try:
        fetch_pictures(web, wanted, folder, PictureFailures(folder, "val"), **options)
    finally:
        web.close()
    return {line["id"]: line["reason"] for line in lines(folder)}


def lines(folder: Path) -> list[dict[str, Any]]:
    file = folder / "failed-pictures-val.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def there(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / "images").glob("*"))


def test_pictures_are_named_by_id_and_content(mirror: Mirror, tmp_path: Path) -> None:
    kinds = ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"]
    mirror.pages = {f"/{n}": WebPage(picture(n, kind), "image/x") for n, kind in enumerate(kinds)}
    assert fetch(mirror, tmp_path) == {}
    assert there(tmp_path) == ["0.png", "1.jpg", "2.gif", "3.webp", "4.bmp", "5.tif"]
    assert (tmp_path / "images" / "1.jpg").read_bytes() == picture(1, "JPEG")
    requests = len(mirror.requests)
    assert fetch(mirror, tmp_path) == {}
    assert len(mirror.requests) == requests
    assert not (tmp_path / "failed-pictures-val.jsonl").exists()


def test_every_failure_is_recorded_with_its_reason_and_only_some_are_tried_again(
    mirror: Mirror, tmp_path: Path
) -> None:
    busy = [Status(503), Status(503), Status(503)]
    mirror.pages = {
        "/good": WebPage(picture(1)),
        "/page": html("Sorry"),
        "/text": WebPage(b"no picture"),
        "/cut": WebPage(picture(2), faults=[Short(50)], for_ever=True),
        "/busy": WebPage(picture(3), faults=list(busy)),
        "/waits": WebPage(picture(4), faults=[WAIT, WAIT]),
        "/breaks": WebPage(picture(5), faults=[Cut(20), Cut(30)]),
        "/private": WebPage(picture(6), headers={"X-Robots-Tag": "noindex, NoAI"}),
        "/loop": redirect("/loop"),
    }
    names = ["good", "gone", *[path[1:] for path in mirror.pages if path != "/good"]]
    reasons = fetch(mirror, tmp_path, names)
    assert there(tmp_path) == ["breaks.png", "good.png", "waits.png"]
    assert reasons["gone"] == "answered 404: it is not there (any more)"
    assert reasons["page"] == "a page (HTML) in place of the picture"
    assert reasons["text"].startswith("no usable picture: not a picture")
    assert reasons["cut"].startswith("no usable picture: damaged")
    assert reasons["private"] == "the site asks not to be read (X-Robots-Tag noai)"
    assert reasons["loop"] == "more than 10 redirects"
    by_id = {line["id"]: line for line in lines(tmp_path)}
    assert list(by_id) == ["gone", "page", "text", "cut", "busy", "private", "loop"]  # in the order of the list
    assert by_id["busy"] == {
        "id": "busy", "url": f"{mirror.url}/busy", "status": 503, "reason": "answered 503", "permanent": False,
    }  # fmt: skip
    assert {name for name, line in by_id.items() if not line["permanent"]} == {"busy"}
    mirror.requests.clear()
    assert "busy" not in fetch(mirror, tmp_path, names)
    assert mirror.requests == ["/busy"]


def test_failures_for_good_are_tried_again_on_request(mirror: Mirror, tmp_path: Path) -> None:
    assert list(fetch(mirror, tmp_path, ["a", "b"])) == ["a", "b"]
    mirror.pages = {"/a": WebPage(picture(1))}
    assert list(fetch(mirror, tmp_path, ["a", "b"])) == ["a", "b"]
    assert list(fetch(mirror, tmp_path, ["a", "b"], retry_failed=True)) == ["b"]
    assert there(tmp_path) == ["a.png"]


def test_a_line_that_a_kill_cut_is_skipped_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    record = PictureFailures(tmp_path, "val")
    record.add(FailedPicture("a", "u", 404, "gone", True))
    with record.file.open("a") as file:
        file.write('\n{"id": "b", "url"')
    again = PictureFailures(tmp_path, "val")
    assert list(again.failed) == ["a"]
    again.add(FailedPicture("c", "u", None, "Timeout", False))
    assert list(PictureFailures(tmp_path, "val").failed) == ["a", "c"]
    assert summary(again) == "1 gone; 1 Timeout"


def test_placeholders_of_removed_photos_are_recognised(mirror: Mirror, tmp_path: Path) -> None:
    unavailable = WebPage(picture(77))
    mirror.pages = {
        "/own": WebPage(picture(1)),
        **{f"/same{n}": unavailable for n in range(3)},
        **{f"/twice{n}": WebPage(picture(5)) for n in range(2)},
        "/flickr": redirect("/images/photo_unavailable.gif"),
        **{f"/moved{n}": redirect("/images/sorry.png") for n in range(2)},
        "/alone": redirect("/images/alone.png"),
    }
    names = [path[1:] for path in mirror.pages]
    mirror.pages |= {
        "/images/photo_unavailable.gif": WebPage(picture(8, "GIF")),
        "/images/sorry.png": WebPage(picture(9)),
        "/images/alone.png": WebPage(picture(10)),
    }
    reasons = fetch(mirror, tmp_path, names)
    assert there(tmp_path) == ["alone.png", "own.png", "twice0.png", "twice1.png"]
    assert set(reasons) == {"same0", "same1", "same2", "flickr", "moved0", "moved1"}
    assert all(reason.startswith("placeholder of a removed photo: ") for reason in reasons.values())
    assert reasons["same0"].endswith("3 addresses have the same content")
    assert reasons["moved0"].endswith(f"2 addresses lead to {mirror.url}/images/sorry.png")


def test_a_placeholder_is_recognised_beside_pictures_of_earlier_commands(mirror: Mirror, tmp_path: Path) -> None:
    mirror.pages = {f"/{n}": WebPage(picture(7)) for n in range(3)}
    assert fetch(mirror, tmp_path, ["0", "1"]) == {}
    assert list(fetch(mirror, tmp_path, ["0", "1", "2"])) == ["2"]  # the others may be the user's own
    assert there(tmp_path) == ["0.png", "1.png"]


def test_rows_with_the_same_address_have_the_same_picture(mirror: Mirror, tmp_path: Path) -> None:
    mirror.pages = {"/x": WebPage(picture(7)), "/y": redirect("/x")}
    rows = [PictureAddress(str(n), f"{mirror.url}/{'xy'[n % 2]}", f"images/{n}", None) for n in range(8)]
    web, record = Web(), PictureFailures(tmp_path, "val")
    fetch_pictures(web, rows, tmp_path, record)
    web.close()
    assert record.failed == {}
    assert len(there(tmp_path)) == 8


@pytest.mark.parametrize(
    ("name", "url", "reason"),
    [
        ("../../evil", "/good", "its id cannot be the name of a file: it leaves the folder"),
        ("x", "", "no address in the annotation files"),
        ("x", "file:///etc/passwd", "not an address of http or https"),
        ("x", "http://[1", "not an address"),
    ],
)
def test_what_strangers_write_into_a_list_harms_nobody(
    mirror: Mirror, tmp_path: Path, name: str, url: str, reason: str
) -> None:
    mirror.pages = {"/good": WebPage(picture(1))}
    url = f"{mirror.url}{url}" if url.startswith("/") else url
    web, record = Web(), PictureFailures(tmp_path / "data", "val")
    (tmp_path / "data").mkdir()
    fetch_pictures(web, [PictureAddress(name, url, f"images/{name}", None)], tmp_path / "data", record)
    web.close()
    assert record.failed[name].reason.startswith(reason)
    assert record.failed[name].permanent
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["failed-pictures-val.jsonl"]


def test_pictures_have_a_largest_size(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_LARGEST", 60)
    mirror.pages = {"/a": WebPage(picture(1))}
    assert fetch(mirror, tmp_path)["a"].startswith("larger than")


def test_a_host_is_asked_by_few_connections_at_once(mirror: Mirror, tmp_path: Path) -> None:
    mirror.pages = {f"/{n}": WebPage(picture(n)) for n in range(60)}
    assert fetch(mirror, tmp_path) == {}
    assert mirror.most_at_once <= 4
    assert len(there(tmp_path)) == 60


def test_hosts_are_asked_in_turns() -> None:
    urls = ["http://a/1", "http://a/2", "http://a/3", "http://b/1", "http://c/1", "http://c/2"]
    rows = [PictureAddress(url, url, "", None) for url in urls]
    assert [row.id[7:] for row in pictures._in_turns(rows)] == ["a/1", "b/1", "c/1", "a/2", "c/2", "a/3"]


def test_without_a_network_not_every_address_is_tried(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "_OFFLINE", 3)
    monkeypatch.setattr(pictures, "_THREADS", 1)
    with running_mirror() as closed:
        pass
    with pytest.raises(GillBenchError, match=r"none of the first 3 pictures brought an answer .*ConnectError"):
        fetch(closed, tmp_path, [str(n) for n in range(20)])
    assert len(lines(tmp_path)) == 3
    assert not any(line["permanent"] for line in lines(tmp_path))
