"""URLs in an object store, and the connection to it: fsspec's file system, and one error for all that it raises."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, NoReturn

from gill_bench.errors import GillBenchError, InputError

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
# Otherwise s3fs asks for the size of each object before reading it, because it reads large objects in parallel parts.
_OPTIONS = {"s3": {"max_concurrency": 1}, "s3a": {"max_concurrency": 1}}
_CREDENTIALS = ("NoCredentials", "PartialCredentials", "ProfileNotFound", "DefaultCredentials", "TokenRetrieval")
_UNREACHABLE = ("Connect", "Timeout", "Closed", "Incomplete", "Disconnected", "DNS", "HTTPClient")


class StoreUrl(PurePosixPath):
    """The URL of an object or folder: `s3://bucket/runs/one` has the parts `s3:`, `bucket`, `runs`, `one`."""

    __slots__ = ()

    def __str__(self) -> str:
        """The URL; a relative path, such as `relative_to` returns, is written as a path."""
        first, *names = self.parts or (".",)
        return "/".join([f"{first}/" if first.endswith(":") else first, *names])

    def __fspath__(self) -> NoReturn:
        """Refuse to be opened by the operating system, which would report a missing file.

        Raises:
            TypeError: Always.
        """
        raise TypeError(f"{self} is in an object store: read it with its own methods")

    @property
    def key(self) -> str:
        """The name by which fsspec knows the object: bucket and path."""
        return str(self.store()._strip_protocol(str(self)))

    def store(self) -> Any:
        """The fsspec file system that holds the object."""
        return store_of(self.parts[0].removesuffix(":"))


def store_of(protocol: str) -> Any:
    """The fsspec file system of a protocol, configured by the environment (`FSSPEC_S3_...`, `AWS_...`).

    Raises:
        InputError: There is no such protocol, or the package that speaks it is not installed.
    """
    try:
        import fsspec
    except ImportError as error:
        raise _not_installed(protocol) from error
    try:
        # gill-bench lists folders itself; fsspec's cache of listings would hide files that other processes write.
        return fsspec.filesystem(protocol, use_listings_cache=False, **_OPTIONS.get(protocol, {}))
    except ImportError as error:
        raise _not_installed(protocol) from error
    except ValueError as error:
        raise InputError(f"{protocol}://: no such kind of object store ({error}); expected s3:// or gs://") from error


def _not_installed(protocol: str) -> InputError:
    extra = _EXTRAS.get(protocol)
    advice = f"pip install 'gill-bench[{extra}]'" if extra else "install the package by which fsspec reads it"
    return InputError(f"{protocol}://: this Python cannot read such URLs; {advice}")


def _code_in_s3(error: BaseException | None) -> str:
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


@contextmanager
def reaching(path: StoreUrl) -> Iterator[None]:
    """Turn any exception of a store's client into one error that names the URL and the next step.

    Raises:
        FileNotFoundError: There is no such object.
        InputError: The store cannot be reached, refuses access, or fails in another way.
    """
    try:
        yield
    except GillBenchError:
        raise
    except FileNotFoundError as error:
        if _code_in_s3(error.__cause__) == "NoSuchBucket":
            bucket = path.parts[1]
            raise InputError(f"{path}: there is no bucket {bucket!r}; make it first, or correct the URL") from error
        raise FileNotFoundError(errno.ENOENT, "no such object", str(path)) from error
    except Exception as error:  # botocore, aiohttp, google.auth and others each have their own classes
        kind, reason = type(error).__name__, (str(error).splitlines() or [""])[0]
        if any(word in kind for word in _CREDENTIALS):
            advice = (
                "no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or those of your store"
            )
        elif isinstance(error, PermissionError):
            advice = f"access denied ({reason}); check the credentials and what they may do with this bucket"
        elif isinstance(error, (ConnectionError, TimeoutError)) or any(word in kind for word in _UNREACHABLE):
            advice = (
                f"cannot reach the store ({reason}); check AWS_ENDPOINT_URL and the network\n"
                "nothing that was committed is lost: the same command goes on"
            )
        else:
            advice = f"the store failed ({kind}: {reason})"
        raise InputError(f"{path}: {advice}") from error
