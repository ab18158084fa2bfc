"""Pictures from lists of addresses on the web sites of others: politely, each once, and with a record of failures.

`img2dataset`, which is known for this, was weighed and left out: it names pictures by shards of its own and not by
their ids, resumes by shards, limits no connections to a host, does not tell removed photos from servers that ask to
wait, and needs OpenCV, albumentations and pyarrow in versions that its releases lag behind.
"""

from __future__ import annotations

import io
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice, zip_longest
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from gill_bench.datasets.addresses import PictureAddress
from gill_bench.errors import GillBenchError
from gill_bench.fetching.record import FailedPicture, PictureFailures
from gill_bench.fetching.web import NoAnswerError, Web, is_page
from gill_bench.progress import Bars
from gill_bench.storage.digests import digest_file
from gill_bench.storage.images import UnreadablePictureError, load_image
from gill_bench.storage.names import path_problem
from gill_bench.storage.paths import name_in_errors, temporary_beside

_THREADS, _PER_HOST = 16, 4
_ATTEMPTS = 3  # requests for one picture; a later fetch asks again where a server was busy or unreachable
_LARGEST, _LONGEST = 100 << 20, 120.0  # bytes and seconds of one picture
_BLOCK = 1000  # pictures that are handed to the threads together
_OFFLINE = 50  # pictures without any answer, and none with one, after which the network is taken to be down
_SAME = 3  # ids with the same content, from which on it is a placeholder: a photo is uploaded twice, rarely three times
_EXTENSIONS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif"}
_UNWANTED = ("noai", "noimageai")  # values of X-Robots-Tag with which a site asks not to be read for such purposes
_PLACEHOLDER = "unavailable"  # in the address to which Flickr redirects requests for removed photos


def fetch_pictures(
    web: Web,
    addresses: Sequence[PictureAddress],
    folder: Path,
    record: PictureFailures,
    *,
    retry_failed: bool = False,
    progress: Bars | None = None,
) -> None:
    """Download the pictures that a folder lacks; a picture is decoded before it gets its name.

    Args:
        web: The client.
        addresses: All pictures of the split, with the files of those that are there.
        folder: The data set's folder.
        record: The record of failures. Pictures that failed for good are left out.
        retry_failed: Whether these are tried again.
        progress: Starts to show progress.

    Raises:
        GillBenchError: No server at all can be reached.
    """
    wanted = [
        address
        for address in addresses
        if address.file is None and (retry_failed or not _failed_for_good(record, address.id))
    ]
    fetcher = _Fetcher(web, folder, record)
    step = progress("downloading pictures", len(wanted), "pictures") if progress and wanted else lambda count: None
    waiting = _in_turns(wanted)
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="pictures")
    try:
        while block := list(islice(waiting, _BLOCK)):
            for _ in pool.map(fetcher.fetch, block):
                step(1)
            if fetcher.offline:
                raise GillBenchError(
                    f"none of the first {_OFFLINE} pictures brought an answer ({fetcher.last_problem});"
                    " check the network and its proxy; the same command goes on"
                )
    finally:
        pool.shutdown(cancel_futures=True)
        files = {address.id: address.file or fetcher.written.get(address.id) for address in addresses}
        if fetcher.written:
            _remove_placeholders(addresses, files, fetcher, record)
        record.settle([address.id for address in addresses if files[address.id] is None])


def summary(record: PictureFailures) -> str:
    """The number of failures by reason, the most frequent first, for people.

    A placeholder's reason names how often it came; here all placeholders are counted together.
    """
    reasons = Counter(failure.reason.partition(":")[0] for failure in record.failed.values())
    return "; ".join(f"{count} {reason}" for reason, count in reasons.most_common(5)) + (
        "; ..." if len(reasons) > 5 else ""
    )


def _failed_for_good(record: PictureFailures, name: str) -> bool:
    return name in record.failed and record.failed[name].permanent


def _in_turns(addresses: Sequence[PictureAddress]) -> Iterator[PictureAddress]:
    """The addresses with those of different hosts in turns, so that no host gets all requests at once."""
    hosts: dict[str, list[PictureAddress]] = defaultdict(list)
    for address in addresses:
        hosts[_host(address.url)].append(address)
    return (address for address in chain.from_iterable(zip_longest(*hosts.values())) if address is not None)


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


