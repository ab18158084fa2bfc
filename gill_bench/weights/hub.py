"""Weights from the Hugging Face hub, or from its local cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from fnmatch import fnmatch
from pathlib import Path

from gill_bench.errors import InputError, first_line
from gill_bench.weights.network_files import COPIES, readable

_downloads: ContextVar[bool] = ContextVar("downloads", default=True)


@contextmanager
def without_downloads() -> Iterator[None]:
    """Use the hub's cache alone, without downloads: planning must not fetch gigabytes."""
    before = _downloads.set(False)
    try:
        yield
    finally:
        _downloads.reset(before)


def hub_folder(name: str, files: Sequence[str] = (), *, revision: str = "", whole: bool = False) -> Path:
    """The local folder of a hub repository; downloaded if needed and allowed (HF_HUB_OFFLINE is respected).

    One request with a time limit asks the hub for the list of files. If the hub does not answer, or refuses, the files
    in the cache are used.

    Args:
        name: The hub id.
        files: Names or patterns of the wanted files; () = all but copies of weights that are never read.
        revision: The wanted commit, tag or branch; "" = the newest commit.
        whole: Whether all files are wanted where `files` is empty, because a user's own code reads them.

    Raises:
        InputError: The repository is not in the cache and cannot be downloaded; says why, and what to do.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    allowed, label = _downloads.get(), f"{name}@{revision}" if revision else name
    refusal: Exception | None = None
    try:
        listed = _listed(name, revision) if allowed else _cached_list(name, revision)
    except Exception as error:  # the library's HTTP client, which differs by version, raises errors of its own
        refusal, listed = error, _cached_list(name, revision)
    try:
        wanted = list(files) or ([] if whole else readable(listed))
        # Without a list of files, the download leaves out every file whose name copies of weights usually have.
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
            raise InputError(
                f"{label}: not in the hub's cache, and nothing is downloaded for a dry run or an unnamed model"
            ) from error
        interrupted = error.__cause__ if isinstance(error, LocalEntryNotFoundError) else None
        why = _why(refusal or interrupted or error)
        raise InputError(f"{label}: neither in the hub's cache nor to be downloaded: {why}") from error


def hub_files(
    name: str, files: Sequence[str] = (), *, revision: str = "", whole: bool = False
) -> dict[str, int | None]:
    """The files of a hub repository that are wanted, with their sizes in bytes where the hub says them.

    The arguments are those of `hub_folder`.

    Raises:
        InputError: The hub does not answer, or refuses; says why, and what to do.
    """
    from huggingface_hub import HfApi, constants

    timeout = constants.HF_HUB_ETAG_TIMEOUT
    try:
        info = HfApi().model_info(name, timeout=timeout, revision=revision or None, files_metadata=True)
    except Exception as error:  # as in `hub_folder`
        raise _not_downloaded(name, revision, error) from error
    sizes = {file.rfilename: file.size for file in info.siblings or ()}
    wanted = _matching(sizes, files) if files else list(sizes) if whole else readable(list(sizes))
    if not wanted:
        raise InputError(f"{name}: the hub's repository has none of the wanted files, {', '.join(files) or 'or none'}")
    return {file: sizes[file] for file in wanted}


def download_repository(name: str, target: Path, files: Sequence[str], *, revision: str = "") -> None:
    """Download files of a hub repository into a folder, which appears when all of them are there.

    Files that an interrupted download left are not downloaded again; of a folder that exists, lacking files are.

    Args:
        name: The hub id.
        target: The folder.
        files: The names of the files, as `hub_files` gives them.
        revision: The wanted commit, tag or branch; "" = the newest commit.

    Raises:
        InputError: A file cannot be downloaded; says why, and what to do.
    """
    from huggingface_hub import snapshot_download

    folder = target if target.is_dir() else target.with_name(f".{target.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        snapshot_download(name, allow_patterns=list(files), local_dir=folder, revision=revision or None)
        absent = [file for file in files if not (folder / file).is_file()]
        if absent:
            raise InputError(f"{name}: the hub did not send {', '.join(absent[:3])}; try again")
    except InputError:
        raise
    except Exception as error:  # as in `hub_folder`
        raise _not_downloaded(name, revision, error) from error
    if folder != target:
        folder.replace(target)


def _not_downloaded(name: str, revision: str, error: Exception) -> InputError:
    from huggingface_hub.errors import LocalEntryNotFoundError

    interrupted = error.__cause__ if isinstance(error, LocalEntryNotFoundError) else None
    label = f"{name}@{revision}" if revision else name
    return InputError(f"{label}: cannot be downloaded: {_why(interrupted or error)}")


def _matching(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """The names that the hub's client would download for such patterns; a folder's name stands for all files in it."""
    wanted = [f"{pattern}*" if pattern.endswith("/") else pattern for pattern in patterns]
    return [name for name in names if any(fnmatch(name, pattern) for pattern in wanted)]


def _listed(name: str, revision: str) -> list[str]:
    """The names of a repository's files on the hub; the request is not repeated."""
    from huggingface_hub import HfApi, constants

    info = HfApi().model_info(name, timeout=constants.HF_HUB_ETAG_TIMEOUT, revision=revision or None)
    return [file.rfilename for file in info.siblings or ()]


def _cached_list(name: str, revision: str) -> list[str]:
    """The names of a repository's files that its download recorded in the cache; [] if it recorded none.

    Versions of the hub's library that record them refuse a cached folder that lacks a file, such as a pickle that is
    never read, unless the call names the wanted files; this list is needed to name them.
    """
    import huggingface_hub

    if not hasattr(huggingface_hub, "get_cached_repo_tree"):
        return []
    try:
        return [file.path for file in huggingface_hub.get_cached_repo_tree(name, revision=revision or None)]
    except (huggingface_hub.errors.CachedRepoTreeNotFoundError, ValueError, OSError):
        return []


def _why(error: BaseException) -> str:
    """The reason why the hub gave no files, and the advice on what to do about it."""
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set; unset it to download"
    if isinstance(error, HFValidationError):
        return f"it is no hub id ({first_line(error)})"
    if isinstance(error, OSError) and error.filename:  # the disk is full, or the cache cannot be written
        return f"{error.filename}: {error.strerror}; HF_HOME names another place for the hub's cache"
    if not isinstance(error, HfHubHTTPError):
        kind = type(error).__name__
        return (
            f"the hub at {constants.ENDPOINT} cannot be reached ({kind}: {first_line(error)});"
            " check the network, its proxy and HF_ENDPOINT"
        )
    status = error.response.status_code
    answer = f"the hub at {constants.ENDPOINT} answered {status}"
    if status in (401, 403, 404):  # the hub answers 401 for a repository that does not exist, too
        return (
            f"{answer}: there is no such repository, or it is not open to you; check the id; for a private or gated"
            " one ask for access on its page, then 'hf auth login' or set HF_TOKEN"
        )
    return f"{answer} ({error.server_message or 'no reason given'}); try again later"
