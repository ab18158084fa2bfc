"""FID and KID: distances between the features of generated pictures and of reference pictures (protocol 3.7, 3.8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from gill_bench.cards.find import Value, validated
from gill_bench.errors import InputError
from gill_bench.metrics import Flags, Score
from gill_bench.metrics.settings import need_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gill_bench.metrics.backbones.features import FeatureExtractor

kind = "distribution"


class Settings(BaseModel):
    """The metric's settings in a card.

    Attributes:
        network: "inception" is the network of FID; "clip-vision" is any CLIP vision tower, such as the embedded one.
        mode: How a picture is resized to Inception's 299 x 299, as clean-fid names it; "clip-vision" ignores it.
        generated: Name of the preparation of generated pictures (`gill_bench.metrics.backbones.prepare`).
        real: Name of the preparation of reference pictures.
        min_samples: The smallest number of generated pictures for which numbers are computed.
    """

    model_config = ConfigDict(extra="forbid")
    network: Literal["inception", "clip-vision"] = "inception"
    mode: Literal["legacy_pytorch", "legacy_tensorflow", "clean"] = "legacy_pytorch"
    generated: str = "bicubic-256"
    real: str = "crop-bicubic-256"
    min_samples: int = Field(default=2048, ge=2)


def signature(settings: Mapping[str, Value], backbone: str) -> str:
    """The network, the preparation of both sides and the estimators, in one text."""
    checked = validated(Settings, settings, "fid")
    network = f"inception-v3-{checked.mode}" if checked.network == "inception" else "clip-vision-projected"
    sides = f"generated:{checked.generated}|real:{checked.real}"
    return f"fid|network:{network}|of:{backbone}|{sides}|covariance:n-1|kid:100x1000"


def check(weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
    """Check the settings and the files of the network."""
    from gill_bench.metrics.backbones.inception_files import check_inception
    from gill_bench.metrics.backbones.prepare import preparation

    checked = validated(Settings, settings, "fid")
    folder = need_weights(weights, "fid", "the folder of the feature network")
    preparation(checked.generated)
    preparation(checked.real)
    if checked.network == "inception":
        check_inception(folder, checked.mode)


def check_count(count: int, settings: Mapping[str, Value], task: str) -> None:
    """Refuse a distance of fewer than `min_samples` pictures, which is biased upwards by more than models differ.

    Raises:
        InputError: There are fewer generated pictures than `min_samples`; says how to compute the distance anyway.
    """
    minimum = validated(Settings, settings, "fid").min_samples
    if count < minimum:
        anyway = (
            f"to have it anyway: --set {task}.min_samples={count}" if count > 1 else "no distance is defined below 2"
        )
        raise InputError(
            f"{task}: FID: {count} samples, but at least {minimum} are needed for a meaningful value; {anyway}"
        )


def prepared(settings: Mapping[str, Value], side: str) -> str:
    """Name of the preparation of the pictures of a side."""
    checked = validated(Settings, settings, "fid")
    return checked.generated if side == "generated" else checked.real


def load(weights: Path | None, settings: Mapping[str, Value], device: str) -> FeatureExtractor:
    """Load the feature network that the settings name."""
    checked = validated(Settings, settings, "fid")
    folder = need_weights(weights, "fid", "the folder of the feature network")
    if checked.network == "inception":
        from gill_bench.metrics.backbones.inception import load_inception

        return load_inception(folder, checked.mode, device)
    from gill_bench.metrics.backbones.clip_vision import load_clip_vision

    return load_clip_vision(folder, device=device)


_ONE = "one reference picture every time, the one nearest to their mean"


def compare(
    generated: Sequence[NDArray[np.float32]],
    reference: Sequence[NDArray[np.float32]],
    settings: Mapping[str, Value],
    samples: Sequence[Flags],
) -> list[Score]:
    """FID, and the mean and standard deviation of KID over subsets; values are None for too few pictures.

    If a side has fewer pictures than a subset of KID needs, subsets have the size of that side, and the signature says
    so.
    """
    import numpy as np

    from gill_bench.metrics.functional.frechet import FeatureStatistics, frechet_distance
    from gill_bench.metrics.functional.kid import SUBSET_SIZE, SUBSETS, kernel_distance

    count, references = sum(map(len, generated)), sum(map(len, reference))
    values: dict[str, float | None] = dict.fromkeys(("fid", "kid", "kid-over-subsets-sd"))
    subsets = ""  # number and size of KID's subsets, if a side has fewer pictures than a whole subset
    if count >= validated(Settings, settings, "fid").min_samples and references >= 2:
        kid = kernel_distance(np.concatenate(generated), np.concatenate(reference))
        values = {
            "fid": frechet_distance(FeatureStatistics.stream(generated), FeatureStatistics.stream(reference)),
            "kid": kid.mean,
            "kid-over-subsets-sd": kid.std,
        }
        subsets = f"{SUBSETS}x{kid.subset_size}" if kid.subset_size < SUBSET_SIZE else ""
    truncated, flagged = sum(sample.truncated for sample in samples), sum(sample.flagged for sample in samples)
    scores = [Score(name, value, False, count, truncated=truncated, flagged=flagged) for name, value in values.items()]
    if values["fid"] is not None:
        of_one = _of_one_picture(generated, reference)
        scores = [
            replace(score, trivial=of_one.get(score.metric), trivial_answer=_ONE) for score in scores[:2]
        ] + scores[2:]
    if not subsets:
        return scores
    return [replace(score, signature={"kid": "" if score.metric == "fid" else subsets}) for score in scores]


def _of_one_picture(
    generated: Sequence[NDArray[np.float32]], reference: Sequence[NDArray[np.float32]]
) -> dict[str, float]:
    """FID and KID of a model that always gives the same picture: the reference picture nearest to their mean."""
    import numpy as np

    from gill_bench.metrics.functional.frechet import FeatureStatistics, frechet_distance
    from gill_bench.metrics.functional.kid import SUBSET_SIZE, kernel_distance

    mean = sum(block.sum(axis=0, dtype=np.float64) for block in reference) / sum(map(len, reference))
    nearest = min((row for block in reference for row in block), key=lambda row: float(np.square(row - mean).sum()))
    copies = np.repeat(nearest[None], min(SUBSET_SIZE, sum(map(len, generated))), axis=0)
    return {
        "fid": frechet_distance(FeatureStatistics.stream([copies]), FeatureStatistics.stream(reference)),
        "kid": kernel_distance(copies, np.concatenate(reference)).mean,
    }
