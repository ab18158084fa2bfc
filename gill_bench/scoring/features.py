"""Features of pictures as jobs: a unit's are kept beside its pictures, those of reference pictures in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gill_bench.engines.job import JobResult
from gill_bench.errors import GillBenchError
from gill_bench.metrics import DistributionMetricModule, metric
from gill_bench.planning.metrics import ResolvedMetric
from gill_bench.progress import say
from gill_bench.rundir.load import read_features
from gill_bench.rundir.load_units import file_hashes, read_picture, read_samples, unit_content
from gill_bench.rundir.writer import write_features
from gill_bench.scoring.pairs import StoredUnit
from gill_bench.scoring.tool import MetricLoadable
from gill_bench.storage.cache import cache_folder
from gill_bench.storage.digests import digest
from gill_bench.storage.files import remove_temporary
from gill_bench.storage.sealed import damaged

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gill_bench.metrics.backbones.features import FeatureExtractor

    Features = NDArray[np.float32]


def module_of(asked: ResolvedMetric) -> DistributionMetricModule:
    """The module of a metric that compares sets of pictures."""
    return cast(DistributionMetricModule, metric(asked.spec.name))


@dataclass(frozen=True)
class FeaturesLoadable(MetricLoadable):
    """A feature network as what jobs need loaded."""

    def load(self, device: str) -> FeatureExtractor:
        """The network."""
        path = self.asked.backbone.path if self.asked.backbone else None
        return module_of(self.asked).load(path, self.asked.settings, device)


@dataclass(frozen=True)
class UnitFeatures:
    """The features of a unit's pictures, written beside them in the order of its samples."""

    work: StoredUnit
    asked: ResolvedMetric

    @property
    def key(self) -> str:
        """The unit's."""
        return self.work.folder.name

    @property
    def size(self) -> int:
        """Pictures."""
        return self.work.samples

    def is_done(self, run: Path) -> bool:
        """Whether they are written."""
        return read_unit_features(self.work.folder, self.asked) is not None

    def prepared(self) -> UnitFeatures:
        """The job itself: its data is read while it is done."""
        return self

    def do(self, loaded: FeatureExtractor, run: Path, device: str, may_fail: int) -> JobResult:
        """Compute and write them."""
        remove_temporary(self.work.folder, ".features-*.tmp")  # the lock of its unit is held
        folder = self.work.folder
        hashes, held = file_hashes(folder), unit_content(folder)
        files = [folder / sample.image for sample in read_samples(folder)]
        for file in files:
            read_picture(file, hashes[file.name])
        write_features(file_of(folder, self.asked), _features(files, loaded, self.asked, "generated"), held)
        return JobResult()

    def lost(self, reason: str) -> JobResult:
        """Nothing can be said without them."""
        raise GillBenchError(f"{self.work.folder}: workers died computing its features: {reason}")


@dataclass(frozen=True)
class ReferenceFeatures:
    """The features of a block of reference pictures, which go back to whoever asked: a cache is not shared.

    Attributes:
        key: Digest of the pictures' content and of how they are looked at.
        pictures: Their files.
    """

    key: str
    pictures: tuple[Path, ...]
    asked: ResolvedMetric

    @property
    def size(self) -> int:
        """Pictures."""
        return len(self.pictures)

    @property
    def file(self) -> Path:
        """Where they are kept in the cache of this machine."""
        return cache_folder() / "features" / f"{self.key}.npy"

    def is_done(self, run: Path) -> bool:
        """Whoever asks has looked."""
        return False

    def prepared(self) -> ReferenceFeatures:
        """The job itself: its data is read while it is done."""
        return self

    def do(self, loaded: FeatureExtractor, run: Path, device: str, may_fail: int) -> JobResult:
        """Compute them."""
        return JobResult(value=_features(self.pictures, loaded, self.asked, "reference"))

    def lost(self, reason: str) -> JobResult:
        """Nothing can be said without them."""
        raise GillBenchError(f"{self.pictures[0]} and others: workers died computing their features: {reason}")


def reference_block(pictures: Sequence[tuple[Path, str]], asked: ResolvedMetric) -> ReferenceFeatures:
    """The job of a block of reference pictures, given as files with the SHA-256 of their content."""
    prepared = module_of(asked).prepared(asked.settings, "reference")
    key = digest([asked.key, prepared, [sha256 for _, sha256 in pictures]])
    return ReferenceFeatures(key, tuple(file for file, _ in pictures), asked)


def _features(files: Sequence[Path], network: FeatureExtractor, asked: ResolvedMetric, side: str) -> Features:
    from gill_bench.metrics.backbones.pipeline import features_of
    from gill_bench.metrics.backbones.prepare import preparation

    return features_of(files, network, preparation(module_of(asked).prepared(asked.settings, side)))


def file_of(folder: Path, asked: ResolvedMetric) -> Path:
    """Where a unit's features are."""
    return folder / f"features-{asked.spec.name}-{asked.key}.npy"


def read_unit_features(folder: Path, asked: ResolvedMetric) -> Features | None:
    """The features of a unit's pictures; None if there are none, or if they are of other pictures than the unit has."""
    return stored_features(file_of(folder, asked), unit_content(folder))


def stored_features(file: Path, content: str = "") -> Features | None:
    """Features that were written, for a unit or into the cache of this machine.

    Args:
        file: The file.
        content: Digest of the unit's files that they must be of; "" where the file's name tells of which pictures.

    Returns:
        None if there are none, if they are damaged, or if they are of other pictures.
    """
    try:
        features, content_then = read_features(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError) as error:
        say(f"warning: {damaged(file, error, 'computed again')}")
        return None
    return features if content_then == content else None
