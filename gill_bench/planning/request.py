"""The request of a run: what one command, or one call of `gill_bench.run`, asks for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from gill_bench.cards.limits import MOST, check_count
from gill_bench.cards.schema import ModelCard
from gill_bench.engines.options import DEFAULT_ENGINE, MAX_FAILURES
from gill_bench.errors import InputError, did_you_mean
from gill_bench.models.given_model import card_of_given
from gill_bench.storage.files import folder_of
from gill_bench.weights.find import MINI

_LISTS = ("contexts", "settings")


@dataclass(frozen=True)
class RunRequest:
    """The request of one command: the names of what is to be run, and options.

    Attributes:
        tasks: Names of tasks or paths of task cards; ("all",) for all tasks.
        out: The run directory.
        models: Names of models or paths of model cards; ("all",) for every model with a capability that a task needs.
            A card is one of a class or object that was given from Python (`gill_bench.models.given_model`).
        contexts: Names of contexts, or of lists of them on the card; () for `paper`, and with all tasks for all lists.
        seeds: The number of seeds: 0, 1, ... seeds - 1; 0 for the number on each task's card. Or the seeds themselves.
        limit: At most so many usable examples of each task, from the start of the data; 0 for all.
        data: The folder of the data, or "mini".
        split: A split other than the card's; None for the card's.
        weights: The folder of the models' weights, or "mini".
        metric_weights: The folder of the metrics' backbones, or "mini"; None for the value of `weights`.
        settings: Settings of tasks and models, as texts `CARD.KEY=VALUE`.
        device: A torch device, or several of one kind between commas, each with workers of its own; "auto" is the first
            CUDA device, else the CPU. With Ray, which hands out the devices: auto, cpu or cuda.
        batch_size: Prompts in one call of a model, each with all its seeds; 0 for all prompts of a unit, and on the CPU
            16 for anything but pictures. It is halved when memory runs out.
        threads: CPU threads of each process; 0 for one with embedded weights, else for torch's own choice. The embedded
            networks are so small that more than one thread gains little, and on a busy machine loses much.
        workers: Processes per device that make and score outputs; with Ray the number of all workers. 0 with embedded
            weights on the CPU for one process per processor, else for one per device; with Ray for as many as fit.
        engine: The engine's name, such as "local" or "ray" (`gill_bench.engines.options.ENGINES`).
        address: The address of a Ray cluster: "auto" or host:port; "" for that of RAY_ADDRESS, else for a new one
            on this machine.
        max_failures: More failed examples than these stop the run.
        shard: (number, parts): do only the units of one of so many equal parts; the first part is 1.
        card_folders: Additional folders of cards.
        locks: False for a file system without locks; then no other command may work on the run meanwhile.
        probe: Whether it is also to be found out which parts of each context are read (`gill_bench.checks.probe`).
    """

    tasks: tuple[str, ...]
    out: Path
    models: tuple[str | ModelCard, ...] = ("all",)
    contexts: tuple[str, ...] = ()
    seeds: int | tuple[int, ...] = 0
    limit: int = 0
    data: str = MINI
    split: str | None = None
    weights: str = MINI
    metric_weights: str | None = None
    settings: tuple[str, ...] = ()
    device: str = "auto"
    batch_size: int = 0
    threads: int = 0
    workers: int = 0
    engine: str = DEFAULT_ENGINE
    address: str = ""
    max_failures: int = MAX_FAILURES
    shard: tuple[int, int] = (1, 1)
    card_folders: tuple[Path, ...] = ()
    locks: bool = True
    probe: bool = False

    def __post_init__(self) -> None:
        for name in ("limit", "batch_size", "threads", "workers", "max_failures"):
            check_count(name, getattr(self, name))
        if isinstance(self.seeds, tuple):
            _check_seeds(self.seeds)
        else:
            check_count("seeds", self.seeds)
        number, parts = self.shard
        if not 1 <= number <= parts <= MOST["parts"]:
            raise InputError(
                f"--shard {number}/{parts}: expected PART/PARTS, such as 3/16; the first is 1, and there are at most"
                f" {MOST['parts']}"
            )

    def seeds_for(self, usual: int) -> tuple[int, ...]:
        """The seeds that are asked for.

        Args:
            usual: The number of seeds on the task's card.
        """
        return self.seeds if isinstance(self.seeds, tuple) else tuple(range(self.seeds or usual))

    @classmethod
    def of(cls, tasks: Sequence[str | Path], out: Path | str | None = None, **options: Any) -> RunRequest:
        """A request with the values that a user gave in Python or in a shell.

        Args:
            tasks: Names of tasks or paths of task cards.
            out: The run directory, as a path or a URL; None for `runs/<tasks>`.
            options: Any other attribute of a request. A list may stand for a tuple, a single name for a list of one, a
                path for a text, None for the default. Models may also be classes or objects, in a list, or in a dict by
                the names that rows are to have; settings may be a mapping (`settings_as_texts`).

        Raises:
            InputError: An option that a request does not have, or a setting that is no number, text or bool.
        """
        known = {field.name for field in fields(cls)} - {"tasks", "out"}
        for name in options:
            if name not in known:
                raise InputError(f"run(): no option {name!r}; {did_you_mean(name, known)}")
        folder = folder_of(out) if out else Path("runs") / "-".join(Path(task).stem for task in tasks)
        values = {name: _value(name, value) for name, value in options.items() if value is not None}
        return cls(tuple(map(str, tasks)), folder, **values)


def settings_as_texts(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Settings as `CARD.KEY=VALUE`, from a mapping by "CARD.KEY", or by CARD with a mapping by KEY.

    >>> settings_as_texts({"gill.guidance_scale": 3.0, "vist": {"caption_join": "segments", "picture_size": 0}})
    ('gill.guidance_scale=3.0', 'vist.caption_join="segments"', 'vist.picture_size=0')

    Raises:
        InputError: A value is no number, text or bool.
    """
    texts = []
    for target, value in settings.items():
        for key, single in value.items() if isinstance(value, Mapping) else [("", value)]:
            name = f"{target}.{key}" if key else str(target)
            if not isinstance(single, str | bool | int | float):
                raise InputError(f"settings: {name}: {single!r}: expected a number, a text, True or False")
            texts.append(f"{name}={json.dumps(single)}")
    return tuple(texts)


