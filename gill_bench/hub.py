"""Weights from the Hugging Face hub, or from its local cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from gill_bench.errors import InputError

# Other frameworks' and precisions' copies of the same weights, and the single-file forms of Stable Diffusion.
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
    "*.fp16.*",
]
_PICKLES = (".bin", ".bin.index.json")


_downloads: ContextVar[bool] = ContextVar("downloads", default=True)


@contextmanager
def without_downloads() -> Iterator[None]:
    """Take from the cache alone: planning must not fetch gigabytes."""
    before = _downloads.set(False)
    try:
        yield
    finally:
        _downloads.reset(before)


def readable(names: Iterable[str]) -> list[str]:
    """Of a repository's files those that may be read: no copies, and no pickles where safetensors lie beside them.

    >>> readable(["unet/model.safetensors", "unet/model.bin", "unet/model.fp16.safetensors", "vae/model.bin"])
    ['unet/model.safetensors', 'vae/model.bin']
    """
    kept = [name for name in names if not any(fnmatch(name, pattern) for pattern in _IGNORED)]
    safe = {PurePosixPath(name).parent for name in kept if name.endswith(".safetensors")}
    return [name for name in kept if not (name.endswith(_PICKLES) and PurePosixPath(name).parent in safe)]


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
        wanted = list(files) or (_listed(name) if allowed else [])
        return Path(
            snapshot_download(
                name, allow_patterns=wanted or None, ignore_patterns=_IGNORED, local_files_only=not allowed
            )
        )
    except (OSError, ValueError, HfHubHTTPError) as error:
        if not allowed:
            raise InputError(f"{name}: not in the hub's cache, and a dry run downloads nothing") from error
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{name}: neither in the hub's cache nor to be downloaded ({reason})") from error


def _listed(name: str) -> list[str]:
    """What is to be fetched; nothing if the hub cannot be asked, so that the cache answers."""
    from httpx import HTTPError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return readable(HfApi().list_repo_files(name))
    except (OSError, HTTPError, HfHubHTTPError):
        return []
