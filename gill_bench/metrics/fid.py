"""FID and KID as a task's metric: settings, network, and the numbers of two sets of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from gill_bench.cards.find import Value
from gill_bench.metrics import Flags, Score
from gill_bench.metrics.settings import check_settings, need_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gill_bench.metrics.backbones.features import FeatureExtractor

kind = "distribution"


class Settings(BaseModel):
    """Of the card.

    Attributes:
        network: "inception" is FID's own; "clip-vision" any CLIP vision tower, such as the embedded one.
        mode: How a picture reaches Inception's 299 x 299, as clean-fid names it; not used by "clip-vision".
        generated: Preparation of generated pictures (`gill_bench.metrics.backbones.prepare`).
        real: Preparation of reference pictures.
        min_samples: With fewer generated pictures a number is refused.
    """

    model_config = ConfigDict(extra="forbid")
    network: Literal["inception", "clip-vision"] = "inception"
    mode: Literal["legacy_pytorch", "legacy_tensorflow", "clean"] = "legacy_pytorch"
    generated: str = "bicubic-256"
    real: str = "crop-bicubic-256"
    min_samples: int = Field(default=2048, ge=2)


def signature(settings: Mapping[str, Value], backbone: str) -> str:
    """Network, resizing of both sides, estimators."""
    own = check_settings(Settings, settings, "fid")
    network = f"inception-v3-{own.mode}" if own.network == "inception" else "clip-vision-projected"
    return f"fid|network:{network}|of:{backbone}|generated:{own.generated}|real:{own.real}|covariance:n-1|kid:100x1000"


def check(weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
    """Raise `InputError` for settings or files that cannot work."""
    from gill_bench.metrics.backbones.prepare import preparation

    own = check_settings(Settings, settings, "fid")
    folder = need_weights(weights, "fid", "the folder of the feature network")
    preparation(own.generated)
    preparation(own.real)
    if own.network == "inception":
        from gill_bench.metrics.backbones.inception import check_inception

        check_inception(folder, own.mode)


def check_count(count: int, settings: Mapping[str, Value], task: str) -> None:
    """Raise `InputError` if there are too few generated pictures for a meaningful number."""
    from gill_bench.metrics.functional.samples import require_samples

    require_samples(count, check_settings(Settings, settings, "fid").min_samples, task, "FID")


def prepared(settings: Mapping[str, Value], side: str) -> str:
    """Name of the preparation of pictures on a side, "generated" or "reference"."""
    own = check_settings(Settings, settings, "fid")
    return own.generated if side == "generated" else own.real


def load(weights: Path | None, settings: Mapping[str, Value], device: str) -> FeatureExtractor:
    """Load the feature network."""
    own = check_settings(Settings, settings, "fid")
    folder = need_weights(weights, "fid", "the folder of the feature network")
    if own.network == "inception":
        from gill_bench.metrics.backbones.inception import load_inception

        return load_inception(folder, own.mode, device)
    from gill_bench.metrics.backbones.clip_vision import load_clip_vision

    return load_clip_vision(folder, device=device)


def compare(
    generated: Sequence[NDArray[np.float32]],
    reference: Sequence[NDArray[np.float32]],
    settings: Mapping[str, Value],
    samples: Sequence[Flags],
) -> list[Score]:
    """FID, and the mean and standard deviation of KID over its subsets; no values for fewer than `min_samples`.

    Where a side has fewer pictures than a subset of KID should, subsets have as many, and KID's signature says so.

    Args:
        generated: Blocks (n, d) of features.
        reference: The same of the reference pictures.
        settings: As `Settings`.
        samples: What the generated features are of.
    """
    import numpy as np

    from gill_bench.metrics.functional.frechet import FeatureStatistics, frechet_distance
    from gill_bench.metrics.functional.kid import SUBSET_SIZE, SUBSETS, kernel_distance

    count, others = sum(map(len, generated)), sum(map(len, reference))
    values: dict[str, float | None] = dict.fromkeys(("fid", "kid", "kid-over-subsets-sd"))
    subsets = ""  # where there are fewer pictures than a subset has
    if count >= check_settings(Settings, settings, "fid").min_samples and others >= 2:
        kid = kernel_distance(np.concatenate(generated), np.concatenate(reference))
        values = {
            "fid": frechet_distance(FeatureStatistics.stream(generated), FeatureStatistics.stream(reference)),
            "kid": kid.mean,
            "kid-over-subsets-sd": kid.std,
        }
        subsets = f"{SUBSETS}x{kid.subset_size}" if kid.subset_size < SUBSET_SIZE else ""
    truncated, flagged = sum(sample.truncated for sample in samples), sum(sample.flagged for sample in samples)
    found = [Score(name, value, False, count, truncated=truncated, flagged=flagged) for name, value in values.items()]
    if not subsets:
        return found
    return [replace(one, signature={"kid": "" if one.metric == "fid" else subsets}) for one in found]
