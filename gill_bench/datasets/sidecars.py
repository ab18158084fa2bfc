"""Finding the row of an official list of CC3M that a downloaded picture belongs to.

img2dataset names pictures like `00001/000010012.jpg`: the number of the shard in five digits, then the position in the
shard, in as many digits as the size of a shard needs. This number equals the number of the row only with img2dataset's
default of 10,000 rows a shard, and only if its list begins with the same row. Therefore a picture's row is taken from
the `.json` or `.txt` that img2dataset writes beside it, with URL and caption; the number in the name counts only if
there is no such file, or an empty one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gill_bench.datasets.caption_pairs import CaptionPair
from gill_bench.errors import InputError
from gill_bench.storage.reading import read_json, read_text

DIGITS = 9  # digits of a name that is the number of a row: five for the shard, four for the position among 10,000


@dataclass
class SidecarPairs:
    """The pictures that belong to rows of a list, by the row's number, and those that belong to no row or another.

    Attributes:
        pictures: The file of each row that has a picture.
        elsewhere: The number of pictures whose names are the number of another row than theirs.
        reworded: The number of pictures whose caption beside them differs from the caption in the row of their URL.
        strange: Files whose URL or caption is in no row.
        unsure: Files without a URL or caption, although the URLs or captions of other files show that names are not
            numbers of rows.
    """

    pictures: dict[int, Path] = field(default_factory=dict)
    elsewhere: int = 0
    reworded: int = 0
    strange: list[Path] = field(default_factory=list)
    unsure: list[Path] = field(default_factory=list)

    def warnings(self, file: Path) -> list[str]:
        """Sentences for the user about pictures whose names and rows disagree.

        Args:
            file: The list.
        """
        sentences = []
        if self.elsewhere:
            sentences.append(
                f"{file.name}: {self.elsewhere} pictures belong to other rows than the numbers in their names say, by"
                " the .json or .txt beside them (another size of shards, or a list that begins elsewhere): these count"
            )
        if self.reworded:
            sentences.append(
                f"{file.name}: {self.reworded} pictures have another caption beside them than the list has for their"
                " URL: that of the list counts"
            )
        for files, why in (
            (self.strange, "have a .json or .txt beside them with a URL or caption that no row has"),
            (self.unsure, "have no .json or .txt beside them, and the names of the others are no numbers of rows"),
        ):
            if files:
                sentences.append(f"{file.name}: {len(files)} pictures are left out, such as {files[0]}: they {why}")
        return sentences


def match_pictures(files: Mapping[str, Path], pairs: Sequence[CaptionPair], folders: Iterable[Path]) -> SidecarPairs:
    """Find the row of each picture.

    Args:
        files: Pictures by name without extension.
        pairs: The rows of the list.
        folders: The folders in which the pictures lie.

    Raises:
        InputError: A `.json` or `.txt` beside a picture is damaged; or no picture has one, and the names cannot be
            the numbers of rows.
    """
    sidecars = _read_sidecars(files, folders)
    rows = _Rows(pairs)
    matched = SidecarPairs()
    plain: list[str] = []
    for name, file in sorted(files.items()):
        if name not in sidecars:
            plain.append(name)
            continue
        number = int(name) if _is_number(name) else None
        row = rows.row(*sidecars[name], number)
        if row is None:
            matched.strange.append(file)
            continue
        matched.elsewhere += row != number
        matched.reworded += _key(sidecars[name][1] or pairs[row].caption) != _key(pairs[row].caption)
        matched.pictures.setdefault(row, file)
    if matched.elsewhere or matched.strange:
        matched.unsure += [files[name] for name in plain]
        return matched
    _refuse_other_names(plain, files, len(pairs))
    for name in plain:
        if _is_number(name):
            matched.pictures.setdefault(int(name), files[name])
    return matched


class _Rows:
    """An index of the rows of a list by URL and by caption."""

    def __init__(self, pairs: Sequence[CaptionPair]) -> None:
        self._pairs = pairs
        self._by_url: dict[str, list[int]] = {}
        self._by_caption: dict[str, list[int]] = {}
        for number, pair in enumerate(pairs):
            self._by_url.setdefault(pair.image.strip(), []).append(number)
            self._by_caption.setdefault(_key(pair.caption), []).append(number)

    def row(self, url: str, caption: str, number: int | None) -> int | None:
        """The row with a URL or, if `url` is "", with a caption; of several rows the row `number`, else the first."""
        rows = self._by_url.get(url, []) if url else self._by_caption.get(_key(caption), [])
        if url and caption and len(rows) > 1:
            rows = [row for row in rows if _key(self._pairs[row].caption) == _key(caption)] or rows
        return number if number in rows else next(iter(rows), None)


def _key(caption: str) -> str:
    """A caption without quotation marks and repeated blanks, which readers of lists change; for comparing captions."""
    return " ".join(caption.replace('"', "").split())


def _read_sidecars(files: Mapping[str, Path], folders: Iterable[Path]) -> dict[str, tuple[str, str]]:
    """By picture, the URL and the caption in the `.json` or `.txt` beside it; each is "" if the file lacks it."""
    beside = {
        path for folder in folders if folder.is_dir() for path in folder.iterdir() if path.suffix in (".json", ".txt")
    }
    sidecars: dict[str, tuple[str, str]] = {}
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
            sidecars[name] = url, caption
    return sidecars


def _is_number(name: str) -> bool:
    return len(name) == DIGITS and name.isascii() and name.isdecimal()


def _refuse_other_names(names: Sequence[str], files: Mapping[str, Path], rows: int) -> None:
    """Refuse names that img2dataset gives to pictures in shards of another size than 10,000 rows."""
    for name in names:
        file = files[name]
        in_shard = file.parent.name.isdecimal() and name.startswith(file.parent.name)
        if (in_shard and not _is_number(name)) or (_is_number(name) and int(name) >= rows):
            fault = f"row {int(name)} of {rows}" if _is_number(name) else f"of other than {DIGITS} digits"
            raise InputError(
                f"{file}: its name is {fault}, so these pictures were not downloaded from this list with 10,000 rows a"
                " shard, and nothing beside them says which row is whose\n"
                "download them with img2dataset's --output_format files, which writes that, or with"
                " --number_sample_per_shard 10000; if the list was cut, use the whole one, and --limit"
            )
