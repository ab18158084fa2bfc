"""Networks that compare pictures: each picture is read once for all of them, by threads, while they work.

On a CPU a network is called for one example at a time, with the pictures of all its seeds; on an accelerator for as
many examples as have 32 pictures. In another batch the sums inside a network round differently, and the last digits of
a value with them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image

from gill_bench.datasets import Example
from gill_bench.devices import free_memory
from gill_bench.errors import GillBenchError, InputError, first_line, memory_ran_out
from gill_bench.metrics.picture import PictureMetric
from gill_bench.rundir.records import Sample
from gill_bench.scoring.pair_values import target_digest
from gill_bench.scoring.pictures import UnitPictures
from gill_bench.scoring.stored import StoredUnit
from gill_bench.storage.images import load_image
from gill_bench.storage.read_ahead import read_ahead

_AT_ONCE = 32  # pictures in one call of a network on an accelerator
_TARGETS_KEPT = 16  # LPIPS features of a 256-pixel picture take some 5 MB


class _ExamplePairs(NamedTuple):
    """The pairs of one example: its pictures, each with the target picture.

    Attributes:
        unit: Its unit.
        example: The example.
        samples: Its samples.
        target: The digest of its target picture.
    """

    unit: UnitPictures
    example: Example
    samples: list[Sample]
    target: str


_Picture = _ExamplePairs | tuple[UnitPictures, Sample]
"""The target picture of an example, or the picture of a sample."""
_Prepared = list[torch.Tensor]
"""A picture as each metric reads it."""
_ByMetric = list[list[float]]
"""For each metric the values of some pictures."""


class LoadedMetrics:
    """Metrics with their networks, and features of target pictures.

    The features are computed once for all models, contexts and seeds that follow one another.

    Args:
        metrics: The loaded metrics.
        picture_size: Width and height, in pixels, to which target pictures are resized; 0 leaves them as they are.
        device: The torch device of the networks.
    """

    def __init__(self, metrics: Sequence[PictureMetric], picture_size: int, device: str) -> None:
        self._metrics, self._size, self._device = metrics, picture_size, device
        self._features: OrderedDict[str, list[list[torch.Tensor]]] = OrderedDict()  # by target, and for each metric
        self._of_others: dict[tuple[str, Path], list[float]] = {}  # by target and the other picture, for each metric

    def values(self, units: Sequence[UnitPictures]) -> list[_ByMetric]:
        """The values of each unit's pictures, for each metric in the order of the unit's samples.

        Raises:
            GillBenchError: A picture cannot be read or compared.
        """
        batches = [batch for unit in units for batch in self._batches(unit)]
        new_targets = list(self._new_targets(batches))
        pictures = read_ahead(self._prepare, _in_order(batches, new_targets))
        values: dict[int, _ByMetric] = {id(unit): [[] for _ in self._metrics] for unit in units}
        for batch, new in zip(batches, new_targets, strict=True):
            targets: dict[str, _Prepared] = {}
            for target, compared in new.items():
                with _named(compared):
                    targets[target] = next(pictures)
            prepared: list[list[_Prepared]] = []
            for compared in batch:
                with _named(compared):
                    prepared.append(list(islice(pictures, len(compared.samples))))
            of_unit = values[id(batch[0].unit)]
            for of_metric, of_batch in zip(of_unit, self._compare(batch, prepared, targets), strict=True):
                of_metric += of_batch
            while len(self._features) > _TARGETS_KEPT:
                self._features.popitem(last=False)
        return [values[id(unit)] for unit in units]

    def values_of_others(self, unit: StoredUnit) -> list[dict[str, float]]:
        """For each metric and example of a unit, the value of another example's target picture in place of its own.

        They are the same for all models, contexts and seeds, and are computed once for all. An example is left out
        where no other one is fit, or where that one's picture cannot be read.
        """
        values: list[dict[str, float]] = [{} for _ in self._metrics]
        for name, _ in unit.unit.examples:
            other, example = unit.cell.task.others.get(name), unit.cell.usable[name][0]
            if other is None or other.file is None or example.target is None or example.target.file is None:
                continue
            pair = target_digest(unit.cell, example), other.file
            if pair not in self._of_others:
                try:
                    picture = load_image(other.file, squash=self._size)
                except (OSError, InputError):
                    continue  # no output of a model is compared with it
                self._of_others[pair] = self._value_of(picture, pair[0], example.target.file)
            for of_metric, value in zip(values, self._of_others[pair], strict=True):
                of_metric[name] = value
        return values

    def _value_of(self, picture: Image.Image, target: str, target_file: Path) -> list[float]:
        """For each metric the value of one picture, whose target has this digest and file."""
        references = self._features.get(target) or [
            metric.embed([metric.prepare(load_image(target_file, squash=self._size))]) for metric in self._metrics
        ]
        return [
            float(metric.compare(metric.embed([metric.prepare(picture)]), reference)[0])
            for metric, reference in zip(self._metrics, references, strict=True)
        ]

    def _batches(self, unit: UnitPictures) -> Iterator[list[_ExamplePairs]]:
        """The examples of a unit, those together that are compared together."""
        batch: list[_ExamplePairs] = []
        cell = unit.unit.cell
        for name, samples in unit.by_example:
            pictures = len(samples) + sum(len(compared.samples) for compared in batch)
            if batch and (self._device == "cpu" or pictures > _AT_ONCE):
                yield batch
                batch = []
            example = cell.usable[name][0]
            batch.append(_ExamplePairs(unit, example, samples, target_digest(cell, example)))
        if batch:
            yield batch

    def _new_targets(self, batches: Sequence[list[_ExamplePairs]]) -> Iterator[dict[str, _ExamplePairs]]:
        """For each batch the targets whose features will not be there when its turn comes, with an example of each."""
        known = OrderedDict.fromkeys(self._features)
        for batch in batches:
            yield {compared.target: compared for compared in batch if compared.target not in known}
            for compared in batch:
                known[compared.target] = None
                known.move_to_end(compared.target)
            while len(known) > _TARGETS_KEPT:
                known.popitem(last=False)

    def _prepare(self, picture: _Picture) -> _Prepared:
        """Read a target picture, or the picture of a sample; called in any thread."""
        if isinstance(picture, _ExamplePairs):
            target = picture.example.target
            if target is None or target.file is None:
                raise GillBenchError(f"example {picture.example.id} has no target picture")
            image = load_image(target.file, squash=self._size)
        else:
            unit, sample = picture
            image = unit.image(sample)
        return [metric.prepare(image) for metric in self._metrics]

    def _compare(
        self, batch: list[_ExamplePairs], pictures: list[list[_Prepared]], targets: dict[str, _Prepared]
    ) -> _ByMetric:
        """The values of a batch. One that fails is halved, until memory suffices or the failing example is known."""
        values = self._compare_unless_several_fail(batch, pictures, targets)
        if values is not None:
            return values
        free_memory(self._device)
        half = len(batch) // 2
        parts = [self._compare(batch[part], pictures[part], targets) for part in (slice(half), slice(half, None))]
        return [first + second for first, second in zip(*parts, strict=True)]

    def _compare_unless_several_fail(
        self, batch: list[_ExamplePairs], pictures: list[list[_Prepared]], targets: dict[str, _Prepared]
    ) -> _ByMetric | None:
        try:
            with _named(batch[0]):
                self._embed_targets(batch, targets)
                return [self._compare_with(number, batch, pictures) for number in range(len(self._metrics))]
        except GillBenchError:
            if len(batch) == 1:
                raise
            return None

    def _embed_targets(self, batch: list[_ExamplePairs], targets: dict[str, _Prepared]) -> None:
        new = list(dict.fromkeys(compared.target for compared in batch if compared.target not in self._features))
        if new:
            by_metric = [
                metric.embed([targets[target][number] for target in new]) for number, metric in enumerate(self._metrics)
            ]
            for row, target in enumerate(new):
                # A copy, if there are others: a part of a tensor would keep all of it in memory.
                self._features[target] = [
                    [part[row : row + 1].clone() if len(new) > 1 else part for part in features]
                    for features in by_metric
                ]
        for compared in batch:
            self._features.move_to_end(compared.target)

    def _compare_with(self, number: int, batch: list[_ExamplePairs], pictures: list[list[_Prepared]]) -> list[float]:
        """The values of one metric, by one call of its network."""
        metric = self._metrics[number]
        generated = metric.embed([prepared[number] for of_example in pictures for prepared in of_example])
        references = [self._features[compared.target][number] for compared in batch]
        reference = references[0]
        if len(batch) > 1:
            each = [features for features, compared in zip(references, batch, strict=True) for _ in compared.samples]
            reference = [torch.cat(parts) for parts in zip(*each, strict=True)]
        values: list[float] = metric.compare(generated, reference).tolist()
        return values


def _in_order(
    batches: Sequence[list[_ExamplePairs]], new_targets: Sequence[Mapping[str, _ExamplePairs]]
) -> Iterator[_Picture]:
    """All pictures in the order in which they are compared: for each batch its new targets, then its samples."""
    for batch, targets in zip(batches, new_targets, strict=True):
        yield from targets.values()
        for compared in batch:
            yield from ((compared.unit, sample) for sample in compared.samples)


@contextmanager
def _named(compared: _ExamplePairs) -> Iterator[None]:
    """Have an error name the example; the code of a metric may be a user's own."""
    try:
        yield
    except GillBenchError:
        raise
    except Exception as error:
        reason = memory_ran_out(error) or f"{type(error).__name__}: {first_line(error)}"
        raise GillBenchError(f"{compared.unit.unit.cell.key}, example {compared.example.id}: {reason}") from error
