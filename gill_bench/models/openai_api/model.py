"""A served model: pictures and texts of prompts, one request each."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from gill_bench.errors import InputError
from gill_bench.interfaces import GeneratedImage, Noise, RefusedError
from gill_bench.models.openai_api.client import Client, Upload
from gill_bench.models.openai_api.refusals import ServerError
from gill_bench.models.openai_api.settings import Settings
from gill_bench.storage.images import UnreadablePictureError, load_image

if TYPE_CHECKING:
    from gill_bench.prompt import Prompt

_TEXT_SEED = 0


class ServedModel:
    """A model behind a server.

    Attributes:
        at_once: How many requests are made at the same time (`gill_bench.interfaces`).
    """

    def __init__(self, settings: Settings, client: Client) -> None:
        self.at_once = settings.at_once
        self._settings, self._client = settings, client
        self._facts: dict[str, Any] = {}
        self._version: str | None = None

    def generate_images(
        self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]
    ) -> list[list[GeneratedImage]]:
        """Ask for one picture per prompt and noise, each in a request of its own, since each has a seed of its own."""
        return [
            [self._picture(prompt, sample) for sample in samples]
            for prompt, samples in zip(prompts, noise, strict=True)
        ]

    def generate_texts(self, prompts: Sequence[Prompt], max_new_tokens: int, stop: Sequence[str] = ()) -> list[str]:
        """Ask for one text per prompt. Texts are cut here: servers differ in how they take stop strings."""
        return [_cut(self._text(prompt, max_new_tokens), stop) for prompt in prompts]

    def answered_by(self) -> dict[str, Any]:
        """The model's name, the server's version and the fingerprints of answers, as the server gives them."""
        if self._version is None:
            self._version = self._client.version()
        return {**self._facts, **({"version": self._version} if self._version else {})}

    def _picture(self, prompt: Prompt, noise: Noise) -> GeneratedImage:
        if noise.skip:
            raise InputError(
                'noise = "shared" needs one generator for all pictures, which no server has; use the default'
            )
        fields = self._settings.with_extra(
            {
                "model": self._settings.model,
                "prompt": _numbered(prompt, self._settings.picture_name),
                "n": 1,
                "size": self._settings.size,
                "response_format": "b64_json",
                "negative_prompt": self._settings.negative_prompt,
                "num_inference_steps": self._settings.num_inference_steps,
                "guidance_scale": self._settings.guidance_scale,
                "true_cfg_scale": self._settings.true_cfg_scale,
                "seed": noise.seed if self._settings.seed else None,
                "generator_device": self._settings.generator_device,
            }
        )
        for _ in range(self._settings.retries + 1):
            answer = self._ask_for_picture(fields, prompt.images)
            self._note(answer)
            pictures = answer.get("data")
            if isinstance(pictures, list) and pictures and isinstance(pictures[0], dict):
                if pictures[0].get("revised_prompt"):
                    self._facts["rewrites_prompts"] = True
                return GeneratedImage(self._decoded(pictures[0]))
        raise ServerError(f"answered without a picture (attempts: {self._settings.retries + 1})")

    def _ask_for_picture(self, fields: dict[str, Any], pictures: Sequence[Image.Image]) -> dict[str, Any]:
        if not pictures:
            return self._client.post("images/generations", json=fields)
        name = "image" if len(pictures) == 1 else "image[]"
        files: list[Upload] = [
            (name, (f"{number}.png", _png(picture), "image/png")) for number, picture in enumerate(pictures, start=1)
        ]
        try:
            return self._client.post("images/edits", data=_form(fields), files=files)
        except ServerError as error:
            raise ServerError(f"a prompt with {len(pictures)} pictures: {error}") from None

    def _text(self, prompt: Prompt, max_new_tokens: int) -> str:
        content = [
            {"type": "text", "text": segment} if isinstance(segment, str) else _picture_part(segment)
            for segment in prompt.segments
        ]
        system = [{"role": "system", "content": self._settings.system}] if self._settings.system else []
        fields = self._settings.with_extra(
            {
                "model": self._settings.model,
                "messages": [*system, {"role": "user", "content": content}],
                "max_tokens": max_new_tokens,
                "temperature": self._settings.temperature,
                "seed": _TEXT_SEED if self._settings.seed else None,
            }
        )
        answer = self._client.post("chat/completions", json=fields)
        self._note(answer)
        choices = answer.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        message = choice.get("message")
        message = message if isinstance(message, dict) else {}
        if choice.get("finish_reason") == "content_filter" or message.get("refusal"):
            raise RefusedError(str(message.get("refusal") or "the answer is withheld by the server's content filter"))
        text = _joined(message.get("content"))
        if text is None:
            raise ServerError(
                f"answered without a text (finish_reason {choice.get('finish_reason')!r})\n"
                "a model that thinks first needs more max_new_tokens of the task, or no thinking (the setting extra)"
            )
        return text

    def _note(self, answer: Mapping[str, Any]) -> None:
        for name in ("model", "system_fingerprint"):
            if isinstance(answer.get(name), str) and answer[name]:
                self._facts[name] = answer[name][:200]

    def _decoded(self, picture: Mapping[str, Any]) -> Image.Image:
        """The picture in an answer, which has its content in base64, or an address of it."""
        encoded, url = picture.get("b64_json"), picture.get("url")
        if not isinstance(encoded, str) and isinstance(url, str) and url.startswith("data:"):
            encoded = url.partition(",")[2]
        try:
            if isinstance(encoded, str):
                return _plain(base64.b64decode(encoded, validate=True))
            if isinstance(url, str) and url.startswith(("http://", "https://")):
                response = self._client.get(url, self._settings.timeout)
                if response is not None and response.is_success:
                    return _plain(response.content)
        except (binascii.Error, UnreadablePictureError) as error:
            raise ServerError(f"answered with a picture that cannot be read: {error}") from None
        raise ServerError("answered without a picture that can be fetched: neither b64_json nor a url that answers")


def _numbered(prompt: Prompt, name: str) -> str:
    """The text of a prompt, with a name such as "image 1" in the place of each picture.

    >>> from gill_bench.prompt import Prompt
    >>> _numbered(Prompt(("a dog .", Image.new("RGB", (1, 1)), "it runs .")), "image")
    'a dog . image 1 it runs .'
    """
    parts, count = [], 0
    for segment in prompt.segments:
        if isinstance(segment, str):
            parts.append(segment)
        else:
            count += 1
            parts.append(f"{name} {count}")
    return " ".join(parts)


def _form(fields: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a form, which has texts alone."""
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in fields.items()}


def _picture_part(picture: Image.Image) -> dict[str, Any]:
    encoded = base64.b64encode(_png(picture)).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded}"}}


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _plain(content: bytes) -> Image.Image:
    """A picture without what its file says besides pixels, such as a colour profile."""
    picture = load_image(io.BytesIO(content))
    picture.info.clear()
    return picture


def _joined(content: Any) -> str | None:
    """The text of a message: a text, or parts of which some are texts; None if there is none."""
    if isinstance(content, list):
        texts = [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
        return "".join(texts) if texts else None
    return content if isinstance(content, str) else None


def _cut(text: str, stop: Sequence[str]) -> str:
    """A text up to the first stop string; blanks before an answer are no answer.

    >>> _cut(" yes\\nno", ["\\n"]), _cut("\\nyes", ["\\n"])
    ('yes', 'yes')
    """
    text = text.lstrip()
    for word in stop:
        text = text.partition(word)[0]
    return text
