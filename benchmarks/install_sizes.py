"""Packages and size of each extra of pyproject.toml, as they are installed in this environment.

    make setup && .venv/bin/python -m pip install -e '.[gcs]' && .venv/bin/python -m benchmarks.install_sizes

Prints the rows of the table in docs/install.md. An extra has the packages that it needs, directly or not, beyond those
of the package alone; what two extras share is counted in both. Sizes are those of the installed files.
"""

from __future__ import annotations

import platform
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

MIB = 1 << 20
PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def needed(requirements: Iterable[str]) -> set[str]:
    """The packages that requirements name, and those that they need on this machine, directly or not.

    Raises:
        SystemExit: One of them is not installed.
    """
    packages: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in {"", *requirement.extras} - {other for package, other in seen if package == name}:
            seen.add((name, wanted))
            if name == PROJECT["name"]:
                below = PROJECT["optional-dependencies"][wanted] if wanted else PROJECT["dependencies"]
            else:
                packages.add(name)
                below = _requirements(name)
            waiting += [(Requirement(text), wanted) for text in below]
    return packages


def _requirements(package: str) -> list[str]:
    try:
        return distribution(package).requires or []
    except PackageNotFoundError:
        sys.exit(f"{package} is not installed here: pip install {package}")


def size(package: str) -> int:
    """The bytes of a package's installed files."""
    files = distribution(package).files or ()
    paths = {Path(str(file.locate())) for file in files}
    return sum(path.stat().st_size for path in paths if path.is_file())


def row(extra: str, packages: set[str]) -> str:
    """A row of the table: the extra, the number of its packages, their size, and the largest of them."""
    sizes = {package: size(package) for package in packages}
    largest = sorted(sizes, key=lambda package: (-sizes[package], package))[:3]
    shown = ", ".join(f"{package} {sizes[package] / MIB:.0f}" for package in largest)
    return f"| {extra} | {len(packages)} | {sum(sizes.values()) / MIB:.0f} | {shown} |"


def main() -> None:
    """Print the rows, and with which versions they were measured."""
    alone = needed(PROJECT["dependencies"])
    print("| extra | packages | MiB | largest, MiB |\n|---|---|---|---|")
    print(row("none", alone))
    for extra, requirements in PROJECT["optional-dependencies"].items():
        print(row(f"`{extra}`", needed(requirements) - alone))
    print(f"\nPython {platform.python_version()}, torch {distribution('torch').version}, {sys.platform}")


if __name__ == "__main__":
    main()
