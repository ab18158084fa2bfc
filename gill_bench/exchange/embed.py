"""Embedding pictures of one's own with a model, for retrieval (docs/retrieval.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from gill_bench.datasets.listed_pictures import ListedPicture
from gill_bench.embeddings.parts import LeftOutPicture, PartialEmbeddings
from gill_bench.embeddings.store import write_embeddings
from gill_bench.errors import GillBenchError, InputError, memory_ran_out
from gill_bench.generation.calls import usual_batch_size
from gill_bench.generation.reasons import reason_of
from gill_bench.generation.returned import check_equal_widths, name_method_in_errors, vectors_of
from gill_bench.interfaces import ImageRetriever
from gill_bench.planning.resolved import ResolvedModel
from gill_bench.progress import bar, say
from gill_bench.storage.digests import digest
from gill_bench.storage.images import RULE, UnreadablePictureError, load_image
from gill_bench.storage.json import from_json, to_json
from gill_bench.storage.read_ahead import read_ahead

PART = 256
"""The number of pictures that are embedded before they are stored; a kill loses at most so many."""
LEFT_OUT = "left-out.jsonl"
"""The file, beside the embeddings, of the pictures that could not be read: a path and a reason on each line."""
METHOD = "embed_images"


class EmbeddedPictures(NamedTuple):
    """The result of `embed`: how many pictures have an embedding, which have none, and whether all was there before."""

    embedded: int
    left_out: list[LeftOutPicture]
    was_finished: bool


def embed(
    model: ResolvedModel, pictures: Sequence[ListedPicture], out: Path, *, device: str, batch_size: int = 0
) -> EmbeddedPictures:
    """Embed pictures with a model, and write a folder like that of `gill-bench convert-embeddings`.

    The work goes on where an earlier call with the same model and pictures was ended. Pictures that cannot be read are
    left out, and listed in `LEFT_OUT`.

    Args:
        model: The model, not loaded; it is loaded only if there is something to embed.
        pictures: The pictures, in the order of the embeddings.
        out: The folder; until it is whole, the parts are in `OUT.parts` beside it.
        device: The torch device.
        batch_size: Pictures in a call of the model; 0 for the usual number.

    Raises:
        GillBenchError: The model raised an exception, or returned something else than embeddings.
        InputError: The model embeds no pictures, no picture could be read, the folder is of another request, or
            another process works in it.
    """
    if "image-retriever" not in model.card.capabilities:
        able = ", ".join(model.card.capabilities)
        raise InputError(
            f"{model.card.name}: embeds no pictures (it is: {able});"
            f" expected an image-retriever, which has {METHOD}; gill-bench list names those that there are"
        )
    sources = sources_of(model, pictures, device)
    parts = PartialEmbeddings(out, sources, PART)
    numbers = range(-(-len(pictures) // PART))
    was_finished = parts.is_finished()
    if not was_finished or parts.is_begun():
        with parts.only_process():
            if not parts.is_finished():
                parts.begin()
                lacking = [number for number in numbers if not parts.has(number)]
                if lacking:
                    _embed_parts(model, pictures, parts, lacking, device, batch_size)
                _join(parts, numbers, pictures, out, sources)
            parts.remove()
    left_out = _read_left_out(out / LEFT_OUT)
    return EmbeddedPictures(len(pictures) - len(left_out), left_out, was_finished)


def sources_of(model: ResolvedModel, pictures: Sequence[ListedPicture], device: str) -> list[dict[str, str]]:
    """Name and SHA-256 of all that decides the embeddings: weights and code, settings, and the list of pictures.

    A picture counts by its path and the size of its file, because reading all of them takes as long as embedding them.
    """
    card = model.card
    settings = {name: value for name, value in card.settings.items() if name not in model.execution_only}
    # The kind of device counts, because settings that are "auto" stand for another precision on another kind.
    signature = [card.adapter, settings, dict(model.described.facts), RULE, device.partition(":")[0]]
    files = [[path, file.stat().st_size if file is not None else None] for path, file in pictures]
    return [
        *({"name": f"{card.name}/{name}", "sha256": content} for name, content in sorted(model.digests.items())),
        {"name": f"{card.name}: settings and kind of device", "sha256": digest(signature)},
        {"name": "pictures", "sha256": digest(files)},
    ]


def _embed_parts(
    model: ResolvedModel,
    pictures: Sequence[ListedPicture],
    parts: PartialEmbeddings,
    numbers: Sequence[int],
    device: str,
    batch_size: int,
) -> None:
    say(f"{model.card.name}: loading")
    loaded = model.load(device)
    if not callable(getattr(loaded, METHOD, None)):
        raise InputError(f"{model.card.name}: {type(loaded).__name__} has no method {METHOD}")
    blocks = [pictures[number * PART : (number + 1) * PART] for number in numbers]
    total = sum(map(len, blocks))
    if total < len(pictures):
        say(f"{len(pictures) - total} of {len(pictures)} pictures were done before")
    read = read_ahead(_read, (picture for block in blocks for picture in block))
    size = batch_size or usual_batch_size("candidates", PART, device)
    with bar("embedding", total, "pictures") as step:
        for number, block in zip(numbers, blocks, strict=True):
            vectors, left_out = _embed_block(loaded, model, islice(read, len(block)), size)
            parts.write(number, vectors, left_out)
            step(len(block))


def _embed_block(
    loaded: object, model: ResolvedModel, results: Iterator[Image | LeftOutPicture], size: int
) -> tuple[NDArray[np.float32], list[LeftOutPicture]]:
    """Embed the pictures of a part, and keep no more of them in memory than the model is given in one call."""
    left_out: list[LeftOutPicture] = []

    def readable() -> Iterator[Image]:
        for result in results:
            if isinstance(result, LeftOutPicture):
                left_out.append(result)
            else:
                yield result

    arrays: list[NDArray[np.float32]] = []
    images = readable()
    while batch := list(islice(images, size)):
        with name_method_in_errors(loaded, model.card.name, model.card.adapter, METHOD):
            returned = _call(loaded, model.card.name, batch)
            arrays.append(vectors_of(returned, len(batch), unit_length=True))
            check_equal_widths([array.shape[1] for array in arrays])
    return np.concatenate(arrays) if arrays else np.zeros((0, 0), np.float32), left_out


def _call(loaded: object, name: str, batch: Sequence[Image]) -> object:
    """Return the model's answer; an exception that it raises is named as that of the model."""
    try:
        return cast(ImageRetriever, loaded).embed_images(batch)
    except GillBenchError:
        raise
    except Exception as error:
        if memory_ran_out(error):
            raise
        reason = reason_of(error, loaded)
        where = f" ({reason.where})" if reason.where else ""
        raise GillBenchError(
            f"{name}: {type(loaded).__name__}.{METHOD} raised {reason}{where}\n"
            "put it right and run the same command again, which goes on; with --debug it prints the traceback"
        ) from error


