"""CLIP similarity by a second encoder, under a name of its own, so that it stands beside the first in every table.

GILL reads pictures with the same CLIP that the paper measures similarity with: what this encoder does not see is
neither used by the model nor missed by the metric. A task that wants a second opinion names another encoder here, such
as SigLIP 2 or, with `features = "pooled"`, DINOv2; docs/context.md shows the entry of a card. Settings and values are
those of `gill_bench.metrics.clip_similarity`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.cards.find import Value, validated
from gill_bench.metrics import clip_similarity
from gill_bench.metrics.settings import need_weights

if TYPE_CHECKING:
    from gill_bench.metrics.picture import PictureMetric

NAME = "second-similarity"

kind = clip_similarity.kind
higher_is_better = clip_similarity.higher_is_better


def signature(settings: Mapping[str, Value], backbone: str) -> str:
    """The fields that determine the number; they are those of `clip-similarity`.

    >>> signature({"features": "pooled"}, "facebook/dinov2-large")
    'second-similarity|encoder:facebook/dinov2-large|features:pooled|preprocess:pil|dtype:float32|v:1'
    """
    validated(clip_similarity.Settings, settings, NAME)
    return _renamed(clip_similarity.signature(settings, backbone))


def check(weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
    """Check settings and folder, as `clip-similarity` does."""
    validated(clip_similarity.Settings, settings, NAME)
    need_weights(weights, NAME, "the folder of an encoder of pictures")
    clip_similarity.check(weights, settings, backbone)


def load(weights: Path | None, settings: Mapping[str, Value], device: str) -> PictureMetric:
    """Load the encoder, as `clip-similarity` does."""
    metric = clip_similarity.load(weights, settings, device)
    metric.name = _renamed(metric.name)
    return metric


def _renamed(text: str) -> str:
    return NAME + text.removeprefix(clip_similarity.NAME)
