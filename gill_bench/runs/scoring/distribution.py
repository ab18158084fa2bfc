"""Scoring all generated pictures of a cell against a set of reference pictures (FID, KID).

Features are kept: those of generated pictures beside them, those of reference pictures in the cache, where all models,
runs and tasks find them by the content of the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gill_bench.cache import cache_folder
from gill_bench.files import digest, digest_file, local_copy, write_atomic
from gill_bench.metrics import DistributionMetricModule, metric
from gill_bench.progress import say
from gill_bench.runs.claims import work_through
from gill_bench.runs.lock import RunLock
from gill_bench.runs.plan import Cell
from gill_bench.runs.scoring.asked import MetricAsked
from gill_bench.runs.scoring.kept import content_of, read_scores, write_scores
from gill_bench.runs.scoring.pairs import Work, changed_picture, works_of
from gill_bench.runs.units import Sample, Unit, file_hashes, read_samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gill_bench.metrics.fid.features import FeatureExtractor

    Features = NDArray[np.float32]

_BLOCK = 1024  # reference pictures in one file of the cache: what a kill can cost


def score(
    asked: MetricAsked,
    stored: Sequence[tuple[Cell, Mapping[str, Unit]]],
    run: Path,
    lock: RunLock,
    device: str,
    progress: Callable[[str, int], Callable[[int], None]],
) -> None:
    """Compute features that are not kept yet, and write the numbers of cells that are not written yet."""
    due = [
        (cell, units, content, seed)
        for cell, units in stored
        for content in [content_of(cell, units, run)]
        for seed in cell.row_seeds
        if read_scores(cell, run, asked, seed, content) is None
    ]
    if not due:
        return
    scorer = _Scorer(asked, device)
    works = works_of(stored, run)
    todo = [work for work in works if _kept(_file(work, asked)) is None]
    if todo:
        step = progress(f"features for {asked.name}", sum(len(w.unit.examples) * len(w.unit.seeds) for w in todo))
        work_through(
            todo,
            lock,
            key=lambda work: work.folder.name,
            done=lambda work: _kept(_file(work, asked)) is not None,
            work=scorer.features_of_unit,
            after=lambda work: step(len(work.unit.examples) * len(work.unit.seeds)),
        )
    for cell, units, content, seed in due:
        reference = scorer.references(cell, progress)
        generated, samples = _generated(cell, units, run, asked, seed)
        found = scorer.module.compare(generated, reference, asked.settings, samples)
        write_scores(cell, run, asked, seed, content, found)


class _Scorer:
    """Features of pictures, with the network loaded when it is first needed."""

    def __init__(self, asked: MetricAsked, device: str) -> None:
        self.module = cast(DistributionMetricModule, metric(asked.spec.name))
        self._asked, self._device = asked, device
        self._network: FeatureExtractor | None = None
        self._references: dict[int, list[Features]] = {}

    def features_of_unit(self, work: Work) -> None:
        """Write the features of a unit's pictures, in the order of its samples."""
        hashes = file_hashes(work.folder)
        files = [work.folder / sample.image for sample in read_samples(work.folder)]
        for file in files:
            if not file.is_file() or digest_file(file) != hashes[file.name]:
                raise changed_picture(file)
        _write(_file(work, self._asked), self._features(files, "generated"))

    def references(self, cell: Cell, progress: Callable[[str, int], Callable[[int], None]]) -> list[Features]:
        """Features of a task's reference pictures, block by block."""
        if id(cell.task) not in self._references:
            self._references[id(cell.task)] = list(self._reference_blocks(cell, progress))
        return self._references[id(cell.task)]

    def _reference_blocks(
        self, cell: Cell, progress: Callable[[str, int], Callable[[int], None]]
    ) -> Iterator[Features]:
        task = cell.task
        there = [(p.file, task.checked[p.id].sha256) for p in task.references if p.file and task.checked[p.id].sha256]
        blocks = [there[start : start + _BLOCK] for start in range(0, len(there), _BLOCK)]
        step = progress(f"reference features for {self._asked.name}", len(there))
        for block in blocks:
            key = digest(
                [self._asked.key, self.module.prepared(self._asked.settings, "reference"), [s for _, s in block]]
            )
            file = cache_folder() / "features" / f"{key}.npy"
            kept = _kept(file)
            if kept is None:
                file.parent.mkdir(parents=True, exist_ok=True)
                _write(file, self._features([path for path, _ in block], "reference"))
                kept = _kept(file)
            assert kept is not None
            yield kept
            step(len(block))

    def _features(self, files: Sequence[Path], side: str) -> Features:
        if self._network is None:
            path = self._asked.backbone.path if self._asked.backbone else None
            self._network = self.module.load(path, self._asked.settings, self._device)
        from gill_bench.metrics.fid.pipeline import features_of
        from gill_bench.metrics.fid.prepare import preparation

        return features_of(files, self._network, preparation(self.module.prepared(self._asked.settings, side)))


def _generated(
    cell: Cell, units: Mapping[str, Unit], run: Path, asked: MetricAsked, seed: int
) -> tuple[list[Features], list[Sample]]:
    """Features of one seed's pictures, a unit at a time, and what they are of."""
    blocks, samples = [], []
    seen: set[str] = set()
    for name, unit in sorted(units.items()):
        valid = {example for example, _ in unit.examples}
        folder = cell.folder(run) / name
        mine = [
            sample
            for sample in read_samples(folder)
            if sample.example in valid and sample.seed == seed and sample.example not in seen
        ]
        seen.update(sample.example for sample in mine)
        kept = _kept(folder / _name(asked))
        if mine and kept is not None:
            blocks.append(kept[[sample.row for sample in mine]])
            samples += mine
    return blocks, samples


def _file(work: Work, asked: MetricAsked) -> Path:
    return work.folder / _name(asked)


def _name(asked: MetricAsked) -> str:
    return f"features-{asked.spec.name}-{asked.key}.npy"


def _kept(file: Path) -> Features | None:
    import numpy as np

    try:
        found: Features = np.load(local_copy(file), mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError) as error:
        say(f"warning: {file}: damaged ({error!r}); computed again")
        return None
    return found


def _write(file: Path, features: Features) -> None:
    import io

    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, features, allow_pickle=False)
    write_atomic(file, buffer.getvalue())
