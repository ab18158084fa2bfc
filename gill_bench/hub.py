"""Weights from the Hugging Face hub, or from its local cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from gill_bench.errors import InputError

# Other frameworks' copies of the same weights, and the single-file forms of Stable Diffusion, are never read.
_IGNORED = [
    "*.msgpack",
    "*.h5*",
    "*.ot",
    "*.ckpt",
    "*.onnx*",
    "flax_*",
    "tf_*",
    "rust_*",
    "v1-5-*",
    "*.non_ema.*",
]


_downloads: ContextVar[bool] = ContextVar("downloads", default=True)


@contextmanager
def without_downloads() -> Iterator[None]:
    """Take from the cache alone: planning must not fetch gigabytes."""
    before = _downloads.set(False)
    try:
        yield
    finally:
        _downloads.reset(before)


def hub_folder(name: str, files: Sequence[str] = ()) -> Path:
    """The local folder of a hub id; downloaded if needed and allowed (HF_HUB_OFFLINE is respected).

    Args:
        name: The hub id.
        files: Names or patterns of what is wanted of it; () = all but copies that are never read.

    Raises:
        InputError: Neither in the cache nor to be had.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    allowed = _downloads.get()
    try:
        return Path(
            snapshot_download(
                name, allow_patterns=list(files) or None, ignore_patterns=_IGNORED, local_files_only=not allowed
            )
        )
    except (OSError, ValueError, HfHubHTTPError) as error:
        if not allowed:
            raise InputError(f"{name}: not in the hub's cache, and a dry run downloads nothing") from error
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{name}: neither in the hub's cache nor to be downloaded ({reason})") from error
