"""docs/install.md has every extra of pyproject.toml in its table, and the Makefile installs what it says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from benchmarks.install_sizes import PROJECT, needed, row
from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([\w-]+)` \| ([^|]+)\|", TEXT, re.MULTILINE))


def recipe(target: str, clone: Path) -> str:
    """The commands that make would run for a target in a clone."""
    words = ["make", "--dry-run", "--no-print-directory", target, "PYTHON=python3"]
    outside = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(words, cwd=clone, env=outside, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the files on which the installation depends; nothing is installed yet."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def test_every_extra_is_in_the_table_with_what_it_brings() -> None:
    assert set(ROWS) == set(PROJECT["optional-dependencies"])
    assert all(text.strip() for text in ROWS.values())


def test_the_sizes_are_those_of_the_packages_an_extra_needs() -> None:
    assert {"torch", "numpy", "pydantic-core"} <= needed(["gill-bench"])  # also what packages need in turn
    assert needed(["gill-bench[nltk]"]) == needed(["gill-bench", "nltk"])
    assert row("`x`", {"typer", "pydantic"}).startswith("| `x` | 2 | ")


def test_the_demo_installs_the_package_alone_and_the_tests_install_the_rest(clone: Path) -> None:
    demo = recipe("setup-demo", clone)
    assert "-m venv .venv" in demo
    assert re.findall(r"pip install .*", demo) == ["pip install --quiet -c constraints.txt -e ."]
    both = ["pip install --quiet -c constraints.txt -e .", "pip install --quiet -c constraints.txt -e '.[dev]'"]
    assert re.findall(r"pip install .*", recipe("setup", clone)) == both
    for target, setup in (("demo", demo), ("test", recipe("setup", clone))):
        assert recipe(target, clone).startswith(setup.rstrip("\n"))


def test_a_second_call_installs_nothing(clone: Path) -> None:
    (clone / ".venv").mkdir()
    (clone / ".venv" / ".installed-demo").touch()
    assert "pip" not in recipe("demo", clone)
    assert re.findall(r"pip install .*", recipe("test", clone)) == [
        "pip install --quiet -c constraints.txt -e '.[dev]'"
    ]
    (clone / ".venv" / ".installed").touch()
    assert "pip" not in recipe("demo", clone) + recipe("setup", clone)
