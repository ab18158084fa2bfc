"""Dependencies point one way (docs/design/house.md), modules stay small, and light modules stay light."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "gill_bench"
# What a part of the house may import, besides the single modules at the top of the package.
ALLOWED: dict[str, set[str]] = {
    "cli": {"reporting", "runs", "training", "mini", "tracking"},
    "tracking": {"runs"},
    "reporting": set(),
    "engines": {"runs"},
    "runs": {"engines", "models", "datasets", "metrics", "mini", "training"},
    "mini": {"models", "datasets", "metrics", "training"},
    "training": {"models", "datasets"},
    "models": set(),
    "datasets": set(),
    "metrics": set(),
}
# Single modules: they know no part of the house. `weights` asks the mini world where its files are.
TOP: dict[str, set[str]] = {
    "weights": {"mini"},
    "pytest_plugin": {"runs"},
    "api": {"runs", "reporting"},
    "report_page": {"runs", "reporting"},
}


def imports(file: Path) -> Iterator[str]:
    """Every module of gill_bench that a file imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("gill_bench"):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("gill_bench"))


def part_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (PACKAGE / parts[1]).is_dir() else ""


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_dependencies_point_one_way(file: Path) -> None:
    relative = file.relative_to(PACKAGE)
    own = relative.parts[0] if len(relative.parts) > 1 else ""
    allowed = ALLOWED[own] if own else TOP.get(file.stem, {"cli"} if file.stem == "__main__" else set())
    used = {part_of(module) for module in imports(file)} - {"", own}
    assert used <= allowed, f"{relative} imports {sorted(used - allowed)}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_modules_are_small(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("kind", ["models", "datasets", "metrics"])
def test_adapters_data_sets_and_metrics_do_not_know_each_other(kind: str) -> None:
    others = {"models", "datasets", "metrics"} - {kind}
    for file in (PACKAGE / kind).rglob("*.py"):
        assert not others & {part_of(module) for module in imports(file)}, file
