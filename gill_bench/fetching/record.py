"""The record of pictures that could not be downloaded: JSON lines, one for each picture, in the data set's folder."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from gill_bench.storage.files import write_atomic
from gill_bench.storage.paths import name_in_errors


class FailedPicture(NamedTuple):
    """A picture that could not be downloaded.

    Attributes:
        id: The picture's id.
        url: Its address, as the annotation files have it.
        status: The status of the last answer; None if there was none.
        reason: The reason in a few words.
        permanent: Whether the next fetch leaves it out.
    """

    id: str
    url: str
    status: int | None
    reason: str
    permanent: bool


class PictureFailures:
    """The failed pictures of a split. A failure is on disk as soon as it is added; several threads may add.

    Args:
        folder: The data set's folder.
        split: The split.

    Attributes:
        file: The file, which exists only while pictures are lacking.
        failed: The failures by picture id.
    """

    def __init__(self, folder: Path, split: str) -> None:
        self.file = folder / f"failed-pictures-{split}.jsonl"
        self.failed = {failure.id: failure for failure in _read(self.file)}
        self._lock = threading.Lock()

    def add(self, failure: FailedPicture) -> None:
        """Add a failure; it replaces an earlier one of the same picture."""
        with self._lock:
            # A kill may have left half a line: each line begins on a new one, and half a line is skipped.
            with name_in_errors(self.file), self.file.open("ab") as opened:
                opened.write(f"\n{_line(failure)}".encode() if opened.tell() else _line(failure).encode())
            self.failed[failure.id] = failure

    def settle(self, lacking: Iterable[str]) -> None:
        """Write the file anew, with the failures of the pictures that are still lacking, in their order."""
        failures = [self.failed[name] for name in lacking if name in self.failed]
        self.failed = {failure.id: failure for failure in failures}
        if failures:
            write_atomic(self.file, "".join(f"{_line(failure)}\n" for failure in failures).encode())
        else:
            self.file.unlink(missing_ok=True)


def _line(failure: FailedPicture) -> str:
    return json.dumps(failure._asdict(), ensure_ascii=False)


def _read(file: Path) -> Iterable[FailedPicture]:
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            value = json.loads(line)
            yield FailedPicture(
                str(value["id"]), str(value["url"]), value["status"], str(value["reason"]), bool(value["permanent"])
            )
        except (ValueError, TypeError, LookupError):  # half a line of a process that was killed
            continue
