"""The data of every task from a mirror: afterwards the data check says complete, and a second fetch does nothing."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gill_bench.cards.find import Cards
from gill_bench.checks.data import check_data
from gill_bench.cli import main
from tests.support import small_data as small
from tests.support.mirror import Cut, Mirror, WebPage, html, picture, running_mirror, tarred, zipped
from tests.support.own_data import own_card
from tests.support.stories import small_vist

pytestmark = pytest.mark.enable_socket

SIS = "/VIST/json_files/story-in-sequence/SIS-with-labels.tar.gz"
DIALOGS, DENSE = "/s/ibs3a0zhw74zisc/visdial_1.0_val.zip", "/s/3knyk09ko4xekmc/visdial_1.0_val_dense_annotations.json"
VISDIAL_PICTURES = "/s/twmtutniktom7tu/VisualDialog_val2018.zip"
VOTES = "/kohjingyu/gill/raw/main/data/PartiPromptsAllDecisions_Alignment.tsv"
QUESTIONS, ANNOTATIONS = (f"/cvmlp/vqa/mscoco/vqa/v2_{kind}_Val_mscoco.zip" for kind in ("Questions", "Annotations"))
COCO = "/annotations/annotations_trainval2014.zip"
CC3M = "/gcc-data/Validation/GCC-1.1.0-Validation.tsv"


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with running_mirror() as mirror:
        yield mirror


def fetch(mirror: Mirror, data: Path, *words: str) -> int:
    return main(["data", "fetch", *words, "--data", str(data), "--mirror", mirror.url])


def stories(mirror: Mirror) -> None:
    """VIST, with an address for each photo: an original, or a smaller size of the last ones."""
    content = json.loads((small_vist() / "sis" / "val.story-in-sequence.json").read_text())
    for number, image in enumerate(content["images"]):
        image["url_o" if number < 70 else "url_m"] = f"https://farm{number % 3}.example/{image['id']}_o.jpg"
        mirror.pages[f"/{image['id']}_o.jpg"] = WebPage(picture(number, "JPEG"), "image/jpeg")
    packed = {f"sis/{split}.story-in-sequence.json": json.dumps(content).encode() for split in ("train", "val", "test")}
    mirror.pages[SIS] = WebPage(tarred({**packed}))


def dialogs(mirror: Mirror, folder: Path) -> None:
    small.write_visdial(folder)
    mirror.pages[DIALOGS] = WebPage(zipped({small.VISDIAL: (folder / small.VISDIAL).read_bytes()}))
    mirror.pages[DENSE] = WebPage((folder / small.DENSE).read_bytes(), "application/json")
    names = [f"VisualDialog_val2018/VisualDialog_val2018_{image:012d}.jpg" for image in (7, 123456)]
    mirror.pages[VISDIAL_PICTURES] = WebPage(zipped({name: picture(n, "JPEG") for n, name in enumerate(names)}))


def questions(mirror: Mirror, folder: Path) -> None:
    small.write_vqa(folder)
    for path, name in ((QUESTIONS, small.QUESTIONS), (ANNOTATIONS, small.ANNOTATIONS)):
        mirror.pages[path] = WebPage(zipped({name: (folder / name).read_bytes()}))
    coco_pictures(mirror, 7, 42)


def captions(mirror: Mirror, folder: Path) -> None:
    small.write_coco(folder)
    content = (folder / small.CAPTIONS).read_bytes()
    mirror.pages[COCO] = WebPage(zipped({small.CAPTIONS: content, "annotations/captions_train2014.json": content}))
    coco_pictures(mirror, 7, 42, 300)


def coco_pictures(mirror: Mirror, *images: int) -> None:
    names = [f"val2014/COCO_val2014_{image:012d}.jpg" for image in images]
    mirror.pages["/zips/val2014.zip"] = WebPage(zipped({name: picture(n, "JPEG") for n, name in enumerate(names)}))


def urls(mirror: Mirror) -> None:
    mirror.pages[CC3M] = WebPage(
        "".join(f"caption {row}\thttp://host{row}.example/{row}?x=1\n" for row in range(6)).encode()
    )
    mirror.pages |= {f"/{row}": WebPage(picture(row), "image/png") for row in range(6)}


def votes(mirror: Mirror, folder: Path) -> None:
    small.write_partiprompts(folder)
    mirror.pages[VOTES] = WebPage((folder / small.VOTES).read_bytes(), "text/plain")


SITES: dict[str, Callable[[Mirror, Path], None]] = {
    "vist": lambda mirror, folder: stories(mirror),
    "vist-retrieval": lambda mirror, folder: stories(mirror),
    "visdial": dialogs,
    "visdial-answers": dialogs,
    "visdial-retrieval": dialogs,
    "vqav2": questions,
    "coco-fid": captions,
    "cc3m-fid": lambda mirror, folder: urls(mirror),
    "partiprompts": votes,
}
OTHER_THAN_OFFICIAL = ("vqav2", "coco-fid", "partiprompts")
SETTINGS: dict[str, dict[str, Any]] = {
    "coco-fid": {"captions": 0, "min_samples": 2},
    "cc3m-fid": {"min_samples": 2},
    "partiprompts": {"train": 2},
}


@pytest.mark.parametrize("task", SITES)
def test_after_a_fetch_the_data_are_complete_and_a_second_fetch_does_nothing(
    task: str, mirror: Mirror, tmp_path: Path
) -> None:
    SITES[task](mirror, tmp_path / "source")
    data = tmp_path / "data"
    words = [task, *(["--no-checksums"] if task in OTHER_THAN_OFFICIAL else [])]
    assert fetch(mirror, data, *words) == 0
    taken = check_data(Cards().task(task), data=str(data), settings=SETTINGS.get(task, {}))
    assert (taken.state, taken.problem) == ("complete", "")
    assert [download.path for download in taken.downloads] == [download.expected for download in taken.downloads]
    requests = list(mirror.requests)
    before = {file: file.stat().st_mtime_ns for file in data.rglob("*")}
    assert fetch(mirror, data, *words) == 0
    assert mirror.requests == requests
    assert {file: file.stat().st_mtime_ns for file in data.rglob("*")} == before
    assert not [file for file in data.rglob("*") if file.name.endswith((".part", ".zip", ".gz", ".tmp"))]


def test_an_archive_that_serves_several_splits_is_downloaded_once(mirror: Mirror, tmp_path: Path) -> None:
    stories(mirror)
    assert fetch(mirror, tmp_path, "vist") == 0
    assert fetch(mirror, tmp_path, "vist", "--split", "test") == 0
    assert mirror.requests.count(SIS) == 1
    assert len(list((tmp_path / "vist" / "images" / "test").iterdir())) == 80


def test_a_dry_run_names_files_sizes_and_places_and_asks_nobody(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(mirror, tmp_path / "data", "coco-captions", "vist", "--dry-run") == 0
    said = capsys.readouterr().out
    assert "  download    Pictures of COCO, val2017 (815.6 MB)\n" in said
    assert "from http://images.cocodataset.org/zips/val2017.zip\n" in said
    assert f"to   {tmp_path}/data/coco/val2017/\n" in said
    assert f"{mirror.url}/zips/val2017.zip" in said
    assert "  one by one  Pictures of the split, as <photo_flickr_id>.<ext> (about 30 GB)\n" in said
    assert mirror.requests == []
    assert not (tmp_path / "data").exists()


def test_the_mirror_may_be_named_by_the_environment(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dialogs(mirror, tmp_path / "source")
    monkeypatch.setenv("GILL_BENCH_MIRROR", mirror.url)
    monkeypatch.setenv("GILL_BENCH_DATA", str(tmp_path / "data"))
    assert main(["data", "fetch", "visdial"]) == 0
    said = capsys.readouterr().err
    assert "from GILL_BENCH_MIRROR" in said
    assert "from GILL_BENCH_DATA" in said
    assert main(["data", "check", "visdial", "--data", str(tmp_path / "data")]) == 0


def test_files_of_a_mirror_that_are_not_the_official_ones_are_refused(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    captions(mirror, tmp_path / "source")
    assert fetch(mirror, tmp_path / "data", "coco-fid") == 1
    said = capsys.readouterr().err
    assert "bytes, and the card says 252872794" in said
    assert "--no-checksums" in said
    assert not list((tmp_path / "data").rglob("*.json"))


def test_what_failed_is_said_recorded_and_not_asked_again(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stories(mirror)
    page = mirror.pages.pop("/100003_o.jpg")
    mirror.pages["/100004_o.jpg"] = html("gone")
    assert fetch(mirror, tmp_path, "vist") == 4
    said = capsys.readouterr()
    assert "vist: 2 pictures could not be downloaded: " in said.out
    assert "1 answered 404" in said.out
    assert f"2 of them for good, which --retry-failed tries again; each with its reason in {tmp_path}/vist/" in said.out
    assert said.err.splitlines()[-1].startswith("error: vist: not everything is there; gill-bench data check vist")
    record = [json.loads(line) for line in (tmp_path / "vist" / "failed-pictures-val.jsonl").read_text().splitlines()]
    assert [(line["id"], line["status"]) for line in record] == [("100003", 404), ("100004", 200)]
    assert record[0]["url"] == "https://farm0.example/100003_o.jpg"  # not that of the mirror
    requests = len(mirror.requests)
    assert fetch(mirror, tmp_path, "vist") == 4
    assert len(mirror.requests) == requests
    mirror.pages |= {"/100003_o.jpg": page, "/100004_o.jpg": WebPage(picture(4))}
    assert fetch(mirror, tmp_path, "vist", "--retry-failed") == 0
    assert not (tmp_path / "vist" / "failed-pictures-val.jsonl").exists()


def test_pictures_that_an_archive_lacks_are_not_looked_for_again(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dialogs(mirror, tmp_path / "source")
    name = f"VisualDialog_val2018/VisualDialog_val2018_{7:012d}.jpg"
    mirror.pages[VISDIAL_PICTURES].content = zipped({name: picture(0, "JPEG")})
    data = tmp_path / "data"
    assert fetch(mirror, data, "visdial") == 4
    assert fetch(mirror, data, "visdial") == 4
    assert "visdial: 1 pictures are not in the archive of https://visualdialog.org/data\n" in capsys.readouterr().out
    assert mirror.requests.count(VISDIAL_PICTURES) == 1
    (data / "visdial" / name).unlink()  # the user's doing
    assert fetch(mirror, data, "visdial") == 4
    assert mirror.requests.count(VISDIAL_PICTURES) == 2
    assert (data / "visdial" / name).is_file()


def test_an_interrupted_fetch_goes_on(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gill_bench.fetching.web.Web.wait_after", lambda *_: None)
    dialogs(mirror, tmp_path / "source")
    page = mirror.pages[VISDIAL_PICTURES]
    page.faults = [Cut(100)] * 6
    page.ranges = False
    assert fetch(mirror, tmp_path / "data", "visdial") == 1
    page.ranges = True
    assert fetch(mirror, tmp_path / "data", "visdial") == 0
    assert mirror.requests[-1] == f"{VISDIAL_PICTURES} bytes=100-"
    assert mirror.requests.count(DIALOGS) == 1


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        (DIALOGS, b"no archive", "neither a zip nor a tar archive, or cut (10 bytes)"),
        (DIALOGS, zipped({"other.json": b"{}"}), "an archive without visdial_1.0_val.json"),
        (DIALOGS, zipped({"../visdial_1.0_val.json": b"{}"}), "leaves the folder that it is in"),
        (DENSE, b'[{"image_id": 1', "cut or damaged"),
        (VISDIAL_PICTURES, zipped({"readme.txt": b"hello"}), "an archive without pictures"),
        (VISDIAL_PICTURES, b"x", "neither a zip nor a tar archive"),
    ],
)
def test_what_is_not_the_file_is_refused_and_leaves_nothing(
    path: str, content: bytes, reason: str, mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dialogs(mirror, tmp_path / "source")
    good, mirror.pages[path] = mirror.pages[path], WebPage(content)
    assert fetch(mirror, tmp_path / "data", "visdial-answers") == 1
    assert reason in capsys.readouterr().err
    mirror.pages[path] = good
    assert fetch(mirror, tmp_path / "data", "visdial-answers") == 0


def test_what_a_person_has_to_download_is_named_with_its_site_and_place(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stories(mirror)
    card = (Path(Cards().files["task"]["visdial"])).read_text().replace('name = "visdial"', 'name = "closed"')
    lines = [line for line in card.splitlines() if not line.startswith("fetch = [{ url")]
    (tmp_path / "closed.toml").write_text("\n".join(lines))
    assert fetch(mirror, tmp_path / "data", str(tmp_path / "closed.toml"), "vist") == 4
    said = capsys.readouterr()
    assert "  by hand     Dialogs of VisDial v1.0 (about 20 MB unpacked)\n" in said.out
    assert "it may ask for a login or form" in said.out
    assert "closed: to be downloaded by hand: Dialogs of VisDial v1.0, from https://visualdialog.org/data\n" in said.out
    assert f"  to {tmp_path}/data/visdial/visdial_1.0_val.json\n" in said.out
    assert "error: closed: not everything is there" in said.err
    assert (tmp_path / "data" / "vist" / "images" / "val").is_dir()
    assert fetch(mirror, tmp_path / "data", "visdial", "--split", "train") == 4
    assert "an address to download it from for val alone" in capsys.readouterr().out


def test_one_task_that_fails_does_not_keep_the_others_from_their_data(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stories(mirror)
    assert fetch(mirror, tmp_path, "visdial", "vist") == 1
    assert "error: 1 of 2 tasks: a download failed" in capsys.readouterr().err
    assert (tmp_path / "vist" / "images" / "val").is_dir()


def test_two_fetches_do_not_work_in_one_folder(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from gill_bench.storage.folder_lock import only_process

    dialogs(mirror, tmp_path / "source")
    with only_process(tmp_path / "data" / "visdial" / ".gill-bench-fetch", ""):
        assert fetch(mirror, tmp_path / "data", "visdial") == 2
    assert "another fetch is at work there" in capsys.readouterr().err
    assert fetch(mirror, tmp_path / "data", "visdial") == 0


def test_a_card_without_downloads_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = own_card(tmp_path / "own.toml", "image-generator", [], contexts=("texts",))
    assert main(["data", "fetch", str(card), "--data", str(tmp_path / "data")]) == 0
    said = capsys.readouterr()
    assert "its card names nothing to download" in said.out
    assert not said.out.endswith("\n\n")


def test_a_disk_that_becomes_full_is_named(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(source: Any, target: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    dialogs(mirror, tmp_path / "source")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", full)
        assert fetch(mirror, tmp_path / "data", "visdial") == 1
    named = tmp_path / "data" / "visdial" / small.VISDIAL
    assert f"error: {named}: No space left on device" in capsys.readouterr().err
    assert fetch(mirror, tmp_path / "data", "visdial") == 0
    assert mirror.requests.count(DIALOGS) == 1


def test_wrong_arguments_of_a_fetch_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, reason in (
        (["vits", "--data", str(tmp_path)], "did you mean 'vist'"),
        (["vist", "--data", "mini"], "the embedded world needs no download"),
        (["vist", "--data", str(tmp_path), "--mirror", "ftp://a.b"], "expected an address such as http"),
        (["vist", "--data", "s3://bucket/data"], "must be on this machine"),
        (["vist"], "--data"),
    ):
        assert main(["data", "fetch", *words]) == 2
        assert reason in capsys.readouterr().err
    assert main(["data", "fetch", "--help"]) == 0
    assert "gill-bench data fetch vist --data ./data --retry-failed" in capsys.readouterr().out


def test_the_authors_list_of_cc3m_has_no_addresses(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small.write_pairs(tmp_path / "cc3m")
    assert fetch(mirror, tmp_path, "cc3m-fid") == 2
    assert "cc3m_val.tsv: names files and no addresses" in capsys.readouterr().err
