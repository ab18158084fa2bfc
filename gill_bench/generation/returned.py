"""Checks of what a model returned: it has the form that its interface says, or an error says what to do about it.

There are two kinds of errors. A value of another *form* (a NumPy array for a picture, None for a text, another number
of them) is a defect of the model's class and would meet every example: the run stops at the first. A *value* that may
depend on the example (a number that is not finite, a text with half of a surrogate pair, a picture without pixels or
with channels that are not RGB) is a failure of that example.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gill_bench.datasets.files import is_encodable
from gill_bench.errors import GillBenchError, command
from gill_bench.interfaces import Decision, GeneratedImage
from gill_bench.models.class_adapter import file_of

UNIT_LENGTH_TOLERANCE = 1e-2
"""An embedding's length may differ from 1 by this: an adapter may normalise in bfloat16."""

_MODES = frozenset({"RGB", "RGBA", "RGBX", "L", "LA", "P", "1"})
_DEEP = {
    "F": "scale it first: Image.fromarray((array * 255).round().astype('uint8')), where the array is in 0..1",
    "I": "scale it to 8 bits first: Image.fromarray((array // 257).astype('uint8')), where white is 65535",
}


class ReturnedError(GillBenchError):
    """A method returned something of another form than its interface says: a defect of the class."""


class UnusableError(GillBenchError):
    """A method returned a value for an example that cannot be used."""


class WrongFormError(Exception):
    """A value has another form than expected; the message does not name the model and the method.

    Attributes:
        remedy: A sentence that says how to return the expected form, or "".
    """

    def __init__(self, returned: str, expected: str, remedy: str = "") -> None:
        super().__init__(f"{returned}, expected {expected}")
        self.remedy = remedy


class WrongValueError(Exception):
    """A value that may depend on the example cannot be used; the message does not name the model and the method."""


@contextmanager
def name_method_in_errors(model: object, name: str, adapter: str, method: str) -> Iterator[None]:
    """Turn an error of the checks below into one that names the model's class and its method.

    Args:
        model: The loaded model.
        name: The name of the model's card.
        adapter: The adapter on the model's card.
        method: The method that returned the checked value.

    Raises:
        ReturnedError: The returned value has another form.
        UnusableError: A value in it cannot be used.
    """
    kind = type(model).__name__
    try:
        yield
    except WrongFormError as error:
        see = f"see: {command('doctor', _name_for_doctor(model, name, adapter))}"
        advice = "\n".join(part for part in (error.remedy, see) if part)
        raise ReturnedError(f"{name}: {kind}.{method} returned {error}\n{advice}") from error
    except WrongValueError as error:
        raise UnusableError(f"{kind}.{method} returned {error}") from error


def _name_for_doctor(model: object, name: str, adapter: str) -> str:
    """The model as an argument of `gill-bench doctor`: the name of its card, or FILE:CLASS."""
    file = file_of(type(model))
    if ".py:" not in adapter or file is None:
        return name
    folder = Path.cwd()
    shown = f"./{file.relative_to(folder).as_posix()}" if file.is_relative_to(folder) else str(file)
    return shlex.quote(f"{shown}:{adapter.rpartition(':')[2]}")


def _list_of(returned: Any, count: int, kind: type, items: str, remedy: str) -> list[Any]:
    """The returned sequence as a list of `count` values of one kind, which `items` calls by a word."""
    if isinstance(returned, str) or not isinstance(returned, Sequence):
        raise WrongFormError(described(returned), f"a list of {count} {items}", remedy)
    if len(returned) != count:
        raise WrongFormError(
            f"{len(returned)} {items}", f"{count}", "return one for each, in the order of the arguments"
        )
    wrong = [item for item in returned if not isinstance(item, kind)]
    if wrong:
        raise WrongFormError(f"{described(wrong[0])} among its {items}", kind.__name__, remedy)
    return list(returned)


def pictures_of(returned: Any, counts: Sequence[int]) -> list[list[GeneratedImage]]:
    """The pictures of each prompt; a bare PIL picture stands for one that is neither flagged nor truncated.

    Args:
        returned: The value that `generate_images` returned.
        counts: How many pictures each prompt should get.

    Raises:
        WrongFormError, WrongValueError: The value is no such list of lists, or has a picture that cannot be stored.
    """
    nested = "return a list for each prompt with a picture for each noise: [[picture, ...], ...]"
    lists = _list_of(returned, len(counts), Sequence, "lists of pictures", nested)
    remedy = "return a picture for each noise"
    return [
        [_picture(picture) for picture in _list_of(pictures, count, object, "pictures of a prompt", remedy)]
        for pictures, count in zip(lists, counts, strict=True)
    ]


