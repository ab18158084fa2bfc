"""The server of `gill-bench view`: pages and pictures of runs, for browsers of this machine alone.

It listens on 127.0.0.1, answers GET and HEAD, and only requests that name this machine as their host, so that no page
of the web can read a run through the browser by a name that leads here (DNS rebinding). Files come from the folders of
pages, which it writes itself, and from committed units: a picture that a `unit.json` names, as it was written. It
follows no link, lists no folder and writes nothing into a run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from gill_bench.cards.find import builtin_folder
from gill_bench.errors import GillBenchError, InputError, first_line
from gill_bench.progress import say, say_when_debugging
from gill_bench.reporting.page.folder import script_json
from gill_bench.reporting.view.library import Library
from gill_bench.reporting.view.state import state_of_library, state_of_run
from gill_bench.reporting.view.viewed import PICTURES, ViewedRun
from gill_bench.rundir.folders import cell_folder, is_unit_name
from gill_bench.rundir.load_units import DamagedUnitError, read_commit, read_picture
from gill_bench.rundir.records import CellKey
from gill_bench.storage.paths import is_remote

HOST = "127.0.0.1"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
}
_FILE_OF_PAGE = re.compile(r"(?:[a-z]+/)?[A-Za-z0-9_-][A-Za-z0-9._-]*")
_SHARED = ("follow.css", "follow.js")
_FOLLOW = """<link rel="icon" href="data:,">
<link rel="stylesheet" href="follow.css">
<script src="follow.js" data-version="%s" defer></script>
</head>"""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)


def path_of(run: str) -> str:
    """The path of a run's page in addresses.

    >>> path_of("first tries/vist")
    '/first%20tries%2Fvist/'
    """
    return f"/{quote(run, safe='')}/"


class Answer(NamedTuple):
    """An answer to a request: its content and kind, or the address that the browser is sent to."""

    content: bytes
    kind: str
    elsewhere: str = ""


class PageServer(ThreadingHTTPServer):
    """Serves the pages of runs on 127.0.0.1.

    Args:
        library: The runs.
        port: The port; 0 for a free one.

    Raises:
        InputError: The port cannot be used.
    """

    daemon_threads = True

    def __init__(self, library: Library, port: int = 0) -> None:
        self.library = library
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"--port {port}: cannot be used ({reason}); leave it out for a free one") from error

    @property
    def address(self) -> str:
        """The address to open in a browser: of the run, or of the list of runs."""
        return f"http://{HOST}:{self.server_address[1]}{self.start}"

    @property
    def start(self) -> str:
        """The path of that address."""
        return path_of(self.library.only) if self.library.only else "/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep errors of connections, such as a browser that went away, for `--debug`."""
        import traceback

        say_when_debugging(traceback.format_exc())


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    server_version, sys_version = "gill-bench", ""
    timeout = 60

    def do_GET(self) -> None:
        self._answer(with_content=True)

    def do_HEAD(self) -> None:
        self._answer(with_content=False)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request that is malformed, or has another method than GET and HEAD."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._send(HTTPStatus.METHOD_NOT_ALLOWED, b"only GET and HEAD\n", "text/plain", [("Allow", "GET, HEAD")])
        else:
            self._send(HTTPStatus(code), b"refused\n", "text/plain")

    def _answer(self, *, with_content: bool) -> None:
        port = self.server.server_address[1]
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            self._send(HTTPStatus.MISDIRECTED_REQUEST, b"this server answers to 127.0.0.1 alone\n", "text/plain")
            return
        try:
            answer = self._find(self.path.partition("?")[0])
        except (GillBenchError, OSError) as error:
            say(f"error: {first_line(error)}")
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, f"{first_line(error)}\n".encode(), "text/plain")
            return
        if answer is None:
            self._send(HTTPStatus.NOT_FOUND, b"no such file\n", "text/plain")
        elif answer.elsewhere:
            self._send(HTTPStatus.FOUND, b"", "text/plain", [("Location", answer.elsewhere)])
        else:
            self._send(HTTPStatus.OK, answer.content, answer.kind, with_content=with_content)

    def _find(self, path: str) -> Answer | None:
        library = self.server.library
        parts = [unquote(part, errors="surrogateescape") for part in path.split("/")[1:]]
        if len(parts) == 1:
            if library.only and parts[0] in ("", library.only):
                return Answer(b"", "", self.server.start)
            return None if library.only else _file_of_list(parts[0], library)
        viewed = library.run(parts[0])
        if viewed is None:
            return None
        rest = parts[1:]
        if rest[0] == PICTURES and len(rest) > 1:
            return _picture(viewed, rest[1:])
        name = "/".join(rest) or "index.html"
        if name in _SHARED:
            return _shared(name)
        if name == "state.js":
            viewed.renew()
            return _state(partial(state_of_run, viewed, alone=bool(library.only)))
        viewed.open()
        return _file_of_page(viewed, name)

    def _send(
        self,
        status: HTTPStatus,
        content: bytes,
        kind: str,
        headers: list[tuple[str, str]] | None = None,
        *,
        with_content: bool = True,
    ) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(content))),
            ("Content-Security-Policy", _POLICY),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-store"),
            *(headers or ()),
        ):
            self.send_header(name, value)
        self.end_headers()
        if with_content and self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        say_when_debugging(format % arguments)


def _file_of_page(viewed: ViewedRun, name: str) -> Answer | None:
    """A file of the page; an HTML file also loads the script that follows the run."""
    file = viewed.page / name
    kind = _KINDS.get(file.suffix)
    if kind is None or not _FILE_OF_PAGE.fullmatch(name) or file.is_symlink() or not file.is_file():
        return None
    version = viewed.version  # taken before the file is read: a page that is newer than it says is loaded once more
    content = file.read_bytes()
    if file.suffix == ".html":
        content = content.replace(b"</head>", (_FOLLOW % version).encode(), 1)
    return Answer(content, kind)


def _file_of_list(name: str, library: Library) -> Answer | None:
    if name in _SHARED:
        return _shared(name)
    if name == "page.css":
        return Answer((_templates() / "page" / name).read_bytes(), _KINDS[".css"])
    if name == "state.js":
        return _state(partial(state_of_library, library))
    return Answer((_templates() / "view" / "runs.html").read_bytes(), _KINDS[".html"]) if name == "" else None


def _shared(name: str) -> Answer:
    return Answer((_templates() / "view" / name).read_bytes(), _KINDS[Path(name).suffix])


def _state(state: Callable[[], dict[str, Any]]) -> Answer:
    return Answer(f"gillBenchState({script_json(state())});\n".encode("ascii"), _KINDS[".js"])


def _picture(viewed: ViewedRun, parts: list[str]) -> Answer | None:
    """A picture of a committed unit, by task, model, context, unit and file."""
    if len(parts) != 5 or not parts[4].endswith(".png") or not is_unit_name(parts[3]):
        return None
    try:
        folder = cell_folder(viewed.run, CellKey(*parts[:3])) / parts[3]
        if not is_remote(folder) and folder.is_symlink():
            return None
        sha256 = read_commit(folder).files.get(parts[4])
        return Answer(read_picture(folder / parts[4], sha256), _KINDS[".png"]) if sha256 else None
    except (InputError, DamagedUnitError):  # a name that leads out of the run, a picture that is gone or changed
        return None


def _templates() -> Path:
    return builtin_folder() / "reports" / "templates"
