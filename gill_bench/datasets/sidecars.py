"""Which row of an official list of CC3M a downloaded picture belongs to.

img2dataset writes `00001/000010012.jpg`: the number of the shard in five digits, then the place in the shard, in as
many digits as the size of a shard needs. That is the number of the row only with its default of 10,000 rows a shard,
and only if the list it was given begins with the same row. So what counts is the `.json` or `.txt` that it writes
beside each picture, with the URL and the caption; the number in the name counts where there is none, or an empty one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gill_bench.datasets.caption_pairs import CaptionPair
from gill_bench.errors import InputError
from gill_bench.storage.reading import read_json, read_text

DIGITS = 9  # of a name that is the number of a row: five of the shard, four of the place among 10,000


@dataclass
class SidecarPairs:
    """Pictures by the number of their row.

    Attributes:
        pictures: File of each row that has one.
        elsewhere: How many lie under the number of another row than theirs.
        reworded: How many have another caption beside them than in the row of their URL.
        strange: Files whose URL or caption no row has.
        unsure: Files without a URL or caption, while those of others say that their names are no numbers of rows.
    """

    pictures: dict[int, Path] = field(default_factory=dict)
    elsewhere: int = 0
    reworded: int = 0
    strange: list[Path] = field(default_factory=list)
    unsure: list[Path] = field(default_factory=list)

    def warnings(self, file: Path) -> list[str]:
        """Sentences about what is not as the names say; `file` is the list."""
        found = []
        if self.elsewhere:
            found.append(
                f"{file.name}: {self.elsewhere} pictures belong to other rows than the numbers in their names say, by"
                " the .json or .txt beside them (another size of shards, or a list that begins elsewhere): these count"
            )
        if self.reworded:
            found.append(
                f"{file.name}: {self.reworded} pictures have another caption beside them than the list has for their"
                " URL: that of the list counts"
            )
        for files, why in (
            (self.strange, "have a .json or .txt beside them with a URL or caption that no row has"),
            (self.unsure, "have no .json or .txt beside them, and the names of the others are no numbers of rows"),
        ):
            if files:
                found.append(f"{file.name}: {len(files)} pictures are left out, such as {files[0]}: they {why}")
        return found


def match_pictures(files: Mapping[str, Path], pairs: Sequence[CaptionPair], places: Iterable[Path]) -> SidecarPairs:
    """Find the row of each picture.

    Args:
        files: Pictures by name without extension.
        pairs: The rows of the list.
        places: The folders in which they lie.

    Raises:
        InputError: A `.json` or `.txt` beside a picture is damaged; or no picture has one, and the names cannot be
            the numbers of rows.
    """
    told = _told(files, places)
    rows = _Rows(pairs)
    found = SidecarPairs()
    plain: list[str] = []
    for name, file in sorted(files.items()):
        if name not in told:
            plain.append(name)
            continue
        number = int(name) if _is_number(name) else None
        row = rows.row(*told[name], number)
        if row is None:
            found.strange.append(file)
            continue
        found.elsewhere += row != number
        found.reworded += _key(told[name][1] or pairs[row].caption) != _key(pairs[row].caption)
        found.pictures.setdefault(row, file)
    if found.elsewhere or found.strange:
        found.unsure += [files[name] for name in plain]
        return found
    _refuse_other_names(plain, files, len(pairs))
    for name in plain:
        if _is_number(name):
            found.pictures.setdefault(int(name), files[name])
    return found


class _Rows:
    """The rows of a list, to be found by URL or caption."""

    def __init__(self, pairs: Sequence[CaptionPair]) -> None:
        self._pairs = pairs
        self._by_url: dict[str, list[int]] = {}
        self._by_caption: dict[str, list[int]] = {}
        for number, pair in enumerate(pairs):
            self._by_url.setdefault(pair.image.strip(), []).append(number)
            self._by_caption.setdefault(_key(pair.caption), []).append(number)

    def row(self, url: str, caption: str, number: int | None) -> int | None:
        """The row of a URL or, without one, of a caption; of several rows the one of that number, else the first."""
        rows = self._by_url.get(url, []) if url else self._by_caption.get(_key(caption), [])
        if url and caption and len(rows) > 1:
            rows = [row for row in rows if _key(self._pairs[row].caption) == _key(caption)] or rows
        return number if number in rows else next(iter(rows), None)


def _key(caption: str) -> str:
    """A caption as it is compared: readers of lists change quotation marks and blanks."""
    return " ".join(caption.replace('"', "").split())


def _told(files: Mapping[str, Path], places: Iterable[Path]) -> dict[str, tuple[str, str]]:
    """URL and caption of the pictures that have them beside them, each "" where it is not told."""
    beside = {
        path for place in places if place.is_dir() for path in place.iterdir() if path.suffix in (".json", ".txt")
    }
    told: dict[str, tuple[str, str]] = {}
    for name, file in files.items():
        url = caption = ""
        if (about := file.with_suffix(".json")) in beside and about.stat().st_size:
            record = read_json(about)
            url, caption = (
                value.strip() if isinstance(value := record.get(key), str) else "" for key in ("url", "caption")
            )
        if not url and not caption and (about := file.with_suffix(".txt")) in beside:
            caption = read_text(about).strip()
        if url or caption:
            told[name] = url, caption
    return told


def _is_number(name: str) -> bool:
    return len(name) == DIGITS and name.isascii() and name.isdecimal()


def _refuse_other_names(names: Sequence[str], files: Mapping[str, Path], rows: int) -> None:
    """Refuse names that img2dataset gives, but not with 10,000 rows a shard."""
    for name in names:
        file = files[name]
        in_shard = file.parent.name.isdecimal() and name.startswith(file.parent.name)
        if (in_shard and not _is_number(name)) or (_is_number(name) and int(name) >= rows):
            what = f"row {int(name)} of {rows}" if _is_number(name) else f"of other than {DIGITS} digits"
            raise InputError(
                f"{file}: its name is {what}, so these pictures were not downloaded from this list with 10,000 rows a"
                " shard, and nothing beside them says which row is whose\n"
                "download them with img2dataset's --output_format files, which writes that, or with"
                " --number_sample_per_shard 10000; if the list was cut, use the whole one, and --limit"
            )