def _picture(returned: Any) -> GeneratedImage:
    """A picture as it is stored; an error if storing it would need a guess."""
    picture = GeneratedImage(returned) if isinstance(returned, Image.Image) else returned
    if not isinstance(picture, GeneratedImage):
        raise WrongFormError(
            f"{described(returned)} among its pictures", "a PIL picture or GeneratedImage", _to_picture(returned)
        )
    image = picture.image
    if not isinstance(image, Image.Image):
        raise WrongFormError(f"{described(image)} in a GeneratedImage", "a PIL picture", _to_picture(image))
    deep = _DEEP.get(image.mode.partition(";")[0])
    if deep is not None:  # PIL would convert the picture to one that is black or white
        raise WrongFormError(f"a picture of mode {image.mode}", "RGB of 8 bits", deep)
    if image.mode not in _MODES or not image.width * image.height:
        raise WrongValueError(f"a picture of mode {image.mode} and size {image.size}, expected RGB")
    return replace(picture, flagged=bool(picture.flagged), truncated=bool(picture.truncated))


def texts_of(returned: Any, count: int) -> list[str]:
    """The texts that `generate_texts` returned; errors as in `pictures_of`."""
    texts: list[str] = _list_of(returned, count, str, "texts", "return a text for each prompt, '' for no answer")
    wrong = [text for text in texts if not is_encodable(text)]
    if wrong:
        raise WrongValueError(f"half of a surrogate pair, which is no text: {wrong[0]!r:.80}")
    return texts


def scores_of(returned: Any, count: int) -> list[float]:
    """The log-likelihoods that `score_texts` returned; errors as in `pictures_of`."""
    scores = _list_of(
        returned,
        count,
        Real,
        "log-likelihoods",
        "return a list of floats, one for each continuation; of an array: array.tolist()",
    )
    wrong = [score for score in scores if not math.isfinite(score)]
    if wrong:
        raise WrongValueError(f"a log-likelihood of {wrong[0]}, expected finite numbers")
    return [float(score) for score in scores]


def decisions_of(returned: Any, count: int) -> list[Decision]:
    """The decisions that `decide` returned; errors as in `pictures_of`."""
    remedy = "return Decision('generate' or 'retrieve', probability of 'retrieve' in 0..1)"
    decisions: list[Decision] = _list_of(returned, count, Decision, "decisions", remedy)
    for item in decisions:
        known = item.label in ("generate", "retrieve") and isinstance(item.probability, Real)
        if known and math.isnan(item.probability):
            raise WrongValueError(f"{item}, expected a probability from 0 to 1")
        if not known or not 0 <= item.probability <= 1:
            raise WrongFormError(f"{item}", "'generate' or 'retrieve' with a probability from 0 to 1", remedy)
    return decisions


def vectors_of(returned: Any, count: int, *, unit_length: bool) -> NDArray[np.float32]:
    """The vectors that a method returned, (count, width), float32; errors as in `pictures_of`.

    Args:
        returned: The value that the method returned.
        count: How many vectors were expected.
        unit_length: Whether the vectors must be L2-normalised.
    """
    expected = f"a NumPy array ({count}, width) of float32"
    if (
        not isinstance(returned, np.ndarray)
        or returned.ndim != 2
        or len(returned) != count
        or returned.dtype.kind != "f"
    ):
        raise WrongFormError(described(returned), expected, _to_array(returned))
    vectors: NDArray[np.float32] = returned.astype(np.float32)
    if not np.isfinite(vectors).all():
        raise WrongValueError("vectors that are not finite; are its weights damaged?")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    if unit_length and len(lengths) and np.abs(lengths - 1).max() > UNIT_LENGTH_TOLERANCE:
        worst = lengths[np.abs(lengths - 1).argmax()]
        if not worst:
            raise WrongValueError("an embedding of zeros, which has no direction")
        raise WrongFormError(
            f"an embedding of length {worst:.3g}",
            "L2-normalised ones",
            "normalise them: vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)",
        )
    return vectors


def check_equal_widths(widths: Sequence[int]) -> None:
    """Raise a `WrongFormError` if the vectors of a unit have several widths."""
    distinct = sorted(set(widths))
    if len(distinct) > 1:
        raise WrongFormError(f"vectors of widths {distinct}", "one width for all", "pool over what varies in length")


def described(value: Any) -> str:
    """The kind of a value in words, with the shape of an array.

    >>> described(None), described(np.zeros((2, 3), np.float16))
    ('None', 'a NumPy array (2, 3) of float16')
    """
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"a NumPy array {value.shape} of {value.dtype}"
    if _is_tensor(value):
        return f"a tensor {tuple(value.shape)} of {value.dtype}"
    return type(value).__name__


def _is_tensor(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "shape")


def _to_picture(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return "convert it: PIL.Image.fromarray(array), of uint8 (height, width, 3)"
    if _is_tensor(value):
        return "convert it: torchvision.transforms.functional.to_pil_image(tensor), of floats in 0..1"
    if isinstance(value, str | Path):
        return "open it: PIL.Image.open(file)"
    return "return the PIL picture, or GeneratedImage(picture, flagged=..., truncated=...)"


def _to_array(value: Any) -> str:
    if _is_tensor(value):
        return "convert it: tensor.float().cpu().numpy()"
    if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind in "iub":
        return "convert it: array.astype('float32')"
    return "return one vector for each, in one array: numpy.stack(vectors).astype('float32')"
