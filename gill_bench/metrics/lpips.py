"""LPIPS: learned perceptual distance of generated and target picture (Zhang et al., CVPR 2018; package lpips 0.1.4).

The metric follows the authors' script (protocol 3.1): AlexNet, version 0.1, both pictures squashed to 256 x 256 as
float tensors with the antialiased bilinear filter. The lpips package ships the linear layers; the file of the ImageNet
trunk comes from the user.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from gill_bench.cards.find import Value, validated
from gill_bench.errors import InputError
from gill_bench.metrics.settings import need_weights
from gill_bench.storage.reading import read_json
from gill_bench.weights.checkpoints import check_network_files
from gill_bench.weights.tensor_files import check_torch_file

if TYPE_CHECKING:
    from gill_bench.metrics.picture import PictureMetric

NAME = "lpips"
VERSION = 1
"""A part of the signature; raised whenever a change gives other values for the same pictures."""

MINI_SIZE = 64
"""The side, in pixels, to which the mini backbone squashes pictures, whatever size the card sets for AlexNet."""

_WANTED = "the trunk's file"

kind = "pairs"
higher_is_better = False
averaged_per_target = True  # the authors average over the files of pictures, not over stories (protocol 3.1)


class Settings(BaseModel):
    """The metric's settings in a card.

    Attributes:
        net: The trunk; GILL uses AlexNet.
        version: The version of the linear layers.
        size: The side, in pixels, to which pictures are squashed; AlexNet needs at least 31.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    net: Literal["alex"] = "alex"
    version: Literal["0.1"] = "0.1"
    size: int = Field(default=256, ge=31)


def signature(settings: Mapping[str, Value], backbone: str) -> str:
    """The networks and every choice that changes the value, in one text.

    >>> signature({}, "alexnet-owt-7be5be79.pth")
    'lpips|net:alex|version:0.1|trunk:alexnet-owt-7be5be79.pth|resize:256-bilinear-antialias|v:1'
    >>> signature({}, "mini")
    'lpips[mini]|net:alex[mini-2]|resize:64-bilinear-antialias|v:1'
    """
    checked = validated(Settings, settings, NAME)
    if backbone == "mini":
        return f"{NAME}[mini]|net:alex[mini-2]|resize:{MINI_SIZE}-bilinear-antialias|v:{VERSION}"
    return (
        f"{NAME}|net:{checked.net}|version:{checked.version}|trunk:{backbone}"
        f"|resize:{checked.size}-bilinear-antialias|v:{VERSION}"
    )


def check(weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
    """Check the settings, and that the weights are a state dict, or the mini backbone under its own name.

    Raises:
        InputError: A setting is unknown, the weights are neither a state dict nor a mini backbone, or the mini backbone
            stands under the name of the published one.
    """
    validated(Settings, settings, NAME)
    path = need_weights(weights, NAME, _WANTED)
    if path.is_dir():
        if backbone != "mini":
            raise InputError(f"{path}: a folder, expected the file of {backbone}; or choose --metric-weights mini")
        config = read_json(path / "config.json")
        if config.get("kind") != f"{NAME}[mini]" or config.get("size") != MINI_SIZE:
            raise InputError(f"{path}: not a mini backbone of size {MINI_SIZE}; expected the file of a trunk")
        check_network_files(path, "transformers")
        return
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected AlexNet's state dict of torchvision")
    check_torch_file(path)


def load(weights: Path | None, settings: Mapping[str, Value], device: str) -> PictureMetric:
    """Load AlexNet and the linear layers if `weights` is a file, the mini backbone if it is a folder."""
    from gill_bench.metrics.backbones.lpips import load_alex, load_mini

    checked = validated(Settings, settings, NAME)
    path = need_weights(weights, NAME, _WANTED)
    if path.is_dir():
        check(path, settings, "mini")
        return load_mini(path, MINI_SIZE, f"{NAME}[mini]").to(device)
    return load_alex(path, checked.version, checked.size, NAME).to(device)


def mini_config() -> dict[str, object]:
    """The part of the mini backbone's `config.json` by which `check` knows it."""
    return {"kind": f"{NAME}[mini]", "size": MINI_SIZE}
