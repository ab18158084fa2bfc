"""A mirror of web sites on this machine, with the faults that a test sets."""

from __future__ import annotations

import io
import re
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from PIL import Image


class Cut(NamedTuple):
    """The connection ends after so many bytes of the body, of which the header announced more."""

    after: int


class Short(NamedTuple):
    """The header announces so many bytes, and no more come: a cut that the protocol does not show."""

    length: int


class Status(NamedTuple):
    """An answer without a file."""

    status: int
    headers: Mapping[str, str] = {}


Fault = Cut | Short | Status
WAIT = Status(429, {"Retry-After": "0"})


@dataclass
class WebPage:
    """What the mirror has at one path.

    Attributes:
        content: The body.
        kind: The content type.
        etag: The ETag; "" for none.
        ranges: Whether requests for a part are answered with the part.
        faults: What happens to the first requests, in order; the last one happens to all later requests if `for_ever`.
        for_ever: Whether the faults never end.
        headers: Other headers.
    """

    content: bytes = b""
    kind: str = "application/octet-stream"
    etag: str = '"1"'
    ranges: bool = True
    faults: list[Fault] = field(default_factory=list)
    for_ever: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    def fault(self) -> Fault | None:
        """The fault of the next request."""
        if not self.faults:
            return None
        return self.faults[0] if self.for_ever and len(self.faults) == 1 else self.faults.pop(0)


def html(title: str) -> WebPage:
    """A page for people."""
    return WebPage(f"<!DOCTYPE html><html><title>{title}</title></html>".encode(), "text/html")


def redirect(url: str) -> WebPage:
    """A page that redirects to another address."""
    return WebPage(faults=[Status(302, {"Location": url})], for_ever=True)


@dataclass
class Mirror:
    """The mirror: its pages by path, without the query, and the requests that it got.

    Attributes:
        url: The address.
        pages: The pages; all other paths are answered with 404.
        requests: The path of each request, with its range, such as "/a.zip bytes=5-"; "HEAD" comes before the path of
            those that ask for headers alone.
        most_at_once: The most requests that were under way at the same time.
    """

    url: str = ""
    pages: dict[str, WebPage] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    most_at_once: int = 0
    under_way: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Handler(BaseHTTPRequestHandler):
    mirror: Mirror
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # the body would wait 40 ms until the head is acknowledged

    def do_GET(self) -> None:
        mirror, path = self.mirror, self.path.partition("?")[0]
        with mirror.lock:
            method = "" if self.command == "GET" else f"{self.command} "
            mirror.requests.append(f"{method}{path} {self.headers.get('Range', '')}".strip())
            mirror.under_way += 1
            mirror.most_at_once = max(mirror.most_at_once, mirror.under_way)
            page = mirror.pages.get(path)
            fault = page.fault() if page else Status(404)
        try:
            if isinstance(fault, Status):
                self.answer(fault.status, b"", {"Content-Length": "0", **fault.headers})
            elif page is not None:
                self.serve(page, fault)
        finally:
            with mirror.lock:
                mirror.under_way -= 1

    def do_HEAD(self) -> None:
        self.do_GET()

    def serve(self, page: WebPage, fault: Fault | None) -> None:
        status, content = 200, page.content
        headers = {"Content-Type": page.kind, **({"ETag": page.etag} if page.etag else {}), **page.headers}
        asked_range = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked_range and page.ranges and self.headers.get("If-Range", page.etag) == page.etag:
            start, size = int(asked_range[1]), len(content)
            if start >= size:
                return self.answer(416, b"", {"Content-Range": f"bytes */{size}", "Content-Length": "0"})
            status, content = 206, content[start:]
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        length = fault.length if isinstance(fault, Short) else len(content)
        if fault is not None:
            headers["Connection"] = "close"  # nobody sends the next request into a connection that is about to end
        sent = content[: fault.after] if isinstance(fault, Cut) else content[:length]
        return self.answer(status, sent, {**headers, "Content-Length": str(length)})

    def answer(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def running_mirror(pages: Mapping[str, WebPage] | None = None) -> Iterator[Mirror]:
    """Run a mirror while the context lasts."""
    mirror = Mirror(pages=dict(pages or {}))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"mirror": mirror}))
    server.daemon_threads = True
    mirror.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield mirror
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def tarred(files: Mapping[str, bytes | tarfile.TarInfo]) -> bytes:
    """A tar archive, compressed; a member may be given whole, for links and devices."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tape:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                tape.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tape.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def picture(number: int, kind: str = "PNG") -> bytes:
    """A small picture, another for each number."""
    buffer = io.BytesIO()
    drawn = Image.new("RGB", (16, 16), "white")
    for bit in range(16):  # JPEG blurs what differs less
        drawn.paste(
            "black" if number >> bit & 1 else "white", (bit % 4 * 4, bit // 4 * 4, bit % 4 * 4 + 4, bit // 4 * 4 + 4)
        )
    drawn.save(buffer, kind)
    return buffer.getvalue()
