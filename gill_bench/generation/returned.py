"""What a model returned, checked: of the form that its interface says, or an error that says what to do about it.

Two kinds of errors. A value of another *form* (a NumPy array for a picture, None for a text, another number of them) is
a defect of the class, which no example is spared: the run stops at the first. A *value* that may depend on the example
(a number that is not finite, a text with half of a surrogate pair, a picture without pixels or with channels that are
not RGB) is a failure of that example.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    """A method returned a value that cannot be used, of one example."""


class WrongFormError(Exception):
    """What a method returned, in place of what, and how to put it right; without the names of model and method."""

    def __init__(self, came: str, expected: str, remedy: str = "") -> None:
        super().__init__(f"{came}, expected {expected}")
        self.remedy = remedy


class WrongValueError(Exception):
    """Likewise, of a value that may depend on the example."""


@contextmanager
def as_agreed(model: object, name: str, adapter: str, method: str) -> Iterator[None]:
    """Turn what a check below found into an error that names the class and its method.

    Args:
        model: The loaded model.
        name: Of its card.
        adapter: Of its card.
        method: Whose answer is checked.

    Raises:
        ReturnedError: The answer is of another form.
        UnusableError: A value in it cannot be used.
    """
    kind = type(model).__name__
    try:
        yield
    except WrongFormError as error:
        advice = "\n".join(
            part for part in (error.remedy, f"see: {command('doctor', _named(model, name, adapter))}") if part
        )
        raise ReturnedError(f"{name}: {kind}.{method} returned {error}\n{advice}") from error
    except WrongValueError as error:
        raise UnusableError(f"{kind}.{method} returned {error}") from error


def _named(model: object, name: str, adapter: str) -> str:
    """The model as `gill-bench doctor` takes it: by name, or as the class of a file."""
    file = file_of(type(model))
    if ".py:" not in adapter or file is None:
        return name
    here = Path.cwd()
    shown = f"./{file.relative_to(here).as_posix()}" if file.is_relative_to(here) else str(file)
    return shlex.quote(f"{shown}:{adapter.rpartition(':')[2]}")


def list_of(found: Any, count: int, kind: type, what: str, remedy: str) -> list[Any]:
    """What a model returned as a list, if it is `count` of a kind."""
    if isinstance(found, str) or not isinstance(found, Sequence):
        raise WrongFormError(described(found), f"a list of {count} {what}", remedy)
    if len(found) != count:
        raise WrongFormError(f"{len(found)} {what}", f"{count}", "return one for each, in the order of what is asked")
    strange = [item for item in found if not isinstance(item, kind)]
    if strange:
        raise WrongFormError(f"{described(strange[0])} among its {what}", kind.__name__, remedy)
    return list(found)


def pictures_of(found: Any, counts: Sequence[int]) -> list[list[GeneratedImage]]:
    """The pictures of each prompt; a bare PIL picture stands for one that is neither flagged nor truncated.

    Args:
        found: What `generate_images` returned.
        counts: How many pictures each prompt was to get.
    """
    nested = "return a list for each prompt with a picture for each noise: [[picture, ...], ...]"
    lists = list_of(found, len(counts), Sequence, "lists of pictures", nested)
    return [
        [generated(picture) for picture in _of_prompt(given, count)] for given, count in zip(lists, counts, strict=True)
    ]


def _of_prompt(found: Any, count: int) -> list[Any]:
    return list_of(found, count, object, "pictures of a prompt", "return a picture for each noise")


def generated(found: Any) -> GeneratedImage:
    """A picture as it is stored, if it is one that can be stored without a guess."""
    picture = GeneratedImage(found) if isinstance(found, Image.Image) else found
    if not isinstance(picture, GeneratedImage):
        raise WrongFormError(
            f"{described(found)} among its pictures", "a PIL picture or GeneratedImage", _to_picture(found)
        )
    image = picture.image
    if not isinstance(image, Image.Image):
        raise WrongFormError(f"{described(image)} in a GeneratedImage", "a PIL picture", _to_picture(image))
    deep = _DEEP.get(image.mode.partition(";")[0])
    if deep is not None:  # as PIL converts them, they would be black or white
        raise WrongFormError(f"a picture of mode {image.mode}", "RGB of 8 bits", deep)
    if image.mode not in _MODES or not image.width * image.height:
        raise WrongValueError(f"a picture of mode {image.mode} and size {image.size}, expected RGB")
    return GeneratedImage(image, bool(picture.flagged), bool(picture.truncated))


def texts_of(found: Any, count: int) -> list[str]:
    """The texts that `generate_texts` returned."""
    texts: list[str] = list_of(found, count, str, "texts", "return a text for each prompt, '' for no answer")
    strange = [text for text in texts if not is_encodable(text)]
    if strange:
        raise WrongValueError(f"half of a surrogate pair, which is no text: {strange[0]!r:.80}")
    return texts


def scores_of(found: Any, count: int) -> list[float]:
    """The log-likelihoods that `score_texts` returned."""
    scores = list_of(
        found,
        count,
        Real,
        "log-likelihoods",
        "return a list of floats, one for each continuation; of an array: array.tolist()",
    )
    strange = [score for score in scores if not math.isfinite(score)]
    if strange:
        raise WrongValueError(f"a log-likelihood of {strange[0]}, expected finite numbers")
    return [float(score) for score in scores]


def decisions_of(found: Any, count: int) -> list[Decision]:
    """The decisions that `decide` returned."""
    remedy = "return Decision('generate' or 'retrieve', probability of 'retrieve' in 0..1)"
    decisions: list[Decision] = list_of(found, count, Decision, "decisions", remedy)
    for item in decisions:
        known = item.label in ("generate", "retrieve") and isinstance(item.probability, Real)
        if known and math.isnan(item.probability):
            raise WrongValueError(f"{item}, expected a probability from 0 to 1")
        if not known or not 0 <= item.probability <= 1:
            raise WrongFormError(f"{item}", "'generate' or 'retrieve' with a probability from 0 to 1", remedy)
    return decisions


def vectors_of(found: Any, count: int, *, unit_length: bool) -> NDArray[np.float32]:
    """The vectors that a method returned, (count, width).

    Args:
        found: The answer.
        count: N.
        unit_length: Whether they must be L2-normalised.
    """
    expected = f"a NumPy array ({count}, width) of float32"
    if not isinstance(found, np.ndarray) or found.ndim != 2 or len(found) != count or found.dtype.kind != "f":
        raise WrongFormError(described(found), expected, _to_array(found))
    vectors: NDArray[np.float32] = found.astype(np.float32)
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


def one_width(widths: Sequence[int]) -> None:
    """Refuse vectors of several widths."""
    several = sorted(set(widths))
    if len(several) > 1:
        raise WrongFormError(f"vectors of widths {several}", "one width for all", "pool over what varies in length")


def described(value: Any) -> str:
    """A value in few words: its kind, and the shape of an array.

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
