"""Prompts as the inputs of a vision-language model, through its own processor."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from gill_bench.errors import InputError, first_line
from gill_bench.models.writing.control import ControlTokens
from gill_bench.storage.images import rgb_of
from gill_bench.weights.checkpoints import quiet_loading
from gill_bench.weights.tensor_files import LOADING_ERRORS

if TYPE_CHECKING:
    from gill_bench.prompt import Prompt

THINKING = "enable_thinking"  # the variable by which chat templates switch thinking on
_BEFORE, _AFTER, _SYSTEM = "first words", "last words", "system words"
PROBE = Image.new("RGB", (64, 64), (90, 90, 90))
"""A picture with which the properties of a processor and network are found out."""
_TRIAL: dict[str, Any] = {
    "role": "user",
    "content": [
        {"type": "text", "text": _BEFORE},
        {"type": "image", "image": PROBE},
        {"type": "text", "text": _AFTER},
    ],
}


class ChatInputs:
    """Prompts as a chat: one user's message with texts and pictures in reading order, after an optional system message.

    Raises:
        InputError: The template cannot be rendered, or leaves out a text, a picture or the system message.
    """

    def __init__(self, processor: Any, template: str, system: str, where: str) -> None:
        self._processor = processor
        self._system = system
        self._options: dict[str, Any] = {"chat_template": template, "add_generation_prompt": True}
        if re.search(rf"\b{THINKING}\b", template):
            self._options[THINKING] = False
        self.control = ControlTokens(processor.tokenizer, _placeholders(processor), template)
        self._sanitizes = "sanitize_control_tokens" in inspect.signature(processor.apply_chat_template).parameters
        self._check(template, where)

    def alone(self, prompt: Prompt) -> bool:
        """Whether a prompt must have a pass of its own: its texts hold control tokens."""
        return any(map(self.control.within, prompt.texts))

    def __call__(self, prompts: Sequence[Prompt], pictures: Sequence[Sequence[Image.Image]], options: Any) -> Any:
        """The model's inputs of N prompts, each with its prepared pictures and the options of the image processor.

        Control tokens in texts are read as text by the library where it can (`sanitize_control_tokens`), else broken.
        """
        conversations = [self._chat(prompt, shown) for prompt, shown in zip(prompts, pictures, strict=True)]
        if not any(map(self.alone, prompts)):
            return self._apply(conversations, options)
        broken = [
            self._chat(prompt, shown, self.control.broken) for prompt, shown in zip(prompts, pictures, strict=True)
        ]
        inputs = self._apply(broken, options)
        if self._sanitizes:
            try:
                sanitized = self._apply(conversations, options, sanitize_control_tokens=True)
            except InputError:  # a template or tokenizer with which the library cannot do it
                return inputs
            if self.control.count(sanitized["input_ids"]) == self.control.count(inputs["input_ids"]):
                return sanitized
        return inputs

    def _chat(self, prompt: Prompt, pictures: Sequence[Image.Image], change: Any = str) -> list[dict[str, Any]]:
        shown = iter(pictures)
        content = [
            {"type": "text", "text": change(part)} if isinstance(part, str) else {"type": "image", "image": next(shown)}
            for part in joined(prompt.segments)
        ]
        return [*_system(change(self._system) if self._system else ""), {"role": "user", "content": content}]

    def _apply(self, conversations: Sequence[Any], options: Any, **more: Any) -> Any:
        try:
            return self._processor.apply_chat_template(
                list(conversations),
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs={"padding": True, **options},
                **self._options,
                **more,
            )
        except LOADING_ERRORS as error:
            raise InputError(f"the model's processor does not take this prompt: {first_line(error)}") from error

    def _check(self, template: str, where: str) -> None:
        chat = [*_system(_SYSTEM if self._system else ""), _TRIAL]
        try:
            text = str(self._processor.apply_chat_template(chat, tokenize=False, **self._options))
        except Exception as error:
            advice = "; it may know no system message" if self._system else ""
            raise InputError(
                f"{where}: the chat template cannot be rendered: {first_line(error)}{advice}; change `template`, or"
                ' write the prompt without one: template = "none"'
            ) from error
        if "'type'" in text or _BEFORE not in text or _AFTER not in text:
            raise InputError(
                f"{where}: the chat template leaves texts of a message out, or takes no list of texts and pictures;"
                ' expected one that walks through message["content"], or template = "none"'
            )
        if self._system and _SYSTEM not in text:
            raise InputError(f"{where}: the chat template ignores the system message; leave `system` out")


class PlainInputs:
    """Prompts as plain texts, with the processor's own placeholders for pictures.

    Some processors want a placeholder in the text for each picture; others put their single picture before the text.

    Args:
        processor: The model's processor.
        template: A chat template of the files, from which the placeholder is taken where there is one; "" for none.
    """

    def __init__(self, processor: Any, template: str) -> None:
        self._processor = processor
        self.control = ControlTokens(processor.tokenizer, _placeholders(processor))
        self.placeholder = self._find_placeholder(template)

    def alone(self, prompt: Prompt) -> bool:
        """Whether a prompt must have a pass of its own: never, as control tokens are broken in the text itself."""
        return False

    def __call__(self, prompts: Sequence[Prompt], pictures: Sequence[Sequence[Image.Image]], options: Any) -> Any:
        """The model's inputs of N prompts, each with its prepared pictures and the options of the image processor.

        Raises:
            InputError: A prompt has not exactly one picture, and the model reads no other.
        """
        if self.placeholder is None and any(len(shown) != 1 for shown in pictures):
            count = next(len(shown) for shown in pictures if len(shown) != 1)
            raise InputError(f"this model reads one picture and a text after it, but a prompt has {count} pictures")
        texts = [
            "".join(
                self.control.broken(part) if isinstance(part, str) else (self.placeholder or "")
                for part in joined(prompt.segments)
            )
            for prompt in prompts
        ]
        return self._process(texts, pictures, options)

    def _process(self, texts: Sequence[str], pictures: Sequence[Sequence[Image.Image]], options: Any) -> Any:
        shown: dict[str, Any] = {}
        if any(pictures):
            single = all(len(images) == 1 for images in pictures)
            shown["images"] = [images[0] for images in pictures] if single else [list(images) for images in pictures]
        try:
            return self._processor(text=list(texts), **shown, padding=True, return_tensors="pt", **options)
        except LOADING_ERRORS as error:
            raise InputError(f"the model's processor does not take this prompt: {first_line(error)}") from error

    def _find_placeholder(self, template: str) -> str | None:
        """The text that stands for a picture; None if the processor itself puts its picture before the text."""
        own = self._probed("")
        names = [self._from_template(template)] if template else []
        for name in (
            *names,
            getattr(self._processor, "image_token", None),
            getattr(self._processor, "boi_token", None),
        ):
            text = getattr(name, "content", name)  # some processors keep an `AddedToken`
            if isinstance(text, str) and text:
                ids = self._probed(text)
                if ids and own in ([], ids):
                    return text
        return None

    def _probed(self, placeholder: str) -> list[int]:
        """The ids of a picture with a text that begins with a placeholder; [] if that gives the picture no ids."""
        try:
            with quiet_loading("transformers"):
                ids: list[int] = self._process([f"{placeholder}a"], [[PROBE]], {})["input_ids"][0].tolist()
        except InputError:
            return []
        bare = self._processor.tokenizer("a")["input_ids"]
        return ids if len(ids) > len(bare) else []

    def _from_template(self, template: str) -> str:
        """The text by which a chat template stands for a picture."""
        try:
            text = str(self._processor.apply_chat_template([_TRIAL], chat_template=template, tokenize=False))
        except Exception:  # a template that is not used need not be sound
            return ""
        between = re.search(rf"{_BEFORE}(.*?){_AFTER}", text, re.DOTALL)
        return between[1].strip() if between else ""


def joined(segments: Sequence[Any]) -> list[Any]:
    """Segments with neighbouring texts joined by a space, as text-only models read them (`Prompt.text`)."""
    parts: list[Any] = []
    for segment in segments:
        if isinstance(segment, str) and parts and isinstance(parts[-1], str):
            parts[-1] = f"{parts[-1]} {segment}"
        else:
            parts.append(segment)
    return parts


def shrunk(image: Image.Image, max_pixels: int) -> Image.Image:
    """A picture in RGB, of at most `max_pixels` pixels with its aspect; 0 = of any size."""
    image = rgb_of(image)
    if not max_pixels or image.width * image.height <= max_pixels:
        return image
    scale = math.sqrt(max_pixels / (image.width * image.height))
    size = max(int(image.width * scale), 1), max(int(image.height * scale), 1)
    return image.resize(size, Image.Resampling.BICUBIC)


def pixel_options(processor: Any, max_pixels: int) -> dict[str, Any]:
    """Options by which an image processor itself keeps to `max_pixels`; none if it has no such limit."""
    images = processor.image_processor
    known = getattr(getattr(images, "valid_kwargs", None), "__annotations__", {})
    size = dict(images.size or {}) if max_pixels and "max_pixels" in known else {}
    if not size.get("longest_edge"):
        return {}
    limits = {"longest_edge": max_pixels, "shortest_edge": min(size.get("shortest_edge") or 0, max_pixels)}
    return {"images_kwargs": {"size": limits}}


def _system(text: str) -> list[dict[str, Any]]:
    return [{"role": "system", "content": [{"type": "text", "text": text}]}] if text else []


def _placeholders(processor: Any) -> list[str]:
    """The names of a processor's tokens for pictures, films and sounds."""
    values = [getattr(processor, name, None) for name in dir(processor) if name.endswith("_token")]
    texts = [getattr(value, "content", value) for value in values]
    return [text for text in texts if isinstance(text, str)]
