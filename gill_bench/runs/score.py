"""Scoring: a second pass over what is stored, so that a failing scorer loses no output.

Per unit and metric a file `score-<key>.json` beside the samples holds one value per sample. The key covers the metric's
signature, its backbone's content and the picture rules, so another encoder never reuses a value.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gill_bench.cards import MetricSpec
from gill_bench.datasets import Example
from gill_bench.errors import GillBenchError, InputError
from gill_bench.files import digest, to_json, write_atomic
from gill_bench.images import RULE, load_image
from gill_bench.metrics import metric
from gill_bench.progress import say
from gill_bench.runs.asked import TaskAsked
from gill_bench.runs.claims import work_through
from gill_bench.runs.lock import RunLock
from gill_bench.runs.plan import Cell
from gill_bench.runs.units import COMMIT, Unit, read_samples
from gill_bench.weights import Weights, find_weights

if TYPE_CHECKING:
    import torch

    from gill_bench.metrics.picture import PictureMetric

_REFERENCES_KEPT = 16  # LPIPS features of a 256-pixel picture take some 5 MB


@dataclass(frozen=True)
class MetricAsked:
    """A metric of a task with its backbone found, not loaded.

    Attributes:
        picture_size: Pixels that references are squashed to; 0 as they are.
    """

    spec: MetricSpec
    backbone: Weights | None
    picture_size: int

    @property
    def name(self) -> str:
        """Registered name; a stand-in backbone shows in brackets and can never be taken for the real one."""
        return (
            f"{self.spec.name}[{self.backbone.label}]" if self.backbone and self.backbone.stand_in else self.spec.name
        )

    @property
    def label(self) -> str:
        """What its backbone is called in signatures."""
        return self.backbone.label if self.backbone else ""

    @cached_property
    def signature(self) -> str:
        """What determines its values: the metric's own signature, and its backbone's content."""
        own = metric(self.spec.name).signature(self.spec.settings, self.label)
        return f"{own}|weights:{self.backbone.digest()[:8]}" if self.backbone else own

    @property
    def higher_is_better(self) -> bool:
        """Which way it points."""
        return metric(self.spec.name).higher_is_better

    @cached_property
    def file_name(self) -> str:
        """Where a unit's values are kept."""
        return f"score-{self.spec.name}-{digest([self.signature, self.picture_size, RULE])[:12]}.json"

    def load(self, device: str) -> PictureMetric:
        """Load the backbone.

        Raises:
            InputError: It is a small stand-in under the name of the real one.
        """
        path = self.backbone.path if self.backbone else None
        loaded = metric(self.spec.name).load(path, self.spec.settings, device)
        if loaded.name != self.name:
            raise InputError(
                f"{path}: this backbone gives {loaded.name}, but {self.name} was asked for;"
                " put the published weights there, or choose the small ones with --metric-weights mini"
            )
        return loaded


def metrics_of(task: TaskAsked) -> list[MetricAsked]:
    """The metrics of a task, in the order of its card."""
    size = int(task.card.prompt.get("picture_size", 0))
    return [
        MetricAsked(spec, None if spec.weights is None else find_weights(spec.weights, task.metric_weights), size)
        for spec in task.card.metrics
    ]


@dataclass(frozen=True)
class _Work:
    cell: Cell
    folder: Path
    unit: Unit


def score_units(
    stored: Sequence[tuple[Cell, Mapping[str, Unit]]],
    run: Path,
    lock: RunLock,
    *,
    device: str,
    progress: Callable[[str, int], Callable[[int], None]],
) -> None:
    """Score every stored sample that a metric of its task has not seen.

    Args:
        stored: Per cell its committed units by folder name.
        run: The run directory.
        lock: Its lock.
        device: A torch device.
        progress: Given a label and a total, returns a function that is called with the number of samples done.
    """
    tasks = {id(cell.task): cell.task for cell, _ in stored}
    for task in tasks.values():
        # Units of the same examples follow one another, so that a reference's features serve all models and contexts.
        order = {example.id: place for place, example in enumerate(task.examples)}
        works = [
            _Work(cell, cell.folder(run) / name, unit)
            for cell, units in stored
            if cell.task is task
            for name, unit in units.items()
        ]
        works.sort(key=lambda work: min(order.get(name, len(order)) for name, _ in work.unit.examples))
        for asked in metrics_of(task):
            _score_metric(asked, works, lock, device, progress)