def _check_seeds(seeds: tuple[Any, ...]) -> None:
    for seed in seeds:
        check_count("seeds", seed)
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(f"seeds = {list(seeds)}: expected one seed or more, each once")


def _value(name: str, value: Any) -> Any:
    """The value of an option as a request holds it."""
    if name == "models":
        return _models(value)
    if name == "settings" and isinstance(value, Mapping):
        return settings_as_texts(value)
    if name == "card_folders":
        return tuple(map(Path, _listed(value)))
    if name in _LISTS:
        return _listed(value)
    if name == "device" and not isinstance(value, str):
        return ",".join(value)
    if name == "seeds" and isinstance(value, Iterable):
        return tuple(value)
    if isinstance(value, Path):
        return str(value)
    return tuple(value) if isinstance(value, list) else value


def _listed(value: str | Path | Sequence[Any]) -> tuple[Any, ...]:
    """Several values, each once; a single name stands for a list of one.

    >>> _listed("gill"), _listed(["gill", "clip", "gill"])
    (('gill',), ('gill', 'clip'))
    """
    return (value,) if isinstance(value, str | Path) else tuple(dict.fromkeys(value))


def _models(value: Any) -> tuple[str | ModelCard, ...]:
    """Models as a request holds them: names as they are, classes and objects as cards."""
    if isinstance(value, Mapping):
        for name, model in value.items():
            if isinstance(model, str | Path):
                raise InputError(f"models: {name!r}: {str(model)!r}: expected a class or an object; names go in a list")
        return tuple(card_of_given(model, name) for name, model in value.items())
    several = isinstance(value, Sequence | Set) and not isinstance(value, str)
    return tuple(
        str(model) if isinstance(model, str | Path) else model if isinstance(model, ModelCard) else card_of_given(model)
        for model in (value if several else [value])
    )
