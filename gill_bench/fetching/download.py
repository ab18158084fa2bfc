"""The download of one file: it goes on where it was interrupted, and is checked before it counts as downloaded."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from gill_bench.cards.sources import WebFile
from gill_bench.errors import GillBenchError
from gill_bench.fetching.sizes import check_room, megabytes, readable_size
from gill_bench.fetching.web import NoAnswerError, Web, is_page
from gill_bench.progress import Bars, say
from gill_bench.storage.digests import digest
from gill_bench.storage.paths import name_in_errors


class _ChangedError(Exception):
    """The part that was downloaded before is of another file than the server has now: the download starts again."""


def file_name_of(url: str) -> str:
    """The last part of an address's path, as the name of a file.

    >>> file_name_of("https://a.b/data/val.zip?dl=1")
    'val.zip'
    """
    return re.sub(r"[^A-Za-z0-9._-]", "_", unquote(urlsplit(url).path).rpartition("/")[2])[-100:] or "download"


def downloaded(file: WebFile, folder: Path) -> Path:
    """The path of a file while it waits in a folder to be unpacked or moved to its place."""
    return folder / f"{digest(file.url)[:8]}-{file_name_of(file.url)}"


def download(web: Web, file: WebFile, folder: Path, *, checksums: bool = True, progress: Bars | None = None) -> Path:
    """Download a file, unless an earlier call did; an interrupted download goes on.

    Args:
        web: The client.
        file: The file, with its address.
        folder: An existing folder, in which the parts of downloads are kept too.
        checksums: Whether size and checksums of the card count.
        progress: Starts to show progress (`gill_bench.progress.Bars`).

    Returns:
        The file in the folder, at `downloaded(file, folder)`.

    Raises:
        GillBenchError: The file cannot be downloaded, or is not the one that the card describes.
    """
    target = downloaded(file, folder)
    if target.is_file():
        return target
    part = _Part(target)
    tries, furthest, restarts = 0, part.size, 0
    while True:
        try:
            _go_on(web, file, part, checksums=checksums, progress=progress)
            break
        except _ChangedError as change:
            restarts += 1
            part.forget()
            if restarts > web.attempts:
                raise GillBenchError(f"{file.url}: {change}; nothing is kept of it, try again later") from change
        except NoAnswerError as problem:
            tries = 0 if part.size > furthest else tries + 1
            furthest = max(furthest, part.size)
            if problem.permanent or tries >= web.attempts or (problem.wait or 0) > 600:
                raise _given_up(web, file, problem, part.size) from problem
            say(f"{file_name_of(file.url)}: {problem.reason}; going on at {readable_size(part.size)}")
            web.wait_after(problem, tries)
    part.file.replace(target)
    part.forget()
    return target


class _Part:
    """The part of a file that was downloaded so far, and what the server said of the file."""

    def __init__(self, target: Path) -> None:
        self.file = target.with_name(f"{target.name}.part")
        self._about = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        return self.file.stat().st_size if self.file.is_file() else 0

    @property
    def validator(self) -> str:
        """The strong ETag, or else the time of the last change, with which the server named the content; or ""."""
        try:
            about = json.loads(self._about.read_bytes())
        except (OSError, ValueError):
            return ""
        return str(about.get("validator", "")) if isinstance(about, dict) else ""

    def begin(self, headers: Mapping[str, str]) -> None:
        """Note how the server names the content that is written from now on."""
        etag = headers.get("etag", "")
        strong = etag if etag.startswith('"') else ""
        self._about.write_text(json.dumps({"validator": strong or headers.get("last-modified", "")}), encoding="utf-8")

    def forget(self) -> None:
        self.file.unlink(missing_ok=True)
        self._about.unlink(missing_ok=True)


def _go_on(web: Web, file: WebFile, part: _Part, *, checksums: bool, progress: Bars | None) -> None:
    """Send one request, for the whole file or for the rest of it, and check the file if the answer comes to its end."""
    start, validator = part.size, part.validator
    proven = checksums and bool(file.sha256 or file.md5)
    headers = {"Accept-Encoding": "identity"}  # sizes and ranges are those of the file itself
    if start and (validator or proven):
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    with web.get(file.url, headers) as response:
        start, total = _position(response, start)
        if total is None or start < total or not total:
            _write(web, response, file, part, start, total, progress)
    if total is not None and part.size < total:
        raise NoAnswerError(f"the connection ended after {part.size} of {total} bytes", permanent=False)
    if checksums:
        _check(file, part, resumed=start > 0)


def _position(response: httpx.Response, start: int) -> tuple[int, int | None]:
    """The position of an answer's first byte in the file, and the size of the file, if the server says it."""
    content_range = re.fullmatch(
        r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", response.headers.get("content-range", "").strip()
    )
    total = int(content_range[3]) if content_range and content_range[3] != "*" else None
    if response.status_code == 416:
        if total == start:
            return start, total  # nothing was lacking
        raise _ChangedError("the server has no such range, so the file changed on it")
    if response.status_code == 206:
        if content_range is None or content_range[1] is None or int(content_range[1]) != start:
            raise _ChangedError("the server sent another range than the one that was asked for")
        return start, total
    length = response.headers.get("content-length", "")
    encoded = response.headers.get("content-encoding", "identity").lower() not in ("", "identity")
    return 0, int(length) if length.isdecimal() and not encoded else None


