"""How large GLIDE's networks are: the official sizes, or those of `glide.json` beside the weights (protocol 5.1)."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError, model_validator

from gill_bench.errors import InputError
from gill_bench.weights.checkpoints import read_json

FILE = "glide.json"


class _StrictSizes(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _divides(name: str, value: int, by: str, divisor: int) -> None:
    if value % divisor:
        raise ValueError(f"{name} = {value} is no multiple of {by} = {divisor}")


class TextSizes(_StrictSizes):
    """The text transformer, of which each network has one of its own.

    Attributes:
        vocabulary: Entries of the tokenizer; the last one pads.
        context: Tokens that are read.
        width: Channels.
        layers: Transformer layers.
        heads: Attention heads of a layer.
    """

    vocabulary: PositiveInt = 50257
    context: PositiveInt = 128
    width: PositiveInt = 512
    layers: PositiveInt = 16
    heads: PositiveInt = 8

    @model_validator(mode="after")
    def _fits(self) -> TextSizes:
        _divides("width", self.width, "heads", self.heads)
        return self


class NetworkSizes(_StrictSizes):
    """One UNet.

    Attributes:
        resolution: Pixels of a side of its pictures.
        channels: Channels at full resolution, before `multipliers`.
        multipliers: Of `channels`, one for each level; each level has half the resolution of the one before.
        residual_blocks: Per level, on the way down; one more on the way up.
        attention: Factors by which the resolution is reduced where pictures attend to themselves and to the text.
        head_width: Channels of an attention head.
        norm_groups: Groups of all group norms.
    """

    resolution: PositiveInt
    channels: PositiveInt
    multipliers: tuple[PositiveInt, ...]
    residual_blocks: PositiveInt
    attention: tuple[PositiveInt, ...]
    head_width: PositiveInt
    norm_groups: PositiveInt

    @model_validator(mode="after")
    def _fits(self) -> NetworkSizes:
        if not self.multipliers:
            raise ValueError("multipliers is empty; expected one number for each level")
        _divides("resolution", self.resolution, "2 to the number of levels - 1", 2 ** (len(self.multipliers) - 1))
        _divides("channels", self.channels, "2 (cosine and sine)", 2)
        levels = [2**level for level in range(len(self.multipliers))]
        unknown = sorted(set(self.attention) - set(levels))
        if unknown:
            raise ValueError(f"attention = {unknown[0]}; this network has the factors {levels}")
        widths = [self.channels * multiplier for multiplier in self.multipliers]
        for width in widths:
            _divides("channels", width, "norm_groups", self.norm_groups)
        # The middle block attends too.
        for width in {
            widths[-1],
            *(width for width, level in zip(widths, levels, strict=True) if level in self.attention),
        }:
            _divides("channels", width, "head_width", self.head_width)
        return self


BASE = NetworkSizes(
    resolution=64,
    channels=192,
    multipliers=(1, 2, 3, 4),
    residual_blocks=3,
    attention=(2, 4, 8),
    head_width=64,
    norm_groups=32,
)
UPSAMPLER = NetworkSizes(
    resolution=256,
    channels=192,
    multipliers=(1, 1, 2, 2, 4, 4),
    residual_blocks=2,
    attention=(8, 16, 32),
    head_width=64,
    norm_groups=32,
)


class GlideSizes(_StrictSizes):
    """Both networks; a part that is not named is of the official size.

    Attributes:
        text: The text transformers.
        base: From text to small pictures.
        upsampler: From small pictures and text to large ones.
    """

    text: TextSizes = TextSizes()
    base: NetworkSizes = BASE
    upsampler: NetworkSizes = UPSAMPLER


def read_sizes(folder: Path) -> GlideSizes:
    """The sizes in a checkpoint folder's `glide.json`, or the official ones where it has no such file.

    Raises:
        InputError: Unknown fields, or sizes that do not fit together.
    """
    file = folder / FILE
    if not file.is_file():
        return GlideSizes()
    try:
        return GlideSizes.model_validate(read_json(file))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise InputError(f"{file}: {where}: {first['msg']}; without this file the official sizes are taken") from error
