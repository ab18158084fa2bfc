"""Finding the Java runtime that the tokeniser and METEOR need, and their jars, which pycocoevalcap 1.2 ships."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

from gill_bench.errors import InputError

# METEOR writes numbers in the machine's language, and in some languages writes decimal commas that it cannot read.
LOCALE = ("-Duser.language=en", "-Duser.country=US")
_INSTALL = (
    "install one (Debian, Ubuntu: apt-get install default-jre-headless; conda: conda install openjdk) "
    "or point JAVA_HOME to it"
)
_SECONDS_TO_ANSWER = 60


def require_java() -> str:
    """The path of a `java` that starts: the program on PATH, else the program in JAVA_HOME.

    The check is quick, so that it can be made before a run.

    Raises:
        InputError: There is no Java, or Java does not start; the message says how to install it.
    """
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java") or (shutil.which("java", path=str(Path(home, "bin"))) if home else None)
    if java is None:
        raise InputError(
            f"no Java runtime on PATH or in JAVA_HOME; tokenising captions and METEOR need one: {_INSTALL}"
        )
    _check_starts(java)
    return java


@lru_cache(maxsize=8)
def _check_starts(java: str) -> None:
    # The `java` of macOS may be a program that only says where to download Java.
    try:
        process = subprocess.run(  # noqa: S603 - the user's own Java
            [java, "-version"], capture_output=True, timeout=_SECONDS_TO_ANSWER, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"{java} does not start: {error}; {_INSTALL}") from error
    if process.returncode:
        said = process.stderr.decode(errors="replace").strip().splitlines()[:1]
        raise InputError(f"{java} does not start: {''.join(said) or f'exit code {process.returncode}'}; {_INSTALL}")


def jar(module: str, name: str) -> Path:
    """The path of a jar that lies beside a module of pycocoevalcap.

    Raises:
        InputError: pycocoevalcap is not installed, or its folder lacks the jar.
    """
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    path = Path(spec.origin).parent / name if spec is not None and spec.origin is not None else None
    if path is None or not path.is_file():
        raise InputError(
            f"{name} of pycocoevalcap is missing; reinstall it: pip install --force-reinstall pycocoevalcap==1.2"
        )
    return path
