"""Code in a user's own Python file, `file.py` or `file.py:Name`: models and metrics that no package offers.

Whoever names a file trusts it: it is run.
"""

from __future__ import annotations

import re
import sys
import traceback
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from gill_bench.errors import InputError, did_you_mean, first_line
from gill_bench.storage.digests import digest, digest_file


def names_a_class(name: str) -> bool:
    """Whether a model's name names a Python file, with or without a class.

    >>> names_a_class("./my_model.py:MyModel"), names_a_class("my.python.toml")
    (True, False)
    """
    return re.search(r"\.py(:|$)", name) is not None


def from_file(name: str, home: Path, where: str) -> object:
    """Run a file, and take from it the object that a name such as `file.py:Name` names; the module for `file.py`.

    Args:
        name: The name, relative to `home`.
        home: The folder of the card that has the name.
        where: The beginning of errors.

    Raises:
        InputError: The file does not exist, cannot be run, or has no such object.
    """
    file = home / file_part(name)
    if not file.is_file():
        raise InputError(f"{where}: {file}: no such file")
    module = run_file(file)
    _, _, attribute = name.partition(".py:")
    offered = getattr(module, attribute, None) if attribute else module
    if offered is None:
        public = [other for other in vars(module) if not other.startswith("_")]
        raise InputError(f"{where}: {file} has no {attribute!r}; {did_you_mean(attribute, public)}")
    return offered


def file_part(name: str) -> str:
    """The file in a name such as `file.py:Name`.

    >>> file_part("./my.py:Name"), file_part("my.py")
    ('./my.py', 'my.py')
    """
    return re.sub(r"(?<=\.py):.*", "", name)


def run_file(file: Path) -> ModuleType:
    """Run a user's own file as an import would: once per process, and again only if it changes.

    Raises:
        InputError: The file raised an exception; names the line.
    """
    name = f"gill_bench_adapter_{digest([str(file.resolve()), digest_file(file)])[:8]}_{file.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)  # pydantic looks annotations up in sys.modules
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, Exception | SystemExit):
            raise InputError(f"{file}: cannot be run: {explain_exception(error, file)}") from error
        raise
    return module


def explain_exception(error: BaseException, file: Path | None) -> str:
    """Kind and message of an exception, and the last line of a given file in its traceback.

    >>> explain_exception(ValueError("too long"), None)
    'ValueError: too long'
    """
    message = first_line(error)
    text = type(error).__name__ + ("" if message == type(error).__name__ else f": {message}")
    if file is None:
        return text
    frames = traceback.extract_tb(error.__traceback__)
    in_file = [frame for frame in frames if Path(frame.filename).resolve() == file]
    in_file = in_file or [frame for frame in frames if frame.filename == str(file)]
    line = error.lineno if isinstance(error, SyntaxError) else in_file[-1].lineno if in_file else None
    return text if line is None else f"line {line}: {text}"


def row_name_of(name: str) -> str:
    """The name in rows of what `file.py:Name` names, or `file.py`; any other name stays as it is.

    >>> row_name_of("./my_metric.py:MyMetric"), row_name_of("lib/blur.py"), row_name_of("lpips")
    ('my-metric', 'blur', 'lpips')
    """
    if not names_a_class(name):
        return name
    _, _, attribute = name.partition(".py:")
    return dashed(attribute or Path(file_part(name)).stem, name)


def dashed(class_name: str, where: str) -> str:
    """The name of a class in the form of a card's name.

    >>> dashed("MyModel", ""), dashed("GILLPlus2", "")
    ('my-model', 'gill-plus2')

    Raises:
        InputError: The name has other characters than Latin letters and digits.
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", class_name.strip("_")).lower()
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", words):
        raise InputError(f"{where}: name the class with Latin letters and digits, for files and tables")
    return words
