"""The layers of docs/design/house.md: no part imports a part on its own floor or above, and no imports form a circle.

Each test lists everything that breaks its rule.
"""

from __future__ import annotations

import ast
import gc
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "gill_bench"
FLOORS: tuple[frozenset[str], ...] = tuple(
    frozenset(floor.split())
    for floor in (
        "errors prompt",
        "interfaces storage statistics",
        "cards progress devices",
        "weights datasets embeddings",
        "models metrics rundir",
        "training engines",
        "mini",
        "planning",
        "generation scoring",
        "evaluate",
        "analysis checks exchange",
        "reporting tracking fetching",
        "api",
        "cli pytest_plugin",
        "__main__",
    )
)
"""The parts of the package (modules and folders beside `gill_bench/__init__.py`), from the ground up."""

RUN_FILES = {"spec.json", "env.json", "results.json", "unit.json", "samples.jsonl"}


def name_of(file: Path) -> str:
    """The dotted name of a module of the package, without `gill_bench.`; "" for the package itself.

    The package itself stands on no floor: whoever imports any module imports it first, and it imports names on request.
    """
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for file in sorted(PACKAGE.rglob("*.py"))}


@pytest.fixture(scope="module", autouse=True)
def _trees() -> Iterator[None]:
    """The trees are a million objects: none of them is garbage before the last test, and no later test has them."""
    gc.disable()
    yield
    tree_of.cache_clear()
    gc.enable()


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def trees() -> dict[str, ast.Module]:
    """The syntax tree of every module."""
    return {name: tree_of(file) for name, file in MODULES.items()}


def imports_of(name: str) -> set[str]:
    """The modules of the package that a module imports, at its top or inside a function."""
    dotted_names: set[str] = set()
    for node in ast.walk(trees()[name]):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "gill_bench":
            dotted_names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            dotted_names.update(alias.name for alias in node.names if alias.name.split(".")[0] == "gill_bench")
    imported: set[str] = set()
    for dotted in dotted_names:
        inside = dotted.removeprefix("gill_bench").removeprefix(".")
        while inside not in MODULES:  # the name of something in a module
            inside = inside.rpartition(".")[0]
        imported.add(inside)
    return imported - {"", name}


@cache
def imports() -> dict[str, set[str]]:
    """The modules that each module of the package imports."""
    return {name: imports_of(name) for name in MODULES if name}


def test_every_part_imports_only_from_the_floors_below_it() -> None:
    floors = {part: number for number, floor in enumerate(FLOORS) for part in floor}
    parts = {name.split(".")[0] for name in imports()}
    assert parts == set(floors), "a part of the package has no floor, or a floor names a part that is gone"
    wrong = [
        f"{name} imports {other}"
        for name, others in imports().items()
        for other in sorted(others)
        if name.split(".")[0] != other.split(".")[0] and floors[other.split(".")[0]] >= floors[name.split(".")[0]]
    ]
    assert wrong == []


def test_adapters_import_what_they_share_and_not_one_another() -> None:
    # The reader of text and pictures, diffusion pipelines, networks that write text: each may import those before it.
    shared = {"interleaved": 0, "diffusers": 1, "writing": 2}
    wrong = [
        f"{name} imports {other}"
        for name, others in imports().items()
        for other in sorted(others)
        if name.startswith("models.") and other.startswith("models.") and other in MODULES
        if MODULES[other].parent != PACKAGE / "models" and name.split(".")[1] != other.split(".")[1]
        if other.split(".")[1] not in shared
        or shared.get(name.split(".")[1], len(shared)) <= shared[other.split(".")[1]]
    ]
    assert wrong == []


def test_no_modules_import_one_another_in_a_circle() -> None:
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as error:
        raise AssertionError(" imports ".join(reversed(error.args[1]))) from None


def test_modules_are_small_and_class_names_are_unique() -> None:
    lengths = {name: len(file.read_text(encoding="utf-8").splitlines()) for name, file in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > 400} == {}
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for name, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name != "Settings":  # every adapter and metric has its own
                homes[node.name].append(name)
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


def test_only_rundir_opens_files_of_a_run() -> None:
    """Elsewhere a file of a run is read by a function of `rundir/load*` or the reader, and written by the writer."""
    opening = {"read_file", "read_sealed", "from_sealed_json", "write_sealed", "replace_file"}
    allowed = {"rundir.load", "rundir.load_units", "rundir.reader", "rundir.writer", "storage.sealed"}
    names = {"SPEC", "ENVIRONMENT", "RESULTS", "COMMIT", "SAMPLES", "VECTORS"}
    wrong = [
        f"{name} imports {alias.name}"
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "gill_bench.storage.sealed" and name not in allowed
        for alias in node.names
        if alias.name in opening
    ]
    methods = {"open", "read_bytes", "read_text", "write_bytes", "write_text"}
    wrong += [
        f"{name}: {ast.unparse(node)}"
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if name not in allowed and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr in methods and isinstance(node.func.value, ast.BinOp)
        if {part.id for part in ast.walk(node.func.value) if isinstance(part, ast.Name)} & names
        or {part.value for part in ast.walk(node.func.value) if isinstance(part, ast.Constant)} & RUN_FILES
    ]
    assert wrong == []


def test_helpers_of_tests_are_in_no_test_module() -> None:
    wrong = [
        f"{file.relative_to(ROOT)} imports {node.module}"
        for file in sorted((ROOT / "tests").rglob("*.py"))
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.rpartition(".")[2].startswith("test_")
    ]
    assert wrong == []


EMPTY_NAMES = frozenset(
    ["found", "place", "places", "lone", "mine", "one", "made", "asked", "told", "here", "far", "ours", "theirs"]
)


@pytest.mark.parametrize("folder", ["gill_bench", "tests", "benchmarks"])
def test_variables_have_the_noun_of_the_thing(folder: str) -> None:
    wrong = []
    for file in sorted((ROOT / folder).rglob("*.py")):
        tree = tree_of(file)
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        fields = {id(node.target) for kind in classes for node in kind.body if isinstance(node, ast.AnnAssign)}
        for node in ast.walk(tree):
            if isinstance(node, ast.arg):
                label = node.arg
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in fields:
                label = node.id
            else:
                continue
            if label in EMPTY_NAMES:
                wrong.append(f"{file.relative_to(ROOT)}, line {node.lineno}: {label}")
    assert wrong == []
