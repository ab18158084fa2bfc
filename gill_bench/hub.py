"""Weights from the Hugging Face hub, or from its local cache."""

from __future__ import annotations

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


def hub_folder(name: str) -> Path:
    """The local folder of a hub id; downloaded if needed and allowed (HF_HUB_OFFLINE is respected).

    Raises:
        InputError: Neither in the cache nor to be had.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(name, ignore_patterns=_IGNORED))
    except (OSError, ValueError, HfHubHTTPError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{name}: neither in the hub's cache nor to be downloaded ({reason})") from error