def _write(
    web: Web,
    response: httpx.Response,
    file: WebFile,
    part: _Part,
    start: int,
    total: int | None,
    progress: Bars | None,
) -> None:
    name, resumed = file_name_of(file.url), f", going on at {readable_size(start)}" if start else ""
    size = "of unknown size" if total is None else readable_size(total)
    say(f"{name}: {size} from {response.url}{resumed}")
    check_room(part.file.parent, (total or file.bytes) - start, name)
    step = megabytes(progress, name, total, start)
    if not start:
        part.begin(response.headers)
    with name_in_errors(part.file), part.file.open("ab" if start else "wb") as opened:
        for block in response.iter_bytes():
            if not opened.tell() and is_page(block, response.headers) and not name.endswith((".html", ".htm")):
                raise NoAnswerError(
                    f"a page (HTML) came instead of the file{_title(block)}; open the address in a browser: it may ask"
                    " for a login, a form or a licence, or the file moved",
                    status=response.status_code,
                    permanent=True,
                )
            opened.write(block)
            step(len(block))
    if part.size > (total if total is not None else part.size):
        raise _ChangedError(f"the server announced {total} bytes and sent {part.size}")


def _title(block: bytes) -> str:
    title = re.search(rb"<title[^>]*>([^<]{1,80})", block, re.IGNORECASE)
    return f", {' '.join(title[1].decode(errors='replace').split())!r}" if title else ""


def _check(file: WebFile, part: _Part, *, resumed: bool) -> None:
    """Compare a complete file with the card."""
    wrong = ""
    if file.bytes and part.size != file.bytes:
        wrong = f"{part.size} bytes, and the card says {file.bytes}"
    kind, expected = ("sha256", file.sha256) if file.sha256 else ("md5", file.md5)
    if expected and not wrong:
        with part.file.open("rb") as opened:
            computed = hashlib.file_digest(opened, kind).hexdigest()
        if not computed.startswith(expected):
            wrong = f"{kind.upper().replace('SHA', 'SHA-')} {computed}, and the card says {expected}"
    if not wrong:
        return
    if resumed:
        raise _ChangedError(f"the parts of the download do not fit together ({wrong})")
    part.forget()
    raise GillBenchError(
        f"{file.url}: not the file that the card describes: {wrong}\n"
        "the download was deleted; if it was cut or changed on the way, try again\n"
        "to take other files than the official ones, such as those of a mirror of your own: --no-checksums"
    )


def _given_up(web: Web, file: WebFile, problem: NoAnswerError, size: int) -> GillBenchError:
    where = f" (asked at {web.address(file.url)})" if web.mirror else ""
    kept = f"; {readable_size(size)} are kept, and the same command goes on" if size and not problem.permanent else ""
    return GillBenchError(f"{file.url}{where}: {problem.reason}{kept}")
