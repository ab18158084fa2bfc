"""The findings on a world that nobody has seen: it is drawn from a seed, and the embedded models are run on it.

Kinds of scenes are split by a hash that knows no seed (`gill_bench.mini.scene`): a world of any seed has the kinds of
the test split in its tests, none of which the models were trained on. Another seed draws other sequences, positions,
captions, dialogs, questions and votes of these kinds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gill_bench.cards.find import Cards, TaskCard
from gill_bench.evaluate import execute
from gill_bench.mini.embedded import weights_folder
from gill_bench.mini.world import write_world
from gill_bench.planning.plan import make_plan
from gill_bench.planning.request import RunRequest, settings_as_texts
from gill_bench.progress import say

Cell = tuple[str, str, tuple[str, str]]
"""A task, a split ("" for that of the card's `[mini]` table), and a model with a context."""


def run_on_fresh_world(
    folder: Path, seed: int, cells: Sequence[Cell], *, seeds: int, limit: int = 0, tasks: Sequence[str] = ()
) -> list[Path]:
    """Write the world of a seed, if it is not there, and run cells on it; the same call again resumes.

    Args:
        folder: The folder that gets `world-SEED`, and a run `run-SEED-SPLIT` for each split that cells name.
        seed: The seed of the world.
        cells: The cells; those of models without embedded weights are left out, with a message.
        seeds: The number of seeds of each run.
        limit: At most so many examples of each task; 0 for all.
        tasks: The tasks to run; () for all.

    Returns:
        The run directories.

    Raises:
        InputError: A cell cannot be run.
    """
    world = folder / f"world-{seed}"
    if not world.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        say(f"writing {world}")
        write_world(world, seed)
    runs: dict[Path, None] = {}
    for task, split, models, contexts in _requests(cells):
        if tasks and task not in tasks:
            continue
        card = Cards().task(task)
        out = folder / "-".join(["run", str(seed), *filter(None, [split])])
        request = RunRequest.of(
            [task],
            out,
            models=models,
            contexts=contexts,
            data=str(world),
            split=split or (card.mini.split if card.mini else None),
            settings=settings_as_texts({task: _mini_settings(card)}),
            seeds=seeds,
            limit=limit,
        )
        say(f"{task}{f', {split}' if split else ''}: {', '.join(models)}; {', '.join(contexts)}")
        execute(make_plan(request))
        runs[out] = None
    return list(runs)


def _requests(cells: Sequence[Cell]) -> Iterator[tuple[str, str, list[str], list[str]]]:
    """The cells as few requests: task, split, and models that have the same contexts."""
    contexts_of: dict[tuple[str, str, str], dict[str, None]] = {}
    absent: dict[str, None] = {}
    for task, split, (model, context) in cells:
        if _is_embedded(model):
            contexts_of.setdefault((task, split, model), {})[context] = None
        else:
            absent[model] = None
    if absent:
        say(f"left out, as there are no embedded weights: {', '.join(absent)}")
    requests: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (task, split, model), contexts in contexts_of.items():
        requests.setdefault((task, split, tuple(sorted(contexts))), []).append(model)
    for (task, split, names), models in requests.items():
        yield task, split, models, list(names)


def _is_embedded(model: str) -> bool:
    folder = weights_folder()
    components = Cards().model(model).weights.values()
    return all(component.mini and (folder / component.mini).exists() for component in components)


def _mini_settings(card: TaskCard) -> dict[str, bool | int | float | str]:
    """The settings that a task's card has for the mini world alone; a run on a folder does not take them by itself."""
    mini = card.mini
    return {} if mini is None else {**mini.data, **mini.prompt, **mini.scoring, **mini.sampling}
