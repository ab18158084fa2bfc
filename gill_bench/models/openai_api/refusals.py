"""The errors of a server: it asks to wait, it declines a prompt by policy, it answers nobody, or it failed."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

from gill_bench.errors import GillBenchError
from gill_bench.interfaces import RefusedError, TryLater, UnavailableError
from gill_bench.models.openai_api.settings import Settings
from gill_bench.storage.retry_after import seconds_to_wait

_POLICY_CODE = re.compile(r"content_?policy|content_?filter|moderation|safety|policy_?violation|responsible_?ai", re.I)
_POLICY_TEXT = re.compile(
    r"safety system|content (management |moderation )?polic|content filter"
    r"|(blocked|rejected|flagged) by .{0,40}moderation",
    re.I,
)
_NO_MONEY = re.compile(r"insufficient_quota|billing|exceeded your current quota", re.I)
_UNKNOWN_FIELD = re.compile(r"unknown_param|unsupported|unrecognized|extra_forbidden|unknown parameter", re.I)
_WAIT, _NO_ACCESS, _NOT_THERE, _TIMED_OUT = (429, 503), (401, 403), (404, 405), 408


class ServerError(GillBenchError):
    """A server answered a prompt with an error that is neither a refusal nor a reason to wait."""


def raise_for(response: httpx.Response, content: Any, shown: str, settings: Settings) -> None:
    """Raise the error that an answer stands for, as `Client.post` says; return if the same request may yet work (5xx).

    `shown` is the server's message, as it may be shown; the settings of the model's card serve for advice.

    Raises:
        TryLater, RefusedError, UnavailableError, ServerError: As `Client.post` says.
    """
    status, codes = response.status_code, _codes(content)
    said = f"{response.request.url} answered {status}"
    if status not in _WAIT and status < 500 and is_refusal(codes, shown):
        raise RefusedError(f"answered {status}: {shown}")
    if status in _WAIT or (status >= 500 and "retry-after" in response.headers):
        if _NO_MONEY.search(f"{codes} {shown}"):
            raise UnavailableError(f"{said}: {shown}\nwhen the account has a quota again, the same command goes on")
        raise TryLater(seconds_to_wait(response.headers), f"answered {status}: {shown}")
    if status in _NO_ACCESS:  # the message of some servers repeats parts of the key
        raise UnavailableError(
            f"{said}: it takes no request without a key that it knows\n"
            f"put the key into the environment variable {settings.key_variable}, or name another: "
            "--set MODEL.key_variable=NAME"
        )
    if status in _NOT_THERE:
        raise UnavailableError(
            f"{said}: {shown}\nlook at url (up to the version, such as http://127.0.0.1:8000/v1) and model"
            f" ({settings.model!r}) of the card, or set them: --set MODEL.url=..."
        )
    if _UNKNOWN_FIELD.search(f"{codes} {shown}") and (field := _field(content)):
        remedy = "MODEL.seed=false" if field == "seed" else f"'MODEL.extra={{\"{field}\": null}}'"
        raise UnavailableError(f"{said}: {shown}\nto leave {field} out of every request: --set {remedy}")
    if status < 500 and status != _TIMED_OUT:
        raise ServerError(f"answered {status}: {shown}")


def is_refusal(codes: str, message: str) -> bool:
    """Whether a server declines a prompt by policy.

    >>> is_refusal("moderation_blocked", ""), is_refusal("", "Rejected as a result of our safety system.")
    (True, True)
    >>> is_refusal("invalid_value", "size: expected 1024x1024")
    False
    """
    return bool(_POLICY_CODE.search(codes) or _POLICY_TEXT.search(message))


def explain(content: Any, text: str) -> str:
    """The message in an error of a server: of OpenAI's form, of FastAPI's, or any other; one line of it."""
    error = content.get("error", content) if isinstance(content, dict) else content
    message: Any = error
    if isinstance(error, dict):
        message = next((error[key] for key in ("message", "detail", "error") if error.get(key)), error)
    if message is None:
        message = text
    line = " ".join((message if isinstance(message, str) else json.dumps(message)).split())
    return line[:300] or "no reason given"


def _codes(content: Any) -> str:
    """The codes in an error of OpenAI's form."""
    error = content.get("error", content) if isinstance(content, dict) else None
    inner = error.get("innererror") if isinstance(error, dict) else None
    tables = [table for table in (error, inner) if isinstance(table, dict)]
    return " ".join(str(table.get(key) or "") for table in tables for key in ("code", "type")).strip()


def _field(content: Any) -> str:
    """The field of a request that an error is about, as OpenAI or FastAPI names it; "" if none is named."""
    error = content.get("error", content) if isinstance(content, dict) else None
    table = error if isinstance(error, dict) else {}
    details = table.get("detail")
    first = details[0] if isinstance(details, list) and details and isinstance(details[0], dict) else {}
    location = first.get("loc")
    field = table.get("param") or (location[-1] if isinstance(location, list) and location else "")
    return field if isinstance(field, str) and field.isidentifier() else ""
