"""Names that a shell completes; `gill-bench --install-completion` sets it up."""

from __future__ import annotations


def task_names(incomplete: str) -> list[str]:
    """The tasks whose names begin as the word that is being typed."""
    return _beginning(incomplete, [*_names("task"), "all"])


def model_names(incomplete: str) -> list[str]:
    """The models whose names begin as what follows the last comma of the word that is being typed."""
    before, comma, last = incomplete.rpartition(",")
    names = _names("model") if comma else [*_names("model"), "all"]
    return [f"{before}{comma}{name}" for name in _beginning(last, names) if name not in before.split(",")]


def _names(kind: str) -> list[str]:
    from gill_bench.cards.find import Cards

    return sorted(Cards().files[kind])


def _beginning(incomplete: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