def read_values(folder: Path, asked: MetricAsked, cell: Cell) -> dict[tuple[str, int], float] | None:
    """A unit's values by (example, seed); None if it is not scored, or a reference picture is no longer the same."""
    file = folder / asked.file_name
    try:
        raw: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        for name, sha256 in raw["references"].items():
            entry = cell.asked.get(name)
            if entry is not None and _reference_digest(cell, entry[0]) != sha256:
                return None
        return {(name, seed): float(value) for name, seed, value in raw["values"]}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        say(f"warning: {file}: damaged ({error!r}); scored again")
        return None


def _score_metric(
    asked: MetricAsked,
    works: Sequence[_Work],
    lock: RunLock,
    device: str,
    progress: Callable[[str, int], Callable[[int], None]],
) -> None:
    todo = [work for work in works if read_values(work.folder, asked, work.cell) is None]
    if not todo:
        return
    scorer = asked.load(device)
    references = _References(scorer, asked.picture_size)
    step = progress(f"scoring {asked.name}", sum(len(w.unit.examples) * len(w.unit.seeds) for w in todo))
    work_through(
        todo,
        lock,
        key=lambda work: work.folder.name,
        done=lambda work: read_values(work.folder, asked, work.cell) is not None,
        work=lambda work: _score_unit(work, asked, scorer, references),
        after=lambda work: step(len(work.unit.examples) * len(work.unit.seeds)),
    )


def _score_unit(work: _Work, asked: MetricAsked, scorer: PictureMetric, references: _References) -> None:
    for leftover in work.folder.glob(".score-*.tmp"):
        leftover.unlink(missing_ok=True)
    hashes = json.loads((work.folder / COMMIT).read_text(encoding="utf-8"))["files"]
    valid = {name for name, _ in work.unit.examples}
    values: list[tuple[str, int, float]] = []
    used: dict[str, str] = {}
    for name, group in groupby(read_samples(work.folder), key=lambda sample: sample.example):
        if name not in valid:
            continue  # stored for an earlier command, or no longer the same
        samples = list(group)
        example = work.cell.asked[name][0]
        generated = scorer.features([_read_output(work.folder / s.image, hashes[s.image]) for s in samples])
        found = scorer.compare(generated, references.of(work.cell, example))
        values += [(name, sample.seed, float(value)) for sample, value in zip(samples, found, strict=True)]
        used[name] = _reference_digest(work.cell, example)
    content = {"metric": asked.name, "signature": asked.signature, "values": values, "references": used}
    write_atomic(work.folder / asked.file_name, (to_json(content) + "\n").encode())


class _References:
    """Features of reference pictures, computed once for all models, contexts and seeds that follow one another."""

    def __init__(self, scorer: PictureMetric, picture_size: int) -> None:
        self._scorer, self._size = scorer, picture_size
        self._kept: OrderedDict[str, list[torch.Tensor]] = OrderedDict()

    def of(self, cell: Cell, example: Example) -> list[torch.Tensor]:
        key = _reference_digest(cell, example)
        if key not in self._kept:
            if example.target is None or example.target.file is None:
                raise GillBenchError(f"example {example.id} has no reference picture")
            self._kept[key] = self._scorer.features([load_image(example.target.file, squash=self._size)])
            if len(self._kept) > _REFERENCES_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def _reference_digest(cell: Cell, example: Example) -> str:
    return cell.task.checked[example.target.id].sha256 if example.target else ""


def _read_output(file: Path, sha256: str) -> Any:
    """Read a stored picture once, and check that it is the one that was committed."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise GillBenchError(
            f"{file}: {error.strerror}; delete {file.parent.name}/ and run the same command again"
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise GillBenchError(
            f"{file}: its content is not what the model made (SHA-256 differs);"
            f" delete {file.parent.name}/ and run the same command again"
        )
    return load_image(io.BytesIO(content))
