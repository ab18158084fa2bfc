"""How well does a multimodal model use the context it is given, and can you trust the difference to the next model?"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gill_bench.api import Report, Run, compare, leaderboard, list_models, list_tasks, load_run, report, run, status
    from gill_bench.errors import GillBenchError, InputError
    from gill_bench.interfaces import (
        Decider,
        Decision,
        GeneratedImage,
        ImageGenerator,
        ImageRetriever,
        Noise,
        TextGenerator,
        TextScorer,
    )
    from gill_bench.prompt import Prompt

__version__ = "0.1.0"
__all__ = [
    "Decider",
    "Decision",
    "GeneratedImage",
    "GillBenchError",
    "ImageGenerator",
    "ImageRetriever",
    "InputError",
    "Noise",
    "Prompt",
    "Report",
    "Run",
    "TextGenerator",
    "TextScorer",
    "compare",
    "leaderboard",
    "list_models",
    "list_tasks",
    "load_run",
    "report",
    "run",
    "status",
]
_MODULES = {
    "api": (
        "Report",
        "Run",
        "compare",
        "leaderboard",
        "list_models",
        "list_tasks",
        "load_run",
        "report",
        "run",
        "status",
    ),
    "errors": ("GillBenchError", "InputError"),
    "prompt": ("Prompt",),
}


def __dir__() -> list[str]:
    """The public names, for completion in a shell or notebook; none of them is imported for it."""
    return sorted([*__all__, "__version__"])


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `import gill_bench` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'gill_bench' has no attribute {name!r}")
    module = next((module for module, names in _MODULES.items() if name in names), "interfaces")
    return getattr(import_module(f"gill_bench.{module}"), name)