def _read(picture: ListedPicture) -> Image | LeftOutPicture:
    if picture.file is None:
        return LeftOutPicture(picture.path, "not there")
    try:
        return load_image(picture.file)
    except UnreadablePictureError as error:
        return LeftOutPicture(picture.path, str(error))


def _join(
    parts: PartialEmbeddings,
    numbers: Sequence[int],
    pictures: Sequence[ListedPicture],
    out: Path,
    sources: Sequence[dict[str, str]],
) -> None:
    """Write the finished folder from all parts."""
    left_out = [picture for number in numbers for picture in parts.left_out(number)]
    if len(left_out) == len(pictures):
        parts.remove()
        path, reason = left_out[0]
        raise InputError(f"none of {len(pictures)} pictures could be read; the first: {path}: {reason}")
    without = {picture.path for picture in left_out}

    def blocks() -> Iterator[NDArray[np.float32]]:
        for number in numbers:
            vectors = parts.vectors(number)
            if len(vectors):
                yield vectors

    lines = "".join(to_json(picture._asdict()) + "\n" for picture in left_out)
    more = {LEFT_OUT: lines.encode()} if left_out else {}
    paths = [picture.path for picture in pictures if picture.path not in without]
    write_embeddings(out, blocks(), paths, sources, more=more)


def _read_left_out(file: Path) -> list[LeftOutPicture]:
    if not file.is_file():
        return []
    return [LeftOutPicture(**from_json(line)) for line in file.read_text(encoding="utf-8").splitlines()]
