"""The data of a task: what of it is lacking, what of that can be downloaded without a person, and doing so."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gill_bench.cards.find import TaskCard
from gill_bench.cards.sources import Download, WebFile
from gill_bench.checks.downloads import Needed, expected_folder, find_downloads
from gill_bench.datasets import dataset
from gill_bench.datasets.addresses import picture_addresses
from gill_bench.errors import GillBenchError, InputError
from gill_bench.fetching.archives import SUFFIXES, is_archive, unpack_files, unpack_pictures
from gill_bench.fetching.download import download, downloaded, file_name_of
from gill_bench.fetching.pictures import fetch_pictures
from gill_bench.fetching.record import PictureFailures
from gill_bench.fetching.sizes import check_room, readable_size
from gill_bench.fetching.web import Web
from gill_bench.planning.resolved import data_folder
from gill_bench.progress import Bars
from gill_bench.storage.files import write_atomic
from gill_bench.storage.folder_lock import only_process
from gill_bench.storage.reading import read_json_value

WORK = ".gill-bench-fetch"
"""The folder, in a data set's folder, of unfinished downloads, and of the note which archives were unpacked."""
Way = Literal["there", "file", "list", "by hand", "not offered"]


@dataclass(frozen=True)
class DataItem:
    """One file, or folder of pictures, of a task, and how it is got.

    Attributes:
        needed: The file or folder, with the place where it is or belongs.
        way: "there" if nothing is lacking; "file" for one download; "list" for pictures one by one; "by hand" if a
            person has to download it; "not offered" for a folder of pictures whose archive lacks some.
        file: The file to download, for the way "file".
        splits: The splits for which the card can download it, for the way "by hand"; () if it can for none.
        lacking: The number of pictures that the data names and the folder lacks, as far as it is known.
    """

    needed: Needed
    way: Way
    file: WebFile | None = None
    splits: tuple[str, ...] = ()
    lacking: int = 0

    @property
    def size(self) -> str:
        """The size of the download for people: that of the file, or as the card gives it."""
        return readable_size(self.file.bytes) if self.file and self.file.bytes else self.needed.size


