"""The `[settings]` of the card of a served model."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gill_bench.models.execution_only import EXECUTION_ONLY


def _without_secrets(url: str) -> str:
    """Check that an address is one of a server, and holds neither a password nor a query, which may be a key."""
    import httpx

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"no address: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("expected the address of a server, such as http://127.0.0.1:8000/v1")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ValueError(
            "expected an address without user, password, query and fragment; a key comes from key_variable"
        )
    return url.rstrip("/")


class Settings(BaseModel):
    """The settings of a served model. A setting that is left out is not sent: the server's own default holds.

    Attributes:
        model: The model's name, as the server knows it.
        seed: Whether requests have a `seed`: that of each picture's noise; 0 for texts. False for servers that take
            none; what they answer is not repeatable, which rows and tables say.
        generator_device: Of vllm-omni: the device that draws the noise; "cpu" draws that of diffusers on a CPU.
        size: Width and height of generated pictures, in pixels.
        num_inference_steps: Denoising steps.
        guidance_scale: Classifier-free guidance, or the guidance of a distilled model.
        true_cfg_scale: Classifier-free guidance of models that have both.
        negative_prompt: What a generated picture is to be unlike.
        picture_name: The words that stand in the prompt of a generated picture where a picture stood, before its
            number.
        system: The system message of a chat.
        temperature: The temperature of a chat; 0 takes the likeliest token.
        extra: A JSON object with further fields of each request, such as {"quality": "high"}; null takes a field out.
        url: The server's address, up to the version.
        key_variable: The environment variable that holds the server's key. The key is neither stored nor shown.
        at_once: How many requests are made at the same time.
        per_minute: How many requests are made in a minute, at most, by each worker; 0 for no limit.
        timeout: Seconds after which a request without an answer counts as failed.
        retries: How often a failed request is repeated, with growing pauses.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[str, Field(min_length=1)]
    seed: bool = True
    generator_device: str = ""
    size: Annotated[str, Field(pattern=r"^[1-9]\d{0,4}x[1-9]\d{0,4}$")] = "1024x1024"
    num_inference_steps: Annotated[int | None, Field(gt=0)] = None
    guidance_scale: float | None = None
    true_cfg_scale: float | None = None
    negative_prompt: str = ""
    picture_name: str = "image"
    system: str = ""
    temperature: Annotated[float, Field(ge=0)] = 0.0
    extra: str = ""
    url: Annotated[str, EXECUTION_ONLY] = "http://127.0.0.1:8000/v1"
    key_variable: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"), EXECUTION_ONLY] = "OPENAI_API_KEY"
    at_once: Annotated[int, Field(gt=0, le=1024), EXECUTION_ONLY] = 4
    per_minute: Annotated[int, Field(ge=0), EXECUTION_ONLY] = 0
    timeout: Annotated[float, Field(gt=0), EXECUTION_ONLY] = 300.0
    retries: Annotated[int, Field(ge=0, le=100), EXECUTION_ONLY] = 5

    _address = field_validator("url")(_without_secrets)

    @field_validator("extra")
    @classmethod
    def _is_an_object(cls, text: str) -> str:
        try:
            fields = json.loads(text or "{}")
        except ValueError as error:
            raise ValueError(f"expected a JSON object: {error}") from error
        if not isinstance(fields, dict):
            raise ValueError('expected a JSON object, such as {"quality": "high"}')
        return text

    def with_extra(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of a request with those of `extra`; those that are None or "" are left out.

        >>> Settings(model="m", extra='{"n": null, "quality": "high"}').with_extra({"n": 1, "seed": None})
        {'quality': 'high'}
        """
        merged = {**fields, **json.loads(self.extra or "{}")}
        return {name: value for name, value in merged.items() if value is not None and value != ""}
