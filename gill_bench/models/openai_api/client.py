"""Requests to a server that speaks OpenAI's interface: the key, time-outs, retries, and the errors of servers.

A server that asks to wait (429, 503) raises `TryLater`, since all calls have to wait then, not this one alone. Other
errors that may pass (5xx, time-outs, connections that are cut) are retried here.
"""

from __future__ import annotations

import os
import re
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from gill_bench.interfaces import UnavailableError
from gill_bench.models.openai_api.refusals import ServerError, explain, raise_for
from gill_bench.models.openai_api.settings import Settings

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before the first repetition of a failed request, and at most before any other; each pause doubles."""
_CONNECT = 10.0  # seconds in which a server must accept a connection, and say that it is there
Upload = tuple[str, tuple[str, bytes, str]]
"""A file of a form: the field's name, and the file's name, content and type."""


class Client:
    """Sends requests to one server and reads its answers; several threads may use it at once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._key = os.environ.get(settings.key_variable, "").strip()
        if not re.fullmatch(r"[\x21-\x7e]*", self._key):  # an error of the library would show it
            raise UnavailableError(f"{settings.key_variable}: not a key, which is one word of ASCII characters")
        self._http = httpx.Client(
            base_url=settings.url,
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=httpx.Timeout(settings.timeout, connect=min(_CONNECT, settings.timeout)),
            limits=httpx.Limits(max_connections=settings.at_once + 1),
        )
        weakref.finalize(self, self._http.close)
        self._lock = threading.Lock()
        self._next = 0.0  # when the next request may be made, where their number in a minute is limited

    def post(
        self,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        files: Sequence[Upload] | None = None,
    ) -> dict[str, Any]:
        """Post JSON, or a form with files, and return the JSON object of the answer.

        Raises:
            TryLater: The server asks to wait.
            RefusedError: The server declines the prompt by policy.
            UnavailableError: The server is gone, refuses the key, or does not know the model.
            ServerError: The server answered with another error, or with none that can be read, in every attempt.
        """
        problem = ""
        for attempt in range(self._settings.retries + 1):
            if attempt:
                time.sleep(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1)))
            self._wait_for_turn()
            try:
                response = self._http.post(path, json=json, data=data, files=files)
                answer = self._answer(response)
            except (httpx.TransportError, httpx.DecodingError) as error:
                problem = f"{type(error).__name__}: {self._shown(str(error))}".rstrip(": ")
                continue
            if isinstance(answer, dict):
                return answer
            problem = answer
        self._give_up(problem)
        raise AssertionError  # `_give_up` always raises

    def get(self, address: str, timeout: float = _CONNECT) -> httpx.Response | None:
        """The answer to one GET request, with any status; None if there is none.

        Args:
            address: A path after the server's address, or a URL; only the server of the card gets the key.
            timeout: Seconds after which there is no answer.
        """
        url = httpx.URL(address)
        same_server = url.is_relative_url or _origin(url) == _origin(self._http.base_url)
        try:
            return self._http.get(url, timeout=timeout) if same_server else httpx.get(url, timeout=timeout)
        except (httpx.TransportError, httpx.DecodingError):
            return None

    def version(self) -> str:
        """The version that the server gives of itself, at the addresses of vLLM and llama.cpp; "" if it gives none."""
        root = self._settings.url.rpartition("/v")[0] or self._settings.url
        for path, name in (("version", "version"), ("props", "build_info")):
            response = self.get(f"{root}/{path}")
            try:
                content = response.json() if response is not None and response.is_success else None
            except ValueError:
                continue
            if isinstance(content, dict) and isinstance(content.get(name), str):
                return self._shown(content[name])[:200]
        return ""

    def _answer(self, response: httpx.Response) -> dict[str, Any] | str:
        """The JSON object of an answer, or the problem in words if the same request may work later."""
        try:
            content = response.json()
        except ValueError:
            content = None
        failed = response.status_code >= 400 or (isinstance(content, dict) and "error" in content and len(content) == 1)
        if failed:
            shown = self._shown(explain(content, response.text))
            raise_for(response, content, shown, self._settings)
            return f"answered {response.status_code}: {shown}"
        if not isinstance(content, dict):
            return f"answered {response.status_code} without a JSON object"
        return content

    def _wait_for_turn(self) -> None:
        if not self._settings.per_minute:
            return
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + 60 / self._settings.per_minute
        time.sleep(turn - now)

    def _give_up(self, problem: str) -> None:
        attempts = self._settings.retries + 1
        text = f"{'' if problem.startswith('answered') else 'no answer: '}{problem} (attempts: {attempts})"
        if self.get("models") is None:
            raise UnavailableError(
                f"the server at {self._settings.url} cannot be reached: {text}\n"
                "when it is there again, the same command goes on; for another address: --set MODEL.url=..."
            )
        raise ServerError(text)

    def _shown(self, text: str) -> str:
        """A text of the server as it may be shown and stored: without the key, if the server repeats it."""
        return text.replace(self._key, "…") if self._key else text


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
