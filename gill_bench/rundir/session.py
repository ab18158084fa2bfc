"""The record of the present command for `env.json`: versions, machine, device, arguments without credentials."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gill_bench import __version__
from gill_bench.rundir.records import Session

_PACKAGES = (
    "torch",
    "transformers",
    "diffusers",
    "torchmetrics",
    "lpips",
    "numpy",
    "pillow",
    "safetensors",
    "tokenizers",
)
_IN_URL = re.compile(r"(?<=://)[^/@]*@|\?.*")  # may hold a secret: user and password, query
_SECRET = ("token", "key", "secret", "password")


def this_session(device: str, batch_size: int) -> Session:
    """The session of the present command."""
    return Session(
        gill_bench=__version__,
        commit=_commit(),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages={name: _version(name) for name in _PACKAGES},
        device=device,
        batch_size=batch_size,
        cpus=os.cpu_count(),
        threads=_torch_threads(),
        argv=[_harmless(argument) for argument in sys.argv[1:]],
    )


def _harmless(argument: str) -> str:
    """A command-line argument without credentials and without the machine's absolute paths."""
    name, equals, value = argument.partition("=")
    if any(word in name.lower() for word in _SECRET) and equals:
        return f"{name}=…"
    text = _IN_URL.sub("…", value if equals else name) if "://" in argument else value if equals else name
    if Path(text).is_absolute():
        text = f"…/{Path(text).name}"
    return f"{name}={text}" if equals else text


def _torch_threads() -> int:
    import torch

    return torch.get_num_threads()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The checkout's commit, with "+dirty" if files differ from it; None outside a checkout of gill-bench."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        head = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S603, S607
        state = subprocess.run(["git", "-C", root, "status", "--porcelain"], capture_output=True, text=True, check=True)  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError):
        return None  # no git on this machine, or no commit yet
    return head.stdout.strip() + ("+dirty" if state.stdout.strip() else "")
