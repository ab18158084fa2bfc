"""Batches of examples: reading pictures (or keeping CLIP's features) and targets, ahead of the training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gill_bench.errors import InputError
from gill_bench.models.interleaved.vision import VisualEncoder
from gill_bench.progress import bar
from gill_bench.storage.arrays import read_array
from gill_bench.storage.images import UnreadablePictureError, load_image
from gill_bench.storage.paths import refuse_special
from gill_bench.training.sequences import TrainingSequence

_CACHED_AT_ONCE = 64  # pictures whose features `Source.keep` computes together


@dataclass(frozen=True, slots=True)
class StorySequences:
    """The two training sequences of a story; both begin with the same pictures."""

    captioning: TrainingSequence
    generation: TrainingSequence


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's examples of one process.

    Attributes:
        captions: Ids of the N pairs' captions, as `caption_ids` gives them.
        pictures: Preprocessed pictures (N, 3, height, width) of the pairs, or their features (N, d).
        targets: The text encoder's vectors (N + number of stories, L, width).
        stories: Training sequences of the stories.
        story_pictures: All pictures of the stories in order, preprocessed or as features.
    """

    captions: list[list[int]]
    pictures: Tensor
    targets: Tensor
    stories: list[StorySequences]
    story_pictures: Tensor


@dataclass(frozen=True, slots=True)
class Item:
    """A training example as files and ids: a pair, which has a caption, or a story, which has training sequences.

    Attributes:
        pictures: Files of the pictures, in order.
        target: File of the text encoder's vectors.
        caption: Ids of a pair's caption, as `caption_ids` gives them; None for stories.
        sequences: Training sequences of a story; None for pairs.
    """

    pictures: tuple[Path, ...]
    target: Path
    caption: list[int] | None = None
    sequences: StorySequences | None = None


class Source:
    """Reads pictures and targets from disk, each time or only once.

    Args:
        vision: Visual encoder that preprocesses the pictures.
        shape: Shape (L, width) of every target.
    """

    def __init__(self, vision: VisualEncoder, shape: tuple[int, int]) -> None:
        self._vision = vision
        self._shape = shape
        self._features: dict[Path, Tensor] = {}
        self._targets: dict[Path, Tensor] = {}

    def keep(self, items: Iterable[Item]) -> None:
        """Compute the features of all pictures, read all targets, and keep both in memory."""
        all_items = list(items)
        files = sorted({file for item in all_items for file in item.pictures} - self._features.keys())
        with bar("features", len(files), "pictures") as step:
            for begin in range(0, len(files), _CACHED_AT_ONCE):
                part = files[begin : begin + _CACHED_AT_ONCE]
                pixels = torch.stack([self.picture(file) for file in part])
                features = self._vision.features_of(pixels).clone().cpu()
                self._features |= dict(zip(part, features, strict=True))
                step(len(part))
        self._targets |= {item.target: self.target(item.target) for item in all_items}

    def picture(self, file: Path) -> Tensor:
        """Pixels (3, height, width) of a picture, or its features (d,) where `keep` computed them.

        Raises:
            InputError: The picture cannot be read.
        """
        if file in self._features:
            return self._features[file]
        try:
            return self._vision.pixels([load_image(file)])[0]
        except UnreadablePictureError as error:
            raise InputError(f"{file}: {error}; remove its line, or put the picture right") from error

    def target(self, file: Path) -> Tensor:
        """The text encoder's vectors (L, width) in the precision of the file."""
        if file in self._targets:
            return self._targets[file]
        return torch.from_numpy(read_target(file, self._shape))

    def batch(self, items: Sequence[Item]) -> Batch:
        """Put a batch together; pairs come before stories."""
        pairs = [item for item in items if item.sequences is None]
        stories = [item for item in items if item.sequences is not None]
        story_pictures = [self.picture(file) for item in stories for file in item.pictures]
        return Batch(
            captions=[item.caption for item in pairs if item.caption is not None],
            pictures=torch.stack([self.picture(item.pictures[0]) for item in pairs]),
            targets=torch.stack([self.target(item.target).float() for item in (*pairs, *stories)]),
            stories=[item.sequences for item in stories if item.sequences is not None],
            story_pictures=torch.stack(story_pictures) if story_pictures else torch.empty(0, 0),
        )


def read_target(file: Path, shape: tuple[int, int] | None = None) -> np.ndarray[tuple[int, int], np.dtype[np.floating]]:
    """Read the text encoder's vectors of one caption.

    Args:
        file: A `.npy` file.
        shape: Shape (L, width) that the vectors must have; None = any.

    Raises:
        InputError: The file does not hold such vectors, or holds some of another shape.
    """
    try:
        refuse_special(file)
        with file.open("rb") as opened:
            values = read_array(opened)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{file}: cannot be read as vectors of a text encoder: {error}") from error
    if values.ndim != 2 or values.dtype.kind != "f" or (shape is not None and values.shape != shape):
        raise InputError(
            f"{file}: {values.dtype} of shape {values.shape}, expected floats of shape {shape or '(L, width)'}, as in"
            " the other targets; write all targets with the same text encoder"
        )
    return values


class _Batches(Dataset[Batch | InputError]):
    def __init__(self, source: Source, choose: Callable[[int], Sequence[Item]], begin: int, end: int) -> None:
        self._source = source
        self._choose = choose
        self._begin = begin
        self._end = end

    def __len__(self) -> int:
        return self._end - self._begin

    def __getitem__(self, number: int) -> Batch | InputError:
        try:
            return self._source.batch(self._choose(self._begin + number))
        except InputError as error:
            return error  # raised in a worker process, it would reach the user as a traceback


def read_ahead(
    source: Source, choose: Callable[[int], Sequence[Item]], begin: int, end: int, workers: int
) -> Iterator[Batch]:
    """Batches of steps `begin` to `end`, in order.

    Raises:
        InputError: A file cannot be read.
    """
    for batch in DataLoader(_Batches(source, choose, begin, end), batch_size=None, num_workers=workers):
        if isinstance(batch, InputError):
            raise batch
        yield batch
