"""The server of `gill-bench annotate`: the page with its pictures, and the votes of several annotators at once.

It is one of this machine alone (`gill_bench.reporting.local_server`). Votes are asked for and cast with a token that
only the page of this server has, so that no other page and no form elsewhere can read or cast one. A vote is on disk
before its request is answered.
"""

from __future__ import annotations

import hmac
import json
import secrets
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import parse_qs

from gill_bench.analysis.annotation.material import StudyMaterial
from gill_bench.analysis.annotation.returned import vote_for_page, vote_from_page
from gill_bench.analysis.annotation.votes import VoteBook, annotator_name
from gill_bench.errors import InputError
from gill_bench.progress import say
from gill_bench.reporting.annotate.page import INDEX, PICTURES, page_files, picture_content
from gill_bench.reporting.local_server import HOST, KINDS, Answer, LocalHandler, LocalServer

TOKEN = "X-Gill-Bench-Token"  # noqa: S105 (the name of a header)
LARGEST_REQUEST = 16_384
"""Bytes of a request with a vote."""
_JSON = "application/json"


class AnnotationServer(LocalServer):
    """Serves a study to annotators on this machine.

    Args:
        material: The study, and the files of its pictures.
        book: Where votes are kept.
        port: The port; 0 for a free one.

    Raises:
        InputError: The port cannot be used.
    """

    def __init__(self, material: StudyMaterial, book: VoteBook, port: int = 0) -> None:
        self.study, self.book = material.study, book
        self.token = secrets.token_urlsafe(24)
        self.files = page_files(material, self.token)
        self.pictures = material.files()
        super().__init__(_VoteHandler, port)


class _VoteHandler(LocalHandler):
    server: AnnotationServer
    methods = ("GET", "HEAD", "POST")
    policy: ClassVar[str] = LocalHandler.policy.replace("img-src", "connect-src 'self'; img-src")

    def find(self, path: str) -> Answer | None:
        name = path.removeprefix("/") or INDEX
        if name == "votes":
            return self._votes()
        folder, _, file = name.rpartition("/")
        if folder == PICTURES and file.removesuffix(".png") in self.server.pictures:
            return Answer(picture_content(self.server.pictures[file.removesuffix(".png")]), KINDS[".png"])
        if name not in self.server.files:
            return None
        return Answer(self.server.files[name], KINDS[f".{name.rpartition('.')[2]}"])

    def do_POST(self) -> None:  # noqa: N802
        """Keep a vote, or take one back."""
        if not self.names_this_machine():
            return
        self.close_connection = True
        if self.path != "/votes":
            self._refuse(HTTPStatus.NOT_FOUND, "no such address")
        elif not self._is_of_own_page():
            self._refuse(HTTPStatus.FORBIDDEN, "not the page of this server")
        elif self.headers.get("Content-Type", "").partition(";")[0].strip() != _JSON:
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"expected {_JSON}")
        elif not (length := self.headers.get("Content-Length", "")).isdecimal() or "Transfer-Encoding" in self.headers:
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "expected a Content-Length")
        elif len(length) > 9 or int(length) > LARGEST_REQUEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {LARGEST_REQUEST} bytes")
        else:
            self._change(self.rfile.read(int(length)))

    def _change(self, content: bytes) -> None:
        book, study = self.server.book, self.server.study
        try:
            raw = json.loads(content)
            if not isinstance(raw, dict) or ("vote" in raw) == ("takenBack" in raw):
                raise ValueError("expected an annotator, and either a vote or an item whose vote is taken back")
            annotator = annotator_name(raw.get("annotator"))
            if "vote" in raw:
                vote = vote_from_page(raw["vote"] if isinstance(raw["vote"], dict) else {}, study)
                book.keep(annotator, [vote])
            elif raw["takenBack"] in study.examples:
                book.take_back(annotator, raw["takenBack"])
            else:
                raise ValueError("takenBack: no item of this study")
        except (ValueError, TypeError, RecursionError, InputError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error)[:200])
        except OSError as error:
            say(f"error: a vote cannot be written: {error.strerror or error}")
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "the vote cannot be written to disk")
        else:
            self._send_json({"votes": len(book.votes(annotator))})

    def _votes(self) -> Answer | None:
        if not self._is_of_own_page():
            return None
        names = parse_qs(self.path.partition("?")[2]).get("annotator", [""])
        try:
            votes = self.server.book.votes(annotator_name(names[0]))
        except InputError:
            return None
        content = {"votes": [vote_for_page(vote, self.server.study) for vote in votes]}
        return Answer(json.dumps(content).encode(), _JSON)

    def _is_of_own_page(self) -> bool:
        """Whether a request has the page's token, and comes from no other page."""
        port = self.server.server_address[1]
        own = (None, f"http://{HOST}:{port}", f"http://localhost:{port}")
        token = self.headers.get(TOKEN, "").encode(errors="replace")
        return self.headers.get("Origin") in own and hmac.compare_digest(token, self.server.token.encode())

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self.send(status, f"{reason}\n".encode(errors="replace"), "text/plain; charset=utf-8")

    def _send_json(self, content: Any) -> None:
        self.send(HTTPStatus.OK, json.dumps(content).encode(), _JSON)
