"""The first command of the README, run once for all tests that look at what it leaves: it takes minutes."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
from pathlib import Path

import pytest

from gill_bench.cli import main
from tests.conftest import ROOT


def first_command() -> str:
    """The words of the command, as the README prints them."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    (command,) = (line for line in lines if line.startswith("gill-bench run vist --models gill,stable"))
    return command


def run_of_first_command() -> tuple[Path, str]:
    """The run directory, which tests must not change, and the text that was printed in a terminal of 80 columns."""
    shared = Path(os.environ["GILL_BENCH_CACHE"]).parent  # of all workers of a session
    folder = shared / "first-command"
    printed = folder / "printed.txt"
    with (shared / "first-command.lock").open("w") as lock, pytest.MonkeyPatch.context() as patch:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
        if not printed.exists():
            folder.mkdir(exist_ok=True)
            patch.chdir(folder)
            patch.setenv("COLUMNS", "80")
            with contextlib.redirect_stdout(io.StringIO()) as text:
                assert main(first_command().split()[1:]) == 0
            printed.write_text(text.getvalue(), encoding="utf-8")
    return folder / "runs" / "vist", printed.read_text(encoding="utf-8")
