"""Features of pictures as jobs: a unit's are kept beside its pictures, those of reference pictures in the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.engines.job import JobResult, Unwritten
from gill_bench.errors import GillBenchError
from gill_bench.planning.metrics import ResolvedMetric
from gill_bench.progress import say
from gill_bench.rundir.load import read_features
from gill_bench.rundir.load_units import read_samples
from gill_bench.rundir.writer import write_features
from gill_bench.scoring.pictures import UnitPictures, read_first
from gill_bench.scoring.stored import StoredUnit
from gill_bench.storage.cache import cache_folder
from gill_bench.storage.digests import digest
from gill_bench.storage.files import remove_temporary
from gill_bench.storage.images import load_image
from gill_bench.storage.sealed import damaged

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from gill_bench.metrics.backbones.features import FeatureExtractor

    Features = NDArray[np.float32]


@dataclass(frozen=True)
class ExtractorLoadable:
    """The feature network of a metric.

    Attributes:
        metric: The metric.
        name: Empty: loading a metric's network is not worth a message.
        folders: Empty: a metric's network shares no weights with a model.
    """

    metric: ResolvedMetric
    name: str = ""
    folders: frozenset[Path] = frozenset()

    @property
    def key(self) -> str:
        """The metric's name and digest."""
        return f"{self.metric.short_name}-{self.metric.key}"

    def load(self, device: str) -> FeatureExtractor:
        """Load the network."""
        path = self.metric.backbone.path if self.metric.backbone else None
        return self.metric.distribution.load(path, self.metric.settings, device)


@dataclass(frozen=True)
class UnitFeatures:
    """The job of computing the features of a unit's pictures, which are written in the order of its samples.

    Attributes:
        unit: The unit.
        metric: The metric.
        read: The unit's records and first pictures; None if they are still to be read.
    """

    unit: StoredUnit
    metric: ResolvedMetric
    read: UnitPictures | None = None

    @property
    def key(self) -> str:
        """The unit's key."""
        return self.unit.folder.name

    @property
    def size(self) -> int:
        """The number of pictures."""
        return self.unit.size

    def is_done(self, run: Path) -> bool:
        """Whether the features are written already."""
        return read_unit_features(self.unit, self.metric) is not None

    def prepared(self) -> UnitFeatures:
        """The job with the records of its unit and the first pictures."""
        pictures = self._pictures()
        read_first([pictures])
        return replace(self, read=pictures)

    def _pictures(self) -> UnitPictures:
        """All pictures of the unit, also of examples that do not count: a sample names its row among all."""
        return replace(UnitPictures.of(self.unit), samples=read_samples(self.unit.folder))

    def do(self, loaded: FeatureExtractor, run: Path, device: str, may_fail: int) -> Unwritten:
        """Compute the features."""
        folder, pictures = self.unit.folder, self.read or self._pictures()
        samples = {folder / sample.image: sample for sample in pictures.samples}
        features = _features(
            list(samples), loaded, self.metric, "generated", lambda file: pictures.image(samples[file])
        )

        def write() -> JobResult:
            remove_temporary(folder, ".features-*.tmp")  # nobody writes them now: the unit's lock is held
            write_features(features_file(folder, self.metric), features, pictures.content)
            return JobResult()

        return Unwritten(write)

    def lost(self, reason: str) -> JobResult:
        """Raise an error, since nothing can be compared without the features."""
        raise GillBenchError(f"{self.unit.folder}: workers died computing its features: {reason}")


@dataclass(frozen=True)
class ReferenceFeatures:
    """The job of computing the features of a block of reference pictures.

    The features are returned, since a worker may be on a machine with another cache.

    Attributes:
        key: The digest of the pictures' content and of how they are prepared.
        pictures: The files of the pictures.
        metric: The metric.
    """

    key: str
    pictures: tuple[Path, ...]
    metric: ResolvedMetric

    @property
    def size(self) -> int:
        """The number of pictures."""
        return len(self.pictures)

    @property
    def file(self) -> Path:
        """The file with the features in the cache of this machine."""
        return cache_folder() / "features" / f"{self.key}.npy"

    def is_done(self, run: Path) -> bool:
        """Always False: the caller has already checked the cache."""
        return False

    def prepared(self) -> ReferenceFeatures:
        """The job itself: its data is read while it is done."""
        return self

    def do(self, loaded: FeatureExtractor, run: Path, device: str, may_fail: int) -> JobResult:
        """Compute the features."""
        return JobResult(value=_features(self.pictures, loaded, self.metric, "reference", load_image))

    def lost(self, reason: str) -> JobResult:
        """Raise an error, since nothing can be compared without the features."""
        raise GillBenchError(f"{self.pictures[0]} and others: workers died computing their features: {reason}")


def reference_block(pictures: Sequence[tuple[Path, str]], metric: ResolvedMetric) -> ReferenceFeatures:
    """The job of a block of reference pictures, given as files with the SHA-256 of their content."""
    prepared = metric.distribution.prepared(metric.settings, "reference")
    key = digest([metric.key, prepared, [sha256 for _, sha256 in pictures]])
    return ReferenceFeatures(key, tuple(file for file, _ in pictures), metric)


def _features(
    files: Sequence[Path],
    network: FeatureExtractor,
    metric: ResolvedMetric,
    side: str,
    load: Callable[[Path], Image],
) -> Features:
    from gill_bench.metrics.backbones.pipeline import features_of
    from gill_bench.metrics.backbones.prepare import preparation

    return features_of(files, network, preparation(metric.distribution.prepared(metric.settings, side)), load)


def features_file(folder: Path, metric: ResolvedMetric) -> Path:
    """The file with the features of a unit's pictures."""
    return folder / f"features-{metric.short_name}-{metric.key}.npy"


def read_unit_features(unit: StoredUnit, metric: ResolvedMetric) -> Features | None:
    """The features of a unit's pictures; None if there are none, or if they are of other pictures than it has now."""
    return stored_features(features_file(unit.folder, metric), unit.content)


def stored_features(file: Path, content: str = "") -> Features | None:
    """The features in a file of a unit, or of this machine's cache.

    Args:
        file: The file.
        content: The digest of the unit's files that the features must be of; "" where the file's name says so.

    Returns:
        The features (pictures, width); None if there are none, if they are damaged, or if they are of other pictures.
    """
    try:
        features, content_then = read_features(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError) as error:
        say(f"warning: {damaged(file, error, 'computed again')}")
        return None
    return features if content_then == content else None
