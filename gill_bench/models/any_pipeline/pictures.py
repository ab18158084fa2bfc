"""Pictures of a prompt: in which argument a pipeline takes them, and how the text says where they stood.

| style | what the pipeline gets |
|---|---|
| in-place | a placeholder in the text where each picture stands, and the pictures as a list |
| list | all pictures in a list; the text names each where it stood, as in "image 1" |
| last | the last picture alone; the text without the others |
| strip | one picture with all pictures side by side |
| ip-adapter | all pictures as those of an IP-Adapter, which gives them no place in the text |
| none | the text alone; a prompt with pictures is refused |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from gill_bench.errors import InputError
from gill_bench.models.any_pipeline.pipeline_class import NO_DEFAULT, PipelineClass
from gill_bench.models.any_pipeline.settings import Style
from gill_bench.prompt import Prompt

if TYPE_CHECKING:
    from PIL import Image

    from gill_bench.prompt import Segment

_ARGUMENTS = ("images", "input_images", "image")
_IP_ADAPTER = "ip_adapter_image"
_OTHER_NEEDS = ("mask_image", "mask", "control_image")
_SEPARATOR = " "
_LEAST_SIDE = 64
"""Pixels; `check_image_input` of FLUX.2 in diffusers 0.42 refuses pictures with a shorter side."""
_TAGS = re.compile(r"<(?=\|?image_?\d*\|?>)|<(?=/?img>)")
"""The beginning of what some pipeline takes for the place of a picture."""


@dataclass(frozen=True)
class _Known:
    """How a class takes several pictures.

    Attributes:
        style: The style that suits the class.
        name: How the text names picture k, as a format.
        nested: Whether the class takes one list of pictures for each prompt of a list.
    """

    style: Style
    name: str
    nested: bool = False


_KNOWN = {
    "OmniGenPipeline": _Known("in-place", "<img><|image_{}|></img>", nested=True),
    "Flux2Pipeline": _Known("list", "image {}"),
    "Flux2KleinPipeline": _Known("list", "image {}"),
    "Flux2KleinKVPipeline": _Known("list", "image {}"),
    "QwenImageEditPlusPipeline": _Known("list", "Picture {}"),
    "QwenImage21Pipeline": _Known("list", "<image{}>"),
    "GlmImagePipeline": _Known("list", "image {}", nested=True),
    "ZImageOmniPipeline": _Known("list", "image {}"),
    "JoyImageEditPlusPipeline": _Known("list", "image {}", nested=True),
}
"""Classes that read several pictures. All others with an argument for pictures get the last one."""
_USUAL = _Known("last", "image {}")
_WITHOUT = ("DreamLitePipeline", "DreamLiteMobilePipeline", "BriaFibo2Pipeline", "JoyImageEditPlusPipeline")
_EDITORS = re.compile(r"Edit|Img2Img|I2I|Pix2Pix|Inpaint|Upscale|Image2Image|Layered|Fill|Redux")


@dataclass(frozen=True)
class PictureReader:
    """How one pipeline is given the pictures of a prompt.

    Attributes:
        style: The style.
        argument: The name of the argument that takes the pictures; "" for the style "none".
        name: How the text names picture k, as a format.
        nested: Whether prompts and pictures are given as lists with one entry a prompt.
        needs_picture: Whether the pipeline cannot be called without a picture.
    """

    style: Style
    argument: str
    name: str
    nested: bool
    needs_picture: bool

    @property
    def reduced(self) -> str:
        """A sentence about what is lost of a prompt with several pictures; "" if nothing is."""
        if self.style == "last":
            return "of the pictures of a prompt, only the last was read (images = 'last')"
        return (
            "the pictures of a prompt were read as one, side by side (images = 'strip')"
            if self.style == "strip"
            else ""
        )

    def arguments(self, prompt: Prompt) -> dict[str, Any]:
        """The arguments of a call that hold a prompt's text and pictures.

        Raises:
            InputError: The prompt has pictures and the style is "none", or it has none and the pipeline needs one.
        """
        if prompt.images and self.style == "none":
            raise InputError(f"a prompt holds {len(prompt.images)} picture(s), but this model reads text alone")
        if not prompt.images and self.needs_picture:
            raise InputError("a prompt holds no picture, but this pipeline cannot be called without one")
        segments = self._reduced(prompt)
        pictures = [large_enough(segment) for segment in segments if not isinstance(segment, str)]
        numbers = count(1)
        named = self.style in ("in-place", "list") or "<|image" in self.name
        words = [
            without_tags(segment) if isinstance(segment, str) else self.name.format(next(numbers))
            for segment in segments
            if isinstance(segment, str) or named
        ]
        text = _SEPARATOR.join(words)
        arguments: dict[str, Any] = {"prompt": [text] if self.nested else text}
        if pictures:
            arguments[self.argument] = self._given(pictures)
        return arguments

    def _reduced(self, prompt: Prompt) -> list[Segment]:
        """The segments of a prompt with as many pictures as the style gives: one at the place of the last, or all."""
        segments: list[Segment] = list(prompt.segments)
        if self.style not in ("last", "strip") or not prompt.images:
            return segments
        last = max(index for index, segment in enumerate(segments) if not isinstance(segment, str))
        if self.style == "strip":
            segments[last] = strip(list(prompt.images))
        return [segment for index, segment in enumerate(segments) if isinstance(segment, str) or index == last]

    def _given(self, pictures: list[Image.Image]) -> Any:
        if self.style == "ip-adapter" or self.nested:
            return [pictures]
        return pictures if self.style == "list" else pictures[0]


def picture_reader(pipeline: PipelineClass, style: Style | None, *, ip_adapter: bool) -> PictureReader:
    """How a pipeline is given pictures: in the style that the user chose, or else (None) in that which suits its class.

    Raises:
        InputError: The class cannot take pictures in this style.
    """
    argument = next((name for name in _ARGUMENTS if name in pipeline.defaults), "")
    known = _KNOWN.get(pipeline.name, _USUAL)
    needs = bool(argument) and (pipeline.defaults[argument] is NO_DEFAULT or _is_editor(pipeline.name))
    chosen = style or ("ip-adapter" if ip_adapter else known.style if argument else "none")
    if chosen == "none" and needs:
        raise InputError(f"images = 'none': {pipeline.name} cannot be called without a picture; leave the setting out")
    if chosen == "ip-adapter":
        if not ip_adapter:
            raise InputError("images = 'ip-adapter' needs an IP-Adapter; name its weights in [weights.ip_adapter]")
        if _IP_ADAPTER not in pipeline.defaults:
            raise InputError(f"[weights.ip_adapter]: {pipeline.name} takes no {_IP_ADAPTER}")
        return PictureReader(chosen, _IP_ADAPTER, known.name, nested=False, needs_picture=True)
    if ip_adapter:
        raise InputError(f"images = {chosen!r} leaves the IP-Adapter without pictures; use images = 'ip-adapter'")
    if chosen != "none" and not argument:
        raise InputError(f"images = {chosen!r}: {pipeline.name} takes no pictures; leave the setting out")
    if (chosen == "in-place") != (known.style == "in-place") and chosen in ("in-place", "list"):
        raise InputError(f"images = {chosen!r}: {pipeline.name} reads no pictures in this way; use {known.style!r}")
    return PictureReader(chosen, argument if chosen != "none" else "", known.name, known.nested, needs)


def large_enough(picture: Image.Image) -> Image.Image:
    """A picture, enlarged if a side has less than 64 pixels, below which some pipelines refuse it."""
    side = min(picture.size)
    if side >= _LEAST_SIDE:
        return picture
    return picture.resize((-(-picture.width * _LEAST_SIDE // side), -(-picture.height * _LEAST_SIDE // side)))


def strip(pictures: list[Image.Image]) -> Image.Image:
    """Pictures side by side, in their order, all as high as the lowest of them."""
    from PIL import Image

    height = min(picture.height for picture in pictures)
    scaled = [picture.resize((max(1, round(picture.width * height / picture.height)), height)) for picture in pictures]
    whole = Image.new("RGB", (sum(picture.width for picture in scaled), height))
    left = 0
    for picture in scaled:
        whole.paste(picture, (left, 0))
        left += picture.width
    return whole


def without_tags(text: str) -> str:
    """A text in which nothing stands for a picture.

    >>> without_tags("see <|image_1|> and <image2> here <b>")
    'see < |image_1|> and < image2> here <b>'
    """
    return _TAGS.sub("< ", text)


def _is_editor(name: str) -> bool:
    return name not in _WITHOUT and _EDITORS.search(name) is not None
