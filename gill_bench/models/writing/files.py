"""Files that every model of transformers which writes text has, checked before torch is imported."""

from __future__ import annotations

from pathlib import Path

from gill_bench.errors import InputError
from gill_bench.storage.reading import read_json

_TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer_config.json", "*.model", "tekken.json")


def check_model_type(folder: Path) -> str:
    """The `model_type` in a folder's config.json.

    Raises:
        InputError: There is no such folder or file, or it names no type.
    """
    if not folder.is_dir():
        problem = "a file, expected a folder with" if folder.is_file() else "no such folder; expected one with"
        raise InputError(f"{folder}: {problem} config.json")
    kind = read_json(folder / "config.json").get("model_type")
    if not isinstance(kind, str):
        raise InputError(f"{folder / 'config.json'}: model_type = {kind!r}, expected the name of a model's type")
    return kind


def check_tokenizer_files(folder: Path) -> None:
    """Check that a folder has a tokenizer's files.

    Raises:
        InputError: It has none; says which were expected.
    """
    if not any(file for pattern in _TOKENIZER_FILES for file in folder.glob(pattern)):
        raise InputError(
            f"{folder}: has no tokenizer; expected {', '.join(_TOKENIZER_FILES[:3])} or another of its kind"
        )
