"""Checkpoints in the layouts of transformers and diffusers: checks that need no torch, and loading without noise."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from gill_bench.errors import InputError
from gill_bench.reading import read_json as read_json

LOADING_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,
    EOFError,
    ImportError,
    SafetensorError,
    pickle.UnpicklingError,
)
"""What transformers, diffusers, safetensors and torch raise on files that are missing, damaged or of another model."""


# In the order in which the libraries prefer them, with the names of files that hold everything.
_FORMATS = {
    ".safetensors": ("model.safetensors", "diffusion_pytorch_model.safetensors"),
    ".bin": ("pytorch_model.bin", "diffusion_pytorch_model.bin"),
}


def check_safetensors(file: Path) -> None:
    """Check that a file is as long as its header says, which a download that broke off is not.

    Raises:
        InputError: It is not, or has no such header.
    """
    size = file.stat().st_size
    try:
        with file.open("rb") as opened:
            header = int.from_bytes(opened.read(8), "little")
            if not 0 < header <= size - 8:
                raise ValueError
            tensors = json.loads(opened.read(header))
        end = max((item["data_offsets"][1] for key, item in tensors.items() if key != "__metadata__"), default=0)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise InputError(f"{file}: not a safetensors file, or cut off ({size} bytes)") from error
    if 8 + header + end != size:
        raise InputError(f"{file}: {size} bytes, but its header promises {8 + header + end}: download it again")


def check_network_files(folder: Path) -> None:
    """Check that the weights of a network are there and whole, all shards included, in the format that will be read.

    Args:
        folder: As written by `save_pretrained`.

    Raises:
        InputError: Names the file that is missing, empty or cut off.
    """
    for suffix, whole in _FORMATS.items():
        files, listings = sorted(folder.glob(f"*{suffix}")), sorted(folder.glob(f"*{suffix}.index.json"))
        if not files and not listings:
            continue
        for file in files:
            if file.stat().st_size == 0:
                raise InputError(f"{file}: empty file")
            if suffix == ".safetensors":
                check_safetensors(file)
        # A file with everything is preferred to shards, whatever a listing beside it says.
        for listing in [] if any((folder / name).is_file() for name in whole) else listings:
            for shard in _shards(listing):
                if not (folder / shard).is_file():
                    raise InputError(f"{folder / shard}: no such file, but {listing.name} lists it")
        return
    raise InputError(f"{folder}: no weights; expected a .safetensors or .bin file")


_PROJECTIONS = ("logit_scale", "text_projection.", "visual_projection.")
_OTHER_HALF = {
    "CLIPVisionModel": ("text_model.", *_PROJECTIONS),
    "CLIPVisionModelWithProjection": ("text_model.", *_PROJECTIONS),
    "CLIPTextModel": ("vision_model.", *_PROJECTIONS),
    "CLIPTextModelWithProjection": ("vision_model.", *_PROJECTIONS),
}
"""What the files of a whole CLIP hold besides one of its towers."""
_NO_WEIGHT = ".version"  # a mark that conversions of OPT from fairseq left behind


def _shards(listing: Path) -> list[str]:
    """The names of the files that a listing of shards names; none of another folder."""
    weights = read_json(listing).get("weight_map")
    names: set[str] = set()
    for name in weights.values() if isinstance(weights, dict) else [weights]:
        if not isinstance(name, str) or Path(name).name != name:
            raise InputError(f"{listing}: weight_map: {name!r:.80} is no name of a file beside it; download it again")
        names.add(name)
    return sorted(names)


def check_complete(report: Mapping[str, Collection[Any]], folder: Path, kind: str) -> None:
    """Check that files hold the weights of a network, all and no others, in their shapes.

    The loaders pass over what they do not know, and fill up with random numbers.

    Args:
        report: What `from_pretrained(..., output_loading_info=True)` returns besides the network.
        folder: Where its files are.
        kind: Its class. Of a CLIP tower the files may be those of the whole CLIP.

    Raises:
        InputError: Names the first weight that is missing, of another shape, or not of this network.
    """
    passed_over = _OTHER_HALF.get(kind, ())
    shapes = sorted(
        f"{key!r}, {tuple(found)} instead of {tuple(expected)}"
        for key, found, expected in report.get("mismatched_keys", ())
    )
    other = [
        key for key in report["unexpected_keys"] if not key.startswith(passed_over) and not key.endswith(_NO_WEIGHT)
    ]
    problems = {
        f"weights of {kind} are missing": sorted(map(repr, report["missing_keys"])),
        f"weights of {kind} are of another shape": shapes,
        f"weights are not of {kind}": sorted(map(repr, other)),
    }
    for problem, keys in problems.items():
        if keys:
            raise InputError(
                f"{folder}: {len(keys)} {problem}, the first is {keys[0]}; the files are damaged or of another model"
            )


def first_line(error: BaseException) -> str:
    """The first line of an error's message, for messages of at most three lines."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


@contextmanager
def quiet_loading(*libraries: str) -> Iterator[None]:
    """Load without progress bars and reports of keys, which the caller checks; the libraries are put back as they were.

    Args:
        *libraries: "transformers", "diffusers" or both; both if none is named.
    """
    undo: list[Callable[[], object]] = []
    for name in libraries or ("transformers", "diffusers"):
        settings = import_module(f"{name}.utils.logging")
        level = settings.get_verbosity()
        undo.append(lambda settings=settings, level=level: settings.set_verbosity(level))  # type: ignore[misc]
        settings.set_verbosity_error()
        if settings.is_progress_bar_enabled():
            undo.append(settings.enable_progress_bar)
            settings.disable_progress_bar()
    try:
        yield
    finally:
        for restore in undo:
            restore()