class TaskFetch:
    """The downloads of one task.

    Args:
        card: The resolved card, whose split is the split that is read.
        data: The folder of `--data`, which need not exist.
        usual_split: The split whose sizes the card gives.

    Attributes:
        folder: The data set's folder.
        record: The pictures that could not be downloaded one by one.
    """

    def __init__(self, card: TaskCard, data: str, usual_split: str) -> None:
        self._card, self._data, self._usual_split = card, data, usual_split
        self.folder = expected_folder(card, data)
        self.record = PictureFailures(self.folder, card.data.split)

    def items(self) -> list[DataItem]:
        """Everything that the card names, as it is now; nothing is downloaded."""
        all_needed = find_downloads(self._card, self._data, self._usual_split)
        return [self._item(*pair) for pair in zip(self._card.data.downloads, all_needed, strict=True)]

    def run(
        self, web: Web, *, checksums: bool = True, retry_failed: bool = False, progress: Bars | None = None
    ) -> None:
        """Download what is lacking. Files come before pictures, whose names and addresses are in them.

        Args:
            web: The client.
            checksums: Whether sizes and checksums of the card count.
            retry_failed: Whether pictures that failed for good are tried again.
            progress: Starts to show progress.

        Raises:
            GillBenchError: A download failed, or is not what the card describes.
            InputError: A file that was downloaded is no file of the data set.
        """
        if all(item.way not in ("file", "list") for item in self.items()):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with only_process(self.folder / WORK, f"{self.folder}: another fetch"):
            for item in self.items():
                if item.way == "file" and not item.needed.pictures and item.file is not None:
                    self._fetch_file(web, item, item.file, checksums, progress)
            for item in self.items():
                if item.way == "file" and item.needed.pictures and item.file is not None:
                    self._fetch_archive(web, item, item.file, checksums, progress)
                elif item.way == "list":
                    self._fetch_list(web, retry_failed, progress)

    def _item(self, source: Download, needed: Needed) -> DataItem:
        splits = tuple(dict.fromkeys(split for file in source.fetch for split in file.splits))
        file = source.web_file(self._card.data.split)
        lacking = self._lacking_pictures() if needed.pictures else None
        if needed.path is not None and not lacking:
            return DataItem(needed, "there", file)
        if source.listed:
            return DataItem(needed, "list", None, splits, len(lacking or ()))
        if file is None:
            return DataItem(needed, "by hand", None, splits, len(lacking or ()))
        known = _unpacked(self.folder).get(file.url)
        if lacking and known is not None and set(lacking) <= set(known):
            return DataItem(needed, "not offered", file, splits, len(lacking))
        return DataItem(needed, "file", file, splits, len(lacking or ()))

    def _lacking_pictures(self) -> list[str] | None:
        """The ids of the pictures that the data names and the folder lacks; None if there are no files or pictures."""
        folder, data = data_folder(self._card, self._data), self._card.data
        try:
            loaded = dataset(data.format).load(folder, data.split, data.options)
        except InputError:
            return None
        pictures = {
            picture.id: picture.file
            for group in (
                *(example.pictures for example in loaded.examples),
                loaded.candidates,
                loaded.references,
            )
            for picture in group
        }
        return [name for name, path in pictures.items() if path is None]

    def _fetch_file(self, web: Web, item: DataItem, file: WebFile, checksums: bool, progress: Bars | None) -> None:
        """Download a file, or the archive that holds it, also for the other splits that the same archive serves."""
        source = next(d for d in self._card.data.downloads if self._split_of(d.what) == item.needed.what)
        work = self.folder / WORK
        packed = download(web, file, work, checksums=checksums, progress=progress)
        if not is_archive(packed):
            _refuse_broken_archive(file, packed, item.needed.expected)
            if item.needed.expected.suffix == ".json":
                _check_json(packed, file)
            item.needed.expected.parent.mkdir(parents=True, exist_ok=True)
            packed.replace(item.needed.expected)
            return
        targets = {
            source.to.replace("{split}", split): self.folder / source.to.replace("{split}", split)
            for split in (file.splits or (self._card.data.split,))
        }
        own = self._split_of(source.to)
        absent = unpack_files(packed, {path: target for path, target in targets.items() if not target.exists()})
        packed.unlink()
        if own in absent:
            raise GillBenchError(
                f"{file.url}: an archive without {Path(own).name}; it was deleted\nopen {source.url} in a browser, and"
                f" put the file to {item.needed.expected}"
            )

    def _fetch_archive(self, web: Web, item: DataItem, file: WebFile, checksums: bool, progress: Bars | None) -> None:
        work, folder = self.folder / WORK, item.needed.expected
        target = downloaded(file, work)
        if not target.is_file():
            check_room(work, 2 * file.bytes, f"{file_name_of(file.url)} and its pictures")
        packed = download(web, file, work, checksums=checksums, progress=progress)
        if not is_archive(packed):
            packed.unlink()
            raise GillBenchError(f"{file.url}: neither a zip nor a tar archive, or cut; it was deleted, try again")
        count = unpack_pictures(packed, folder, progress)
        packed.unlink()
        if not count:
            raise GillBenchError(f"{file.url}: an archive without pictures; it was deleted")
        _note_unpacked(self.folder, file.url, self._lacking_pictures() or [])

    def _fetch_list(self, web: Web, retry_failed: bool, progress: Bars | None) -> None:
        listing = picture_addresses(self._card.data.format)
        if listing is None:
            raise InputError(
                f"{self._card.name}: data.downloads: listed = true, but the reader of {self._card.data.format!r} has no"
                " picture_addresses; see gill_bench.datasets.addresses"
            )
        addresses = listing(data_folder(self._card, self._data), self._card.data.split)
        fetch_pictures(web, addresses, self.folder, self.record, retry_failed=retry_failed, progress=progress)

    def _split_of(self, text: str) -> str:
        return text.replace("{split}", self._card.data.split)


def _refuse_broken_archive(file: WebFile, packed: Path, target: Path) -> None:
    """Refuse a file that should be an archive by its name, and is none, in the place of what it should hold."""
    if file_name_of(file.url).endswith(SUFFIXES) and not target.name.endswith(SUFFIXES):
        size = packed.stat().st_size
        packed.unlink()
        raise GillBenchError(
            f"{file.url}: neither a zip nor a tar archive, or cut ({size} bytes); it was deleted, try again"
        )


def _check_json(packed: Path, file: WebFile) -> None:
    try:
        read_json_value(packed)
    except InputError as error:
        packed.unlink()
        raise GillBenchError(f"{file.url}: cut or damaged: {error}".replace(str(packed), packed.name)) from error


def _unpacked(folder: Path) -> Mapping[str, list[str]]:
    """The archives of pictures that were unpacked, by address, with the ids that were lacking afterwards."""
    try:
        value = json.loads((folder / WORK / "unpacked.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _note_unpacked(folder: Path, url: str, lacking: Iterable[str]) -> None:
    content = json.dumps({**_unpacked(folder), url: list(lacking)})
    write_atomic(folder / WORK / "unpacked.json", content.encode())
