"""Requests over HTTP, through a mirror where the user names one, and the reasons why an answer is of no use."""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlsplit

import httpx

from gill_bench import __version__
from gill_bench.errors import InputError, first_line
from gill_bench.storage.retry_after import seconds_to_wait

VARIABLE = "GILL_BENCH_MIRROR"
_REDIRECTS = 10
_TIMEOUT = httpx.Timeout(60.0, connect=30.0)  # seconds without any byte; a download as a whole has no limit
_LATER = (408, 425, 429, 500, 502, 503, 504)  # statuses with which the same request may work later
_LONGEST_WAIT = 600.0  # seconds; a server that asks for more is asked again by the next command
_GONE, _CLOSED = (404, 410), (401, 403, 451)


class NoAnswerError(Exception):
    """A request brought nothing that can be used.

    Attributes:
        reason: The reason in a few words.
        status: The status of the answer; None if there was none.
        permanent: Whether the same request will bring no more later.
        wait: The seconds that the server asks to wait; None if it does not say.
    """

    def __init__(self, reason: str, *, status: int | None = None, permanent: bool, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.status, self.permanent, self.wait = reason, status, permanent, wait


@dataclass
class Web:
    """A client for downloads, which several threads may use.

    Attributes:
        mirror: The address that stands in the place of scheme and host of every address; "" for none.
        attempts: How often in a row a request that brings nothing new is sent.
        pause: Waits some seconds; tests replace it.
    """

    mirror: str = ""
    attempts: int = 5
    pause: Callable[[float], None] = time.sleep
    _client: httpx.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.mirror = checked_mirror(self.mirror)
        self._client = httpx.Client(
            follow_redirects=True,
            max_redirects=_REDIRECTS,
            timeout=_TIMEOUT,
            headers={"User-Agent": f"gill-bench/{__version__} (evaluation data, python-httpx)"},
            verify=_certificates(),
            trust_env=not _is_loopback(self.mirror),  # no proxy reaches this machine's own addresses
        )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def address(self, url: str) -> str:
        """The address that is asked in place of a URL: the same path and query at the mirror, if there is one.

        Raises:
            NoAnswerError: The URL is none that can be asked.
        """
        try:
            parsed = _parsed(url)
        except ValueError as error:
            raise NoAnswerError(f"not an address: {first_line(error)}", permanent=True) from error
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise NoAnswerError("not an address of http or https", permanent=True)
        if not self.mirror:
            return str(parsed)
        return self.mirror + parsed.raw_path.decode("ascii")

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[httpx.Response]:
        """An open answer whose status is of use: 2xx, or 416 to a request with a range. Its body is not read yet.

        Redirects are followed, up to ten, to addresses of http and https.

        Raises:
            NoAnswerError: There is no such answer, or it breaks off while the context lasts.
        """
        try:
            with self._client.stream("GET", self.address(url), headers=dict(headers or {})) as response:
                _check_status(response)
                yield response
        except httpx.TooManyRedirects as error:
            raise NoAnswerError(f"more than {_REDIRECTS} redirects", permanent=True) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise NoAnswerError(f"redirected to what is no web address: {first_line(error)}", permanent=True) from error
        except httpx.DecodingError as error:
            raise NoAnswerError(f"the answer cannot be unpacked: {first_line(error)}", permanent=False) from error
        except httpx.RequestError as error:
            raise NoAnswerError(f"{type(error).__name__}: {first_line(error)}", permanent=False) from error

    def wait_after(self, problem: NoAnswerError, tries: int) -> None:
        """Wait before a request is sent again: as long as the server asks, else longer with each try."""
        self.pause(problem.wait if problem.wait is not None else 0.5 * 2.0 ** min(tries, 6))


def checked_mirror(text: str) -> str:
    """The address of a mirror without a slash at its end; "" for none.

    Raises:
        InputError: The text is no address of http or https.

    >>> checked_mirror("http://127.0.0.1:8000/gill/")
    'http://127.0.0.1:8000/gill'
    """
    if not text:
        return ""
    try:
        url = _parsed(text)
    except ValueError:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise InputError(
            f"--mirror {text!r:.80} (or {VARIABLE}): expected an address such as http://mirror.example:8000"
        )
    return str(url).rstrip("/")


def is_page(start: bytes, headers: Mapping[str, str]) -> bool:
    """Whether an answer is a page for people (HTML), by its first bytes, or by its kind where they say nothing else.

    Args:
        start: The first bytes of the content.
        headers: The headers of the answer.
    """
    text = start[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return True
    return headers.get("content-type", "").lower().startswith("text/html") and text.startswith(b"<")


def _check_status(response: httpx.Response) -> None:
    status = response.status_code
    if response.is_success or (status == 416 and "range" in response.request.headers):
        return
    if status in _LATER:
        wait = seconds_to_wait(response.headers) if "retry-after" in response.headers else None
        if wait is not None and wait > _LONGEST_WAIT:
            reason = f"answered {status} and asks to wait {wait:.0f} s"
            raise NoAnswerError(reason, status=status, permanent=False, wait=wait)
        raise NoAnswerError(f"answered {status}", status=status, permanent=False, wait=wait)
    reason = f"answered {status}"
    if status in _GONE:
        reason += ": it is not there (any more)"
    elif status in _CLOSED:
        reason += ": not open to everybody (a login, a form or a licence?)"
    raise NoAnswerError(reason, status=status, permanent=True)


def _parsed(text: str) -> httpx.URL:
    """An address in its parts; `ValueError` if it has none."""
    urlsplit(text)  # it refuses brackets that do not match, which httpx takes
    try:
        return httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError(str(error)) from error


@cache
def _certificates() -> ssl.SSLContext:
    """The authorities whose certificates are accepted; reading them takes longer than a small download."""
    return httpx.create_ssl_context()


def _is_loopback(url: str) -> bool:
    host = httpx.URL(url).host
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
