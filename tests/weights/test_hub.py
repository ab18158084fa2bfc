"""The hub, as a small server on this machine: it refuses, stalls, answers with an error, or with a repository.

Most clients are processes of their own, as HF_ENDPOINT is read when the hub's library is imported. This file needs
nothing but pytest, so that it also runs beside an installed wheel (`make test-newest`).
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from gill_bench.errors import InputError
from gill_bench.weights.hub import hub_folder

pytestmark = pytest.mark.enable_socket

COMMIT = "1" * 40
FILES = {"config.json": b"{}", "model.safetensors": b"weights", "pytorch_model.bin": b"a copy of the weights"}
ASK = "import sys; from gill_bench.weights.hub import hub_folder; print(hub_folder('me/words', tuple(sys.argv[1:])))"


class _Hub(BaseHTTPRequestHandler):
    """Answers every request with `answer`, or like a hub that has one repository, `me/words`."""

    answer: tuple[int, dict[str, str]] | None = None
    html = False
    requests: list[str]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if not path.startswith(("/api/models/", "/me/words/")):  # what the library asks for its own ends
            return self.reply(404, b"", {})
        self.requests.append(path)
        if self.html:
            return self.reply(200, b"<html>Please accept the terms of this network.</html>", {})
        if self.answer is not None:
            return self.reply(self.answer[0], b"", self.answer[1])
        if path in ("/api/models/me/words", "/api/models/me/words/revision/main"):
            siblings = [{"rfilename": name} for name in FILES]
            return self.reply(200, json.dumps({"id": "me/words", "sha": COMMIT, "siblings": siblings}).encode(), {})
        if path == f"/api/models/me/words/tree/{COMMIT}":
            tree = [{"type": "file", "path": name, "size": len(FILES[name]), "oid": name} for name in FILES]
            return self.reply(200, json.dumps(tree).encode(), {})
        name = path.rpartition("/")[2]
        content = FILES[name]
        return self.reply(200, content, {"ETag": f'"{name}"', "X-Repo-Commit": COMMIT})

    def do_HEAD(self) -> None:
        self.do_GET()

    def reply(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def hub(
    answer: tuple[int, dict[str, str]] | None = None, html: bool = False
) -> Iterator[tuple[ThreadingHTTPServer, list[str]]]:
    requests: list[str] = []
    handler = type("Handler", (_Hub,), {"answer": answer, "html": html, "requests": requests})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server, requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(port: int, tmp_path: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Ask for me/words in a process of its own, whose cache is empty at first."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_") and "proxy" not in key.lower()}
    own = {"HF_ENDPOINT": f"http://127.0.0.1:{port}", "HF_HOME": str(tmp_path / "hf"), "HF_HUB_ETAG_TIMEOUT": "120"}
    command = [sys.executable, *(words or ("-c", ASK))]
    return subprocess.run(command, env={**kept, **own, **variables}, capture_output=True, text=True, timeout=300)


def refusal(process: subprocess.CompletedProcess[str]) -> str:
    """The message of the InputError that a process ended with."""
    assert process.returncode != 0, process.stdout
    last = process.stderr.strip().splitlines()[-1]
    assert last.startswith("gill_bench.errors.InputError: "), process.stderr
    assert "me/words: neither in the hub's cache nor to be downloaded: " in last
    return last


def test_needed_files_are_downloaded_once_and_then_taken_from_the_cache(tmp_path: Path) -> None:
    with hub() as (server, _):
        first = ask(server.server_port, tmp_path)
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.strip())
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        name: content for name, content in FILES.items() if name != "pytorch_model.bin"
    }
    # The server is gone, and nothing is missed: not the pickle either, which was never fetched.
    assert ask(server.server_port, tmp_path).stdout == first.stdout
    assert ask(server.server_port, tmp_path, HF_HUB_OFFLINE="1").stdout == first.stdout
    dry = f"from gill_bench.weights.hub import without_downloads\nwith without_downloads():\n    {ASK}"
    assert ask(server.server_port, tmp_path, "-c", dry).stdout == first.stdout


def test_a_refused_connection_to_the_hub_is_named(tmp_path: Path) -> None:
    with socket.socket() as bound:  # bound but not listening: connections are refused
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        message = refusal(ask(port, tmp_path))
    assert f"the hub at http://127.0.0.1:{port} cannot be reached (ConnectError" in message
    assert "check the network, its proxy and HF_ENDPOINT" in message


def test_a_hub_that_stalls_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket() as listening:  # connections are taken by the system and never answered
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        message = refusal(ask(listening.getsockname()[1], tmp_path, HF_HUB_ETAG_TIMEOUT="1"))
    assert "cannot be reached (ReadTimeout" in message


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (404, {"X-Error-Code": "RepoNotFound"}, "answered 404: there is no such repository"),
        (401, {}, "answered 401: there is no such repository, or it is not open to you"),
        (401, {"X-Error-Code": "RepoNotFound"}, "'hf auth login' or set HF_TOKEN"),
        (403, {"X-Error-Code": "GatedRepo"}, "answered 403: there is no such repository, or it is not open to you"),
        (500, {}, "answered 500 (no reason given); try again later"),
        (503, {"X-Error-Message": "on holiday"}, "answered 503 (on holiday); try again later"),
        (429, {}, "answered 429"),
    ],
)
def test_an_error_of_the_hub_is_shown_at_once(
    status: int, headers: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with hub((status, headers)) as (server, requests):
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(InputError, match=re.escape(expected)):
            hub_folder("me/words")
    assert requests == ["/api/models/me/words"]  # nothing is tried again, with longer and longer waits


def test_an_answer_that_is_not_the_hubs_is_an_error(tmp_path: Path) -> None:
    """The page of a hotel's network, for example."""
    with hub(html=True) as (server, requests):
        assert "cannot be reached (JSONDecodeError" in refusal(ask(server.server_port, tmp_path))
    assert len(requests) == 1


def test_cached_weights_are_used_while_the_hub_is_down(tmp_path: Path) -> None:
    with hub() as (server, _):
        first = ask(server.server_port, tmp_path)
    with hub((500, {})) as (server, _):
        assert ask(server.server_port, tmp_path).stdout == first.stdout != ""


def test_with_hf_hub_offline_no_request_is_sent(tmp_path: Path) -> None:
    with hub() as (server, requests):
        message = refusal(ask(server.server_port, tmp_path, HF_HUB_OFFLINE="1"))
    assert "HF_HUB_OFFLINE is set; unset it to download" in message
    assert requests == []


@pytest.mark.parametrize("name", ["me/words/again", "-words", "me/wo rds"])
def test_a_name_that_is_no_hub_id_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=f"^{name}: neither in the hub's cache nor to be downloaded: it is no hub id"):
        hub_folder(name)


def test_a_cache_of_the_hub_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "hf").write_text("a file where the folder should be")
    with hub() as (server, _):
        message = refusal(ask(server.server_port, tmp_path))
    assert f"{tmp_path}/hf" in message
    assert "HF_HOME names another place" in message


def test_the_command_line_tells_where_to_put_the_weights(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    with hub((500, {})) as (server, _):
        words = ["-m", "gill_bench", "run", "vist", "--models", "stable-diffusion", "--data", "mini"]
        words += ["--weights", str(tmp_path / "weights"), "--out", str(tmp_path / "run")]
        process = ask(server.server_port, tmp_path, *words)
    assert process.returncode == 2
    assert "Traceback" not in process.stderr
    assert "answered 500 (no reason given); try again later" in process.stderr
    assert f"to {tmp_path / 'weights'}/" in process.stderr
