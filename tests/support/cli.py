"""The command line in a process of its own, as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = (sys.executable, "-m", "gill_bench")


def run_command(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a gill-bench command to its end; `variables` are added to its environment."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, env={**os.environ, **variables}, timeout=300
    )


def start_command(*arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
    """Start a gill-bench command and return its process; `variables` are added to its environment."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    )


def is_running(group: int) -> bool:
    """Return True while any process of a process group is alive."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


HEAVY = ("torch", "transformers", "diffusers", "pandas", "torchmetrics", "numpy", "scipy", "PIL", "rich")
