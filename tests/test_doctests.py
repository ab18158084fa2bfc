"""Examples in docstrings print what they say. Every public pure function of a metric has an example."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import shutil

import numpy as np
import pytest

import gill_bench

FOLDERS = ("metrics", "statistics", "analysis", "embeddings", "cards", "storage", "interfaces", "prompt", "reporting")
MODULES = [
    module.name
    for module in pkgutil.walk_packages(gill_bench.__path__, "gill_bench.")
    if module.name.split(".")[1] in FOLDERS
]
PURE = [name for name in MODULES if name.startswith("gill_bench.metrics.functional")]
WITHOUT_EXAMPLE = {
    "gill_bench.metrics.functional.captions.java": "looks for programs and files",
    "gill_bench.metrics.functional.captions.meteor": "starts a Java process",
    "gill_bench.metrics.functional.captions.nltk_meteor": "needs WordNet's data, which is downloaded apart",
}
"""Modules of pure functions whose functions need no example, with the reason."""
METEOR = "gill_bench.metrics.functional.captions"
"""Its example starts METEOR, in ten seconds of a processor."""
JAVA = {METEOR, "gill_bench.metrics.functional.captions.tokenizer"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == METEOR else name for name in MODULES]
)
def test_examples_print_what_they_say(name: str) -> None:
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [test for test in finder.find(module, globs={**vars(module), "np": np}) if test.examples]
    if examples and name in JAVA and shutil.which("java") is None:
        pytest.skip("no Java on PATH")
    runner = doctest.DocTestRunner(verbose=False)
    lines: list[str] = []
    for example in examples:
        runner.run(example, out=lines.append)
    assert not runner.failures, "".join(lines)


def test_every_pure_function_has_an_example() -> None:
    lacking = []
    for name in PURE:
        module = importlib.import_module(name)
        for function_name, function in inspect.getmembers(module):
            function = inspect.unwrap(function) if callable(function) else function
            own = inspect.isfunction(function) and function.__module__ == name
            if own and not function_name.startswith("_") and ">>>" not in (function.__doc__ or ""):
                lacking.append(f"{name}.{function_name}")
    assert [name for name in lacking if name.rpartition(".")[0] not in WITHOUT_EXAMPLE] == []
    assert {name.rpartition(".")[0] for name in lacking} == set(WITHOUT_EXAMPLE)
