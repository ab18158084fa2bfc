"""Tiny checkpoints of transformers that several tests read; each is built once in a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def vision_language(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny vision-language model, by its name in `tests.support.tiny_vision_language.BUILDERS`."""
    from tests.support.tiny_vision_language import write_vision_language

    root = tmp_path_factory.mktemp("vision-language")

    def folder(name: str) -> Path:
        return root / name if (root / name).is_dir() else write_vision_language(name, root / name)

    return folder
