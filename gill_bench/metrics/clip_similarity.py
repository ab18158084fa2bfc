"""CLIP similarity: the cosine of CLIP's image embeddings of generated and target picture (paper Sec. 4.1).

The metric follows the authors' script: projected features, although the paper says pooled (protocol 3.1); float32; no
scaling of the cosine. Pictures go through transformers' PIL-backed image processor, whose pixels equal those of
OpenAI's transform and of transformers 4. A card may name another encoder of pictures of transformers, such as SigLIP 2
or, with `features = "pooled"`, DINOv2.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from gill_bench.cards.find import Value, validated
from gill_bench.errors import InputError
from gill_bench.metrics.settings import need_weights
from gill_bench.storage.reading import read_json
from gill_bench.weights.checkpoints import check_image_processor, check_network_files
from gill_bench.weights.picture_encoder import CLIPS, PictureEncoder, encoder_width, has_text_tower

if TYPE_CHECKING:
    from gill_bench.metrics.picture import PictureMetric

NAME = "clip-similarity"
VERSION = 1
"""A part of the signature; raised whenever a change gives other values for the same pictures."""

NARROWEST = 256
"""The smallest width of a vision tower that is accepted as a published CLIP. The narrowest published towers (TinyCLIP)
are 256 wide and the embedded one is far narrower, so a toy encoder cannot pass for a published one by its name."""

_WANTED = "the CLIP folder, or that of another encoder of pictures"

kind = "pairs"
higher_is_better = True


class Settings(BaseModel):
    """The metric's settings in a card.

    Attributes:
        features: "projected" are the features of the authors' script, "pooled" the tower's output before projection.
        dtype: The vision tower's type; the cosine is always computed in float32.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: Literal["projected", "pooled"] = "projected"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"


def signature(settings: Mapping[str, Value], backbone: str) -> str:
    """The encoder and every choice that changes the value, in one text.

    >>> signature({}, "openai/clip-vit-large-patch14")
    'clip-similarity|encoder:openai/clip-vit-large-patch14|features:projected|preprocess:pil|dtype:float32|v:1'
    >>> signature({"features": "pooled"}, "mini")
    'clip-similarity[mini]|encoder:clip[mini]|features:pooled|preprocess:pil|dtype:float32|v:1'
    """
    checked = validated(Settings, settings, NAME)
    name, encoder = (f"{NAME}[mini]", "clip[mini]") if backbone == "mini" else (NAME, backbone)
    return f"{name}|encoder:{encoder}|features:{checked.features}|preprocess:pil|dtype:{checked.dtype}|v:{VERSION}"


def check(weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
    """Check the settings, and that the folder holds an encoder with its image processor.

    A small stand-in under the name of a published CLIP is refused.

    Raises:
        InputError: A setting is unknown, the folder does not hold a CLIP with its image processor, or it holds a small
            stand-in under the name of a published CLIP.
    """
    checked = validated(Settings, settings, NAME)
    folder = need_weights(weights, NAME, _WANTED)
    width = encoder_width(folder, NARROWEST)
    if backbone != "mini" and width < NARROWEST:
        raise InputError(
            f"{folder / 'config.json'}: a vision tower of width {width}, too narrow for {backbone};"
            " put the published weights there, or choose the small ones with --metric-weights mini"
        )
    check_image_processor(folder)
    if checked.features == "projected" and not _is_clip(folder) and not has_text_tower(folder):
        kind = read_json(folder / "config.json").get("model_type")
        raise InputError(
            f"{folder / 'config.json'}: model_type = {kind!r}, which has no projection of pictures; {NAME} compares"
            ' projected features unless its settings in the card say features = "pooled"'
        )
    check_network_files(folder, "transformers")


def load(weights: Path | None, settings: Mapping[str, Value], device: str) -> PictureMetric:
    """Load the encoder of a folder."""
    checked = validated(Settings, settings, NAME)
    folder = need_weights(weights, NAME, _WANTED)
    name = NAME if encoder_width(folder, NARROWEST) >= NARROWEST else f"{NAME}[mini]"
    if not _is_clip(folder):
        from gill_bench.metrics.backbones.any_encoder import EncoderSimilarity

        return EncoderSimilarity(PictureEncoder.load(folder, checked.dtype, device, checked.features), name).to(device)
    from gill_bench.metrics.backbones.clip import load_clip

    return load_clip(folder, features=checked.features, dtype=checked.dtype, device=device, name=name)


def _is_clip(folder: Path) -> bool:
    return read_json(folder / "config.json").get("model_type") in CLIPS
