"""A server of pairs to vote on, and requests to it."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gill_bench.analysis.annotation.material import StudyMaterial
from gill_bench.analysis.annotation.votes import VoteBook
from gill_bench.reporting.annotate import AnnotationServer
from tests.support.annotation import pairs


@pytest.fixture
def material(tmp_path: Path) -> StudyMaterial:
    return pairs(tmp_path)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[StudyMaterial], AnnotationServer]]:
    """Starts servers, which end with the test; votes are kept in `tmp_path / "votes"`."""
    with ExitStack() as stack:

        def start(material: StudyMaterial) -> AnnotationServer:
            book = VoteBook(tmp_path / "votes", material.study)
            server = stack.enter_context(AnnotationServer(material, book))
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return server

        yield start


@pytest.fixture
def server(serve: Callable[[StudyMaterial], AnnotationServer], material: StudyMaterial) -> AnnotationServer:
    return serve(material)


def ask(
    server: AnnotationServer,
    path: str,
    body: bytes | dict[str, Any] | None = None,
    **headers: str | None,
) -> tuple[int, bytes, dict[str, str]]:
    """Status, content and headers of an answer; a request with a body is a POST. A header that is None is left out."""
    port = server.server_address[1]
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    sent: dict[str, str | None] = {"Host": f"127.0.0.1:{port}", "X-Gill-Bench-Token": server.token}
    if content is not None:
        sent |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        connection.putrequest("GET" if content is None else "POST", path, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(content)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()
