"""pyproject.toml declares the packages that the code imports; `make test-lowest` and `make test-newest` install it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Where a module is imported that only an extra installs, and the extras that do.
EXTRAS = {
    "engines/ray.py": {"ray": ["ray"]},
    "metrics/functional/captions/nltk_meteor.py": {"nltk": ["nltk"]},
    "reporting/parquet.py": {"pyarrow": ["parquet"]},
    "storage/store_urls.py": {"fsspec": ["s3", "gcs"]},
    "tracking/mlflow.py": {"mlflow": ["mlflow"]},
    "tracking/tensorboard.py": {"tensorboard": ["tensorboard"]},
    "tracking/wandb.py": {"wandb": ["wandb"]},
}
# pytest itself imports its plugin.
PLUGINS = {"pytest_plugin.py": {"pytest"}}


def names(requirements: list[str]) -> set[str]:
    """The packages that requirements name, in lower case with hyphens."""
    return {re.split(r"[<>=!~\[; ]", line)[0].lower().replace("_", "-") for line in requirements}


def imported(file: Path) -> set[str]:
    """The top-level modules that a file imports, at its top or inside a function."""
    packages: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            packages |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            packages.add(node.module.partition(".")[0])
    return packages - {"gill_bench"} - sys.stdlib_module_names


def test_every_imported_package_is_declared() -> None:
    distributions = packages_distributions()
    required = names(PROJECT["dependencies"])
    used: set[str] = set()
    for file in sorted((ROOT / "gill_bench").rglob("*.py")):
        path = file.relative_to(ROOT / "gill_bench").as_posix()
        for module in imported(file) - PLUGINS.get(path, set()):
            packages = {name.lower().replace("_", "-") for name in distributions.get(module, [module])}
            extras = EXTRAS.get(path, {}).get(module)
            for extra in extras or ():
                assert packages & names(PROJECT["optional-dependencies"][extra]), f"{path}: {module}: extra {extra}"
            assert extras or packages & required, f"{path} imports {module}, which pyproject.toml does not declare"
            used |= packages
    assert required - used == set()  # nothing is installed that is not used


def test_every_dependency_has_a_floor() -> None:
    everything = [
        *PROJECT["dependencies"],
        *(line for lines in PROJECT["optional-dependencies"].values() for line in lines),
    ]
    assert [line for line in everything if ">=" not in line and not line.startswith("gill-bench[")] == []
