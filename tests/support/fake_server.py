"""A server on this machine that speaks OpenAI's interface, with the faults that a test sets.

Answers depend on the prompt alone, as those of a model do: a picture of the seed and of the prompt's digest, a text of
the digest. Faults come from a script: `faults[n]` is what happens to the n-th request that asks for an answer.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from PIL import Image


class Reply(NamedTuple):
    """An answer with a status, which is sent in place of the usual one."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = {}


WAIT = Reply(429, {"error": {"message": "slow down"}}, {"Retry-After": "0"})
BROKEN = Reply(500, {"error": {"message": "out of order"}})
EMPTY = Reply(200, {"created": 1, "data": []})
REFUSED = Reply(400, {"error": {"message": "rejected by our safety system", "code": "moderation_blocked"}})
CUT = "cut"
"""The connection ends in the middle of an answer."""


@dataclass
class FakeServer:
    """A stand-in for a model server: its behaviour, and a record of requests and replies.

    Attributes:
        url: Address of the server.
        faults: Faults by the number of the request that they happen to; all other requests are answered.
        refuses: Prompts with this text are declined.
        delay: Seconds that an answer takes.
        die_after: After so many answers the server answers nothing more and takes no connections; None if it lives.
        check: Function that sees each request first; if it returns a reply, the server sends that reply.
        requests: Path and fields of every request for an answer, in order.
        answered: How often each request was answered with a picture or text, by its fields.
        most_at_once: The most requests that were under way at the same time.
        paths: The paths of all GET requests.
        keys: The Authorization headers.
    """

    url: str = ""
    faults: dict[int, Reply | str] = field(default_factory=dict)
    refuses: str = ""
    delay: float = 0.0
    die_after: int | None = None
    check: Callable[[str, dict[str, Any]], Reply | None] = lambda path, fields: None
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0
    paths: list[str] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)
    under_way: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def paid(self) -> int:
        """The number of pictures and texts that the server sent."""
        return self.answered.total()

    @property
    def dead(self) -> bool:
        """The server has sent its last answer, though connections of before may still be open."""
        return self.die_after is not None and self.paid >= self.die_after


def png(seed: int, size: tuple[int, int] = (16, 16)) -> bytes:
    """A PNG file whose pixels are fixed by the seed."""
    picture = Image.frombytes("RGB", size, hashlib.shake_256(str(seed).encode()).digest(size[0] * size[1] * 3))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def seed_of(fields: Mapping[str, Any]) -> int:
    """The seed of an answer, a hash of the whole request, so that different requests get different answers."""
    return int(hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:8], 16)


def answer(path: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The answer of a working server to a request."""
    if path.endswith("chat/completions"):
        message = {"role": "assistant", "content": f" word{seed_of(fields) % 7}\nmore"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {"model": f"{fields['model']}-2026", "system_fingerprint": "fp_1", "choices": [choice]}
    return {"created": 1, "data": [{"b64_json": base64.b64encode(png(seed_of(fields))).decode()}]}


class _Handler(BaseHTTPRequestHandler):
    state: FakeServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # the body would wait 40 ms until the head is acknowledged

    def do_GET(self) -> None:
        self.state.paths.append(self.path)
        if self.state.dead:
            self.close_connection = True
            return None
        if self.path.endswith("/version"):
            return self.reply(Reply(200, {"version": "0.30.0"}))
        return self.reply(Reply(404, {"detail": "Not Found"}))

    def do_POST(self) -> None:
        state = self.state
        content = self.rfile.read(int(self.headers["Content-Length"]))
        fields = _form(self.headers["Content-Type"], content) or json.loads(content)
        with state.lock:
            number = len(state.requests)
            state.requests.append((self.path, fields))
            state.keys.add(self.headers.get("Authorization"))
            state.under_way += 1
            state.most_at_once = max(state.most_at_once, state.under_way)
            dead = state.dead
        try:
            if dead:
                threading.Thread(target=self.server.shutdown, daemon=True).start()
                return self.cut()
            time.sleep(state.delay)
            fault = state.check(self.path, fields) or state.faults.get(number)
            if state.refuses and state.refuses in json.dumps(fields):
                fault = REFUSED
            if fault == CUT:
                return self.cut()
            if isinstance(fault, Reply):
                return self.reply(fault)
            with state.lock:
                state.answered[json.dumps([self.path, fields], sort_keys=True)] += 1
            return self.reply(Reply(200, answer(self.path, fields)))
        finally:
            with state.lock:
                state.under_way -= 1

    def reply(self, reply: Reply) -> None:
        content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for key, value in {**reply.headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content)

    def cut(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"{")
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _form(kind: str, content: bytes) -> dict[str, Any]:
    """The fields of a form, with files as digests of their pixels, in order; {} for other content."""
    if not kind.startswith("multipart/form-data"):
        return {}
    message = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + content)
    fields: dict[str, Any] = {}
    for part in message.walk():
        name = re.search(r'name="([^"]+)"', part.get("Content-Disposition", ""))
        if not name:
            continue
        value = part.get_payload(decode=True)
        assert isinstance(value, bytes)
        if part.get_filename():
            with Image.open(io.BytesIO(value)) as picture:
                pixels = hashlib.sha256(picture.tobytes()).hexdigest()[:8]
                fields.setdefault(name[1], []).append([*picture.size, pixels])
        else:
            fields[name[1]] = value.decode()
    return fields


@contextmanager
def fake_server(**state: Any) -> Iterator[FakeServer]:
    """Run a server while the context lasts; `state` are settings of `FakeServer`."""
    served = FakeServer(**state)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": served}))
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_port}/v1"

    def serve() -> None:
        server.serve_forever(poll_interval=0.01)
        server.socket.close()  # after its death connections are refused

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
