"""The sizes of GLIDE's networks: the official ones, or those in `glide.json` beside the weights (protocol 5.1)."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError, model_validator

from gill_bench.errors import InputError
from gill_bench.storage.reading import read_json

FILE = "glide.json"


class _StrictSizes(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _divides(name: str, value: int, by: str, divisor: int) -> None:
    if value % divisor:
        raise ValueError(f"{name} = {value} is no multiple of {by} = {divisor}")


class TextSizes(_StrictSizes):
    """Sizes of the text transformer; each network has its own transformer of these sizes.

    Attributes:
        vocabulary: Number of the tokenizer's entries; the last entry is padding.
        context: Number of tokens that are read.
        width: Number of channels.
        layers: Number of transformer layers.
        heads: Number of attention heads in a layer.
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
    """Sizes of one UNet.

    Attributes:
        resolution: Side of a picture in pixels.
        channels: Number of channels that `multipliers` multiply.
        multipliers: For each level the factor of `channels`; each level has half the resolution of the level before.
        residual_blocks: Number of residual blocks of a level on the way down; on the way up there is one more.
        attention: Levels at which pictures attend to themselves and to the text, as factors of their smaller
            resolution.
        head_width: Number of channels of an attention head.
        norm_groups: Number of groups in all group norms.
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
        # The middle block has attention too.
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
    """Sizes of both networks; a part that `glide.json` does not name has the official size.

    Attributes:
        text: Sizes of the text transformers.
        base: Sizes of the base network, from text to small pictures.
        upsampler: Sizes of the upsampler, from small pictures and text to large pictures.
    """

    text: TextSizes = TextSizes()
    base: NetworkSizes = BASE
    upsampler: NetworkSizes = UPSAMPLER


def read_sizes(folder: Path) -> GlideSizes:
    """The sizes in a checkpoint folder's `glide.json`, or the official ones where it has no such file.

    Raises:
        InputError: The file has unknown fields, or sizes that do not fit together.
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
