"""Where the numbers of a page come from, and how to cite them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gill_bench import __version__
from gill_bench.analysis.gallery_records import RunRecord

_MOST_MISSING = 200

GILL = """@inproceedings{koh2023generating,
  title     = {Generating Images with Multimodal Language Models},
  author    = {Koh, Jing Yu and Fried, Daniel and Salakhutdinov, Ruslan},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {36},
  year      = {2023},
}"""


def own_citation() -> str:
    """BibTeX of this version of gill-bench."""
    return (
        "@software{gill-bench,\n"
        "  title   = {gill-bench: evaluation of models that read and produce interleaved text and images},\n"
        "  author  = {{The gill-bench contributors}},\n"
        f"  version = {{{__version__}}},\n"
        "}"
    )


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as shown: tables of texts.

    Attributes:
        sessions: (field, value) of each session.
        tasks: (task, data, split, limit, contexts, seeds).
        models: (model, adapter, settings, weights).
        missing: (task, example, reason), the first of them.
        more_missing: How many more there are.
        failed: (task, model, context, example, reason, record), the first of them.
        more_failed: How many more there are.
    """

    name: str
    sessions: list[list[tuple[str, str]]]
    tasks: list[tuple[str, str, str, str, str, str]]
    models: list[tuple[str, str, str, str]]
    missing: Sequence[tuple[str, str, str]]
    more_missing: int
    failed: Sequence[tuple[str, str, str, str, str, str]]
    more_failed: int


def view_run(run: RunRecord) -> RunView:
    """Lay out where a run's numbers come from."""
    return RunView(
        run.name,
        [_session(one) for one in run.sessions],
        _tasks(run.spec),
        _models(run.spec),
        run.missing[:_MOST_MISSING],
        max(0, len(run.missing) - _MOST_MISSING),
        run.failed[:_MOST_MISSING],
        max(0, len(run.failed) - _MOST_MISSING),
    )


def _session(session: Mapping[str, Any]) -> list[tuple[str, str]]:
    packages = session.get("packages") or {}
    named = ", ".join(f"{name} {version}" for name, version in sorted(packages.items()) if version)
    fields = [
        ("command", " ".join(["gill-bench", *map(str, session.get("argv", ()))])),
        ("gill-bench", session.get("gill_bench")),
        ("commit", session.get("commit")),
        ("device", session.get("device")),
        ("Python", session.get("python")),
        ("platform", session.get("platform")),
        ("packages", named),
        ("processors, threads", f"{session.get('cpus', '?')}, {session.get('threads', '?')}"),
        ("batch size", session.get("batch_size") or "chosen by gill-bench"),
    ]
    return [(name, str(value)) for name, value in fields if value]


def _tasks(spec: Mapping[str, Any]) -> list[tuple[str, str, str, str, str, str]]:
    found = []
    for name, entry in spec["tasks"].items():
        cells = [cell for cell in spec["cells"] if cell["task_as"] == name]
        seeds = sorted({seed for cell in cells for seed in cell["seeds"]})
        found.append(
            (
                entry["card"]["name"],
                str(entry["data"]),
                str(entry["card"]["data"]["split"]),
                str(entry["limit"] or "all"),
                ", ".join(dict.fromkeys(cell["context"] for cell in cells)),
                ", ".join(map(str, seeds)),
            )
        )
    return found


def _models(spec: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    found: dict[tuple[str, str, str, str], None] = {}
    for cell in spec["cells"]:
        recipe = cell["recipe"]
        settings = ", ".join(f"{name} = {value}" for name, value in sorted(recipe.get("settings", {}).items()))
        weights = ", ".join(f"{name} {content[:12]}" for name, content in sorted(recipe.get("weights", {}).items()))
        found[cell["model"], str(recipe.get("adapter", "")), settings, weights] = None
    return sorted(found)