class _Fetcher:
    """The work of the threads that download pictures, and what they share."""

    def __init__(self, web: Web, folder: Path, record: PictureFailures) -> None:
        self.written: dict[str, Path] = {}
        self.landed: defaultdict[str, list[str]] = defaultdict(list)  # ids by the address to which they were redirected
        self.last_problem = ""
        self._web, self._folder, self._record = web, folder, record
        self._hosts: defaultdict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(_PER_HOST))
        self._quiet_until: dict[str, float] = {}
        self._lock = threading.Lock()
        self._answered, self._silent = 0, 0

    @property
    def offline(self) -> bool:
        return not self._answered and self._silent >= _OFFLINE

    def fetch(self, address: PictureAddress) -> None:
        if self.offline:
            return
        try:
            content = self._content(address)
            self._keep(address, content)
        except NoAnswerError as problem:
            with self._lock:
                self._silent += problem.status is None and not problem.permanent
                self._answered += problem.status is not None
                self.last_problem = problem.reason
            reason = problem.reason
            self._record.add(FailedPicture(address.id, address.url, problem.status, reason, problem.permanent))

    def _content(self, address: PictureAddress) -> bytes:
        if not address.url:
            raise NoAnswerError("no address in the annotation files", permanent=True)
        problem = path_problem(address.stem)
        if problem:
            raise NoAnswerError(f"its id cannot be the name of a file: it {problem}", permanent=True)
        host = _host(self._web.address(address.url))
        with self._lock:
            turn = self._hosts[host]
        for tries in range(_ATTEMPTS):
            try:
                with turn:
                    if (quiet := self._quiet_until.get(host, 0.0) - time.monotonic()) > 0:
                        self._web.pause(quiet)
                    return self._request(address)
            except NoAnswerError as error:
                if error.permanent or tries == _ATTEMPTS - 1 or (error.wait or 0) > _LONGEST:
                    raise
                if error.wait is None:
                    self._web.wait_after(error, tries)
                else:  # nobody asks this host meanwhile
                    self._quiet_until[host] = time.monotonic() + error.wait
        raise AssertionError  # the last try returns or raises

    def _request(self, address: PictureAddress) -> bytes:
        content, until = bytearray(), time.monotonic() + _LONGEST
        with self._web.get(address.url) as response:
            status = response.status_code
            self._refuse(response, address)
            for block in response.iter_bytes():
                content += block
                if len(content) > _LARGEST:
                    raise NoAnswerError(f"larger than {_LARGEST >> 20} MiB", status=status, permanent=True)
                if time.monotonic() > until:
                    raise NoAnswerError(f"took longer than {_LONGEST:.0f} s", status=status, permanent=False)
            if is_page(bytes(content[:512]), response.headers):
                raise NoAnswerError("a page (HTML) in place of the picture", status=status, permanent=True)
            if response.history:
                with self._lock:
                    self.landed[str(response.url)].append(address.id)
        return bytes(content)

    def _refuse(self, response: httpx.Response, address: PictureAddress) -> None:
        """Refuse an answer that is not the picture, or that the site does not want to be used."""
        with self._lock:
            self._answered += 1
        status = response.status_code
        tags = [tag.strip() for tag in response.headers.get("x-robots-tag", "").lower().split(",")]
        unwanted = next((tag for tag in _UNWANTED if tag in tags), "")
        if unwanted:
            raise NoAnswerError(
                f"the site asks not to be read (X-Robots-Tag {unwanted})", status=status, permanent=True
            )
        name = response.url.path.rpartition("/")[2].lower()
        if response.history and _PLACEHOLDER in name and _PLACEHOLDER not in urlsplit(address.url).path:
            raise NoAnswerError(f"placeholder of a removed photo: redirected to {name}", status=status, permanent=True)

    def _keep(self, address: PictureAddress, content: bytes) -> None:
        try:
            load_image(io.BytesIO(content))
        except UnreadablePictureError as error:
            cut = NoAnswerError(f"no usable picture: {error}", status=200, permanent=True)
            raise cut from error
        target = self._folder / f"{address.stem}{_extension(content)}"
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(target)
        try:
            with name_in_errors(target):
                temporary.write_bytes(content)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        with self._lock:
            self.written[address.id] = target


def _extension(content: bytes) -> str:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as picture:
        kind = str(picture.format)
    if kind not in _EXTENSIONS:
        raise NoAnswerError(f"no usable picture: of the format {kind}", status=200, permanent=True)
    return _EXTENSIONS[kind]


def _remove_placeholders(
    addresses: Sequence[PictureAddress], files: dict[str, Path | None], fetcher: _Fetcher, record: PictureFailures
) -> None:
    """Remove new pictures that are placeholders of removed ones, and take them out of `files`.

    Several addresses lead to one and the same, or three or more addresses have the same content.
    """
    urls = {address.id: address.url for address in addresses}
    placeholders: dict[str, str] = {}

    def note(ids: Sequence[str], fewest: int, what: str) -> None:
        distinct = len({urls[name] for name in ids})  # a list may name an address in several rows
        if distinct >= fewest:
            placeholders.update(dict.fromkeys(ids, f"placeholder of a removed photo: {distinct} addresses {what}"))

    for url, ids in fetcher.landed.items():
        note(ids, 2, f"lead to {url}")
    sizes: defaultdict[int, dict[str, Path]] = defaultdict(dict)
    for name, file in files.items():
        if file is not None:
            sizes[file.stat().st_size][name] = file
    for group in sizes.values():
        contents: defaultdict[str, list[str]] = defaultdict(list)
        for name, file in group.items() if len(group) >= _SAME else ():
            contents[digest_file(file)].append(name)
        for ids in contents.values():
            note(ids, _SAME, "have the same content")
    for name, reason in placeholders.items():
        written = fetcher.written.get(name)
        if written is not None:  # pictures that were there before are the user's own
            written.unlink()
            files[name] = None
            record.add(FailedPicture(name, urls[name], 200, reason, True))
