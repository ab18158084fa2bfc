"""A server for browsers of this machine alone, from which `gill-bench view` and `gill-bench annotate` make theirs.

It listens on 127.0.0.1 and answers only requests that name this machine as their host, so that no page of the web can
reach it through the browser by a name that leads here (DNS rebinding). No answer may be used by another site.
"""

from __future__ import annotations

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, NamedTuple

from gill_bench.errors import GillBenchError, InputError, first_line
from gill_bench.progress import say, say_when_debugging

HOST = "127.0.0.1"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
}
"""The content types of the files that are served, by the ends of their names."""


class Answer(NamedTuple):
    """An answer to a request: its content and kind, or the address that the browser is sent to."""

    content: bytes
    kind: str
    elsewhere: str = ""


class LocalServer(ThreadingHTTPServer):
    """A server on 127.0.0.1.

    Args:
        handler: The class that answers requests.
        port: The port; 0 for a free one.

    Raises:
        InputError: The port cannot be used.
    """

    daemon_threads = True
    start = "/"
    """The path of the address to open."""

    def __init__(self, handler: type[LocalHandler], port: int = 0) -> None:
        try:
            super().__init__((HOST, port), handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"--port {port}: cannot be used ({reason}); leave it out for a free one") from error

    @property
    def address(self) -> str:
        """The address to open in a browser."""
        return f"http://{HOST}:{self.server_address[1]}{self.start}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep errors of connections, such as a browser that went away, for `--debug`."""
        import traceback

        say_when_debugging(traceback.format_exc())


class LocalHandler(BaseHTTPRequestHandler):
    """Answers GET and HEAD with what `find` returns, to requests that name this machine."""

    server_version, sys_version = "gill-bench", ""
    timeout = 60
    methods: ClassVar[tuple[str, ...]] = ("GET", "HEAD")
    policy: ClassVar[str] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    )

    def find(self, path: str) -> Answer | None:
        """The answer to a request for a path, without its query; None if there is nothing."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Answer with headers and content."""
        self._answer(with_content=True)

    def do_HEAD(self) -> None:
        """Answer with headers alone."""
        self._answer(with_content=False)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request that is malformed, or has another method."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            known = " and ".join(self.methods).replace(" and ", ", ", len(self.methods) - 2)
            allowed = [("Allow", ", ".join(self.methods))]
            self.send(HTTPStatus.METHOD_NOT_ALLOWED, f"only {known}\n".encode(), "text/plain", allowed)
        else:
            self.send(HTTPStatus(code), b"refused\n", "text/plain")

    def names_this_machine(self) -> bool:
        """Whether the request names this machine as its host; if not, it is refused."""
        port = self.server.server_address[1]  # type: ignore[index]  # typeshed: the address may also be bytes
        if self.headers.get("Host") in (f"{HOST}:{port}", f"localhost:{port}"):
            return True
        self.send(HTTPStatus.MISDIRECTED_REQUEST, b"this server answers to 127.0.0.1 alone\n", "text/plain")
        return False

    def _answer(self, *, with_content: bool) -> None:
        if not self.names_this_machine():
            return
        try:
            answer = self.find(self.path.partition("?")[0])
        except (GillBenchError, OSError) as error:
            say(f"error: {first_line(error)}")
            self.send(HTTPStatus.INTERNAL_SERVER_ERROR, f"{first_line(error)}\n".encode(), "text/plain")
            return
        if answer is None:
            self.send(HTTPStatus.NOT_FOUND, b"no such file\n", "text/plain")
        elif answer.elsewhere:
            self.send(HTTPStatus.FOUND, b"", "text/plain", [("Location", answer.elsewhere)])
        else:
            self.send(HTTPStatus.OK, answer.content, answer.kind, with_content=with_content)

    def send(
        self,
        status: HTTPStatus,
        content: bytes,
        kind: str,
        headers: list[tuple[str, str]] | None = None,
        *,
        with_content: bool = True,
    ) -> None:
        """Send an answer, with the headers that keep other sites from using it."""
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(content))),
            ("Content-Security-Policy", self.policy),
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
        """Keep the log of requests for `--debug`."""
        say_when_debugging(format % arguments)
