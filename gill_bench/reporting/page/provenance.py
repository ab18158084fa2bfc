"""Where the numbers of a page come from, and how to cite them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gill_bench import __version__
from gill_bench.analysis.gallery_records import RunRecord
from gill_bench.cards.find import ModelCard
from gill_bench.rundir.records import Session, Spec

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
    """Where a run's numbers come from, as tables of texts.

    Attributes:
        name: The name of the run's folder.
        sessions: For each session, pairs of a field and its value.
        tasks: Rows of task, data, split, limit, contexts, seeds, licence of the data.
        models: Rows of model, adapter, settings, digests of the weights.
        weights: Rows of model, role, hub id and revision, licence: what the models' cards say of their weights.
        missing: The first rows of task, example and reason, for data that is missing.
        more_missing: The number of further rows.
        failed: The first rows of task, model, context, example, reason and record, for samples that were not made.
        more_failed: The number of further rows.
        citations: Citations of the tasks' data.
    """

    name: str
    sessions: list[list[tuple[str, str]]]
    tasks: list[tuple[str, ...]]
    models: list[tuple[str, str, str, str]]
    weights: list[tuple[str, str, str, str]]
    missing: Sequence[tuple[str, str, str]]
    more_missing: int
    failed: Sequence[tuple[str, str, str, str, str, str]]
    more_failed: int
    citations: list[str]


def view_run(run: RunRecord, cards: Mapping[str, ModelCard]) -> RunView:
    """Lay out where a run's numbers come from.

    Args:
        run: The record of the run.
        cards: Cards of models by name, for the revisions and licences of weights.
    """
    models = _models(run.spec)
    citations = [str(task.card["data"].get("citation") or "") for task in run.spec.tasks.values()]
    return RunView(
        run.name,
        [_session(session) for session in run.sessions],
        _tasks(run.spec),
        models,
        _weights([cards[name] for name in dict.fromkeys(model[0] for model in models) if name in cards]),
        run.missing[:_MOST_MISSING],
        max(0, len(run.missing) - _MOST_MISSING),
        run.failed[:_MOST_MISSING],
        max(0, len(run.failed) - _MOST_MISSING),
        list(dict.fromkeys(filter(None, citations))),
    )


def _session(session: Session) -> list[tuple[str, str]]:
    packages = session.packages or {}
    named = ", ".join(f"{name} {version}" for name, version in sorted(packages.items()) if version)
    fields = [
        ("command", " ".join(["gill-bench", *map(str, session.argv or ())])),
        ("gill-bench", session.gill_bench),
        ("commit", session.commit),
        ("device", session.device),
        ("Python", session.python),
        ("platform", session.platform),
        ("packages", named),
        ("processors, threads", f"{_known(session.cpus)}, {_known(session.threads)}"),
        ("batch size", session.batch_size or "chosen by gill-bench"),
    ]
    return [(name, str(value)) for name, value in fields if value]


def _known(number: int | None) -> str:
    return "?" if number is None else str(number)


def _tasks(spec: Spec) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, task in spec.tasks.items():
        cells = [cell for cell in spec.cells if cell.task_as == name]
        seeds = sorted({seed for cell in cells for seed in cell.seeds})
        rows.append(
            (
                task.card["name"],
                str(task.data),
                str(task.card["data"]["split"]),
                str(task.limit or "all"),
                ", ".join(dict.fromkeys(cell.context for cell in cells)),
                ", ".join(map(str, seeds)),
                str(task.card["data"].get("licence") or ""),
            )
        )
    return rows


def _models(spec: Spec) -> list[tuple[str, str, str, str]]:
    rows: dict[tuple[str, str, str, str], None] = {}
    for cell in spec.cells:
        recipe = cell.recipe
        settings = ", ".join(f"{name} = {value}" for name, value in sorted(recipe.get("settings", {}).items()))
        weights = ", ".join(f"{name} {content[:12]}" for name, content in sorted(recipe.get("weights", {}).items()))
        rows[cell.model, str(recipe.get("adapter", "")), settings, weights] = None
    return sorted(rows)


def _weights(cards: Sequence[ModelCard]) -> list[tuple[str, str, str, str]]:
    return [
        (
            card.name,
            role,
            f"{component.id}@{component.revision}" if component.revision else component.id or component.folder,
            component.licence,
        )
        for card in cards
        for role, component in card.weights.items()
        if component.licence or component.revision
    ]
