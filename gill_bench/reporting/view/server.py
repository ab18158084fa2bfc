"""The server of `gill-bench view`: pages and pictures of runs, for browsers of this machine alone.

It answers GET and HEAD (`gill_bench.reporting.local_server`). Files come from the folders of pages, which it writes
itself, and from committed units: a picture that a `unit.json` names, as it was written. It follows no link, lists no
folder and writes nothing into a run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from gill_bench.cards.find import builtin_folder
from gill_bench.errors import InputError
from gill_bench.reporting.local_server import KINDS, Answer, LocalHandler, LocalServer
from gill_bench.reporting.page.folder import script_json
from gill_bench.reporting.view.library import Library
from gill_bench.reporting.view.state import state_of_library, state_of_run
from gill_bench.reporting.view.viewed import PICTURES, ViewedRun
from gill_bench.rundir.folders import cell_folder, is_unit_name
from gill_bench.rundir.load_units import DamagedUnitError, read_commit, read_picture
from gill_bench.rundir.records import CellKey
from gill_bench.storage.paths import is_remote

_FILE_OF_PAGE = re.compile(r"(?:[a-z]+/)?[A-Za-z0-9_-][A-Za-z0-9._-]*")
_SHARED = ("follow.css", "follow.js")
_FOLLOW = """<link rel="icon" href="data:,">
<link rel="stylesheet" href="follow.css">
<script src="follow.js" data-version="%s" defer></script>
</head>"""


def path_of(run: str) -> str:
    """The path of a run's page in addresses.

    >>> path_of("first tries/vist")
    '/first%20tries%2Fvist/'
    """
    return f"/{quote(run, safe='')}/"


class PageServer(LocalServer):
    """Serves the pages of runs on 127.0.0.1; its address is that of the run, or of the list of runs.

    Args:
        library: The runs.
        port: The port; 0 for a free one.

    Raises:
        InputError: The port cannot be used.
    """

    def __init__(self, library: Library, port: int = 0) -> None:
        self.library = library
        self.start = path_of(library.only) if library.only else "/"
        super().__init__(_PageHandler, port)


class _PageHandler(LocalHandler):
    server: PageServer

    def find(self, path: str) -> Answer | None:
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


def _file_of_page(viewed: ViewedRun, name: str) -> Answer | None:
    """A file of the page; an HTML file also loads the script that follows the run."""
    file = viewed.page / name
    kind = KINDS.get(file.suffix)
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
        return Answer((_templates() / "page" / name).read_bytes(), KINDS[".css"])
    if name == "state.js":
        return _state(partial(state_of_library, library))
    return Answer((_templates() / "view" / "runs.html").read_bytes(), KINDS[".html"]) if name == "" else None


def _shared(name: str) -> Answer:
    return Answer((_templates() / "view" / name).read_bytes(), KINDS[Path(name).suffix])


def _state(state: Callable[[], dict[str, Any]]) -> Answer:
    return Answer(f"gillBenchState({script_json(state())});\n".encode("ascii"), KINDS[".js"])


def _picture(viewed: ViewedRun, parts: list[str]) -> Answer | None:
    """A picture of a committed unit, by task, model, context, unit and file."""
    if len(parts) != 5 or not parts[4].endswith(".png") or not is_unit_name(parts[3]):
        return None
    try:
        folder = cell_folder(viewed.run, CellKey(*parts[:3])) / parts[3]
        if not is_remote(folder) and folder.is_symlink():
            return None
        sha256 = read_commit(folder).files.get(parts[4])
        return Answer(read_picture(folder / parts[4], sha256), KINDS[".png"]) if sha256 else None
    except (InputError, DamagedUnitError):  # a name that leads out of the run, a picture that is gone or changed
        return None


def _templates() -> Path:
    return builtin_folder() / "reports" / "templates"
