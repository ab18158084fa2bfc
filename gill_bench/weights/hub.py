"""Weights from the Hugging Face hub, or from its local cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from gill_bench.errors import InputError
from gill_bench.weights.checkpoints import first_line
from gill_bench.weights.network_files import COPIES, readable

_downloads: ContextVar[bool] = ContextVar("downloads", default=True)


@contextmanager
def without_downloads() -> Iterator[None]:
    """Take from the cache alone: planning must not fetch gigabytes."""
    before = _downloads.set(False)
    try:
        yield
    finally:
        _downloads.reset(before)


def hub_folder(name: str, files: Sequence[str] = (), *, revision: str = "", whole: bool = False) -> Path:
    """The local folder of a hub id; downloaded if needed and allowed (HF_HUB_OFFLINE is respected).

    The hub is asked once, with a time limit, which files there are. If it does not answer, or refuses, what the cache
    holds is taken.

    Args:
        name: The hub id.
        files: Names or patterns of what is wanted of it; () = all but copies that are never read.
        revision: The commit, tag or branch that is wanted; "" for the newest.
        whole: Everything is wanted, where `files` names nothing: what reads it may read anything.

    Raises:
        InputError: Neither in the cache nor to be had; says why, and what to do.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    allowed, shown = _downloads.get(), f"{name}@{revision}" if revision else name
    refusal: Exception | None = None
    try:
        listed = _listed(name, revision) if allowed else _cached_list(name, revision)
    except Exception as error:  # its HTTP client raises errors of its own, and versions differ in the client
        refusal, listed = error, _cached_list(name, revision)
    try:
        wanted = list(files) or ([] if whole else readable(listed))
        # A list says what is wanted; without one these names, which copies of weights usually have, are left out.
        return Path(
            snapshot_download(
                name,
                allow_patterns=wanted or None,
                ignore_patterns=None if wanted or whole else list(COPIES),
                local_files_only=not allowed or refusal is not None,
                revision=revision or None,
            )
        )
    except Exception as error:
        if not allowed:
            raise InputError(f"{shown}: not in the hub's cache, and a dry run downloads nothing") from error
        broken_off = error.__cause__ if isinstance(error, LocalEntryNotFoundError) else None
        why = _why(refusal or broken_off or error)
        raise InputError(f"{shown}: neither in the hub's cache nor to be downloaded: {why}") from error


def _listed(name: str, revision: str) -> list[str]:
    """The names of a repository's files; one request, which is not tried again."""
    from huggingface_hub import HfApi, constants

    info = HfApi().model_info(name, timeout=constants.HF_HUB_ETAG_TIMEOUT, revision=revision or None)
    return [file.rfilename for file in info.siblings or ()]


def _cached_list(name: str, revision: str) -> list[str]:
    """The names of a repository's files, as its download noted them; [] if it did not.

    Versions of the hub's library that note them refuse a cached folder that lacks one, such as a pickle that is never
    read; so they must be told what is wanted here too.
    """
    import huggingface_hub

    if not hasattr(huggingface_hub, "get_cached_repo_tree"):
        return []
    try:
        return [file.path for file in huggingface_hub.get_cached_repo_tree(name, revision=revision or None)]
    except (huggingface_hub.errors.CachedRepoTreeNotFoundError, ValueError, OSError):
        return []


def _why(error: BaseException) -> str:
    """Why the hub gave nothing, and what to do about it."""
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set; unset it to download"
    if isinstance(error, HFValidationError):
        return f"it is no hub id ({first_line(error)})"
    if isinstance(error, OSError) and error.filename:  # the disk is full, or the cache is not ours to write
        return f"{error.filename}: {error.strerror}; HF_HOME names another place for the hub's cache"
    if not isinstance(error, HfHubHTTPError):
        kind = type(error).__name__
        return (
            f"the hub at {constants.ENDPOINT} cannot be reached ({kind}: {first_line(error)});"
            " check the network, its proxy and HF_ENDPOINT"
        )
    status = error.response.status_code
    answer = f"the hub at {constants.ENDPOINT} answered {status}"
    if status in (401, 403, 404):  # it answers 401 for a repository that does not exist, too
        return (
            f"{answer}: there is no such repository, or it is not open to you; check the id; for a private or gated"
            " one ask for access on its page, then 'hf auth login' or set HF_TOKEN"
        )
    return f"{answer} ({error.server_message or 'no reason given'}); try again later"
