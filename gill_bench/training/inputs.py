"""The data folder of a training: its examples, and a check before weights load that their files exist."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from gill_bench.datasets.caption_pairs import CaptionPair, read_pairs
from gill_bench.errors import InputError
from gill_bench.storage.paths import refuse_special
from gill_bench.training.config import TrainConfig

SPLITS = {"train": "training", "val": "validation"}
TARGETS = "clip_embs"


class PairFiles(NamedTuple):
    """A caption-image pair and its files."""

    caption: str
    picture: Path
    target: Path

    @property
    def pictures(self) -> tuple[Path, ...]:
        """The picture as a tuple, for code that takes pairs and stories."""
        return (self.picture,)


@dataclass(frozen=True, slots=True)
class Story:
    """An interleaved prompt and the picture to generate after it, which a caption describes.

    Attributes:
        segments: Texts and files of pictures, in reading order.
        caption: Caption of the target picture.
        target: File of the text encoder's vectors of that caption.
    """

    segments: tuple[str | Path, ...]
    caption: str
    target: Path

    @property
    def pictures(self) -> tuple[Path, ...]:
        """Files of the pictures, in order."""
        return tuple(segment for segment in self.segments if isinstance(segment, Path))


@dataclass(frozen=True, slots=True)
class Inputs:
    """The examples of a training.

    Attributes:
        train: Pairs of the training split.
        val: Pairs of the validation split; empty where there is none.
        stories: Interleaved prompts.
        skipped: Number of examples left out because a file of theirs does not exist.
    """

    train: list[PairFiles]
    val: list[PairFiles]
    stories: list[Story]
    skipped: int


def read_inputs(config: TrainConfig, *, targets_follow: bool = False) -> Inputs:
    """Read the lists of examples, and check that their files exist.

    Args:
        config: Configuration of the training.
        targets_follow: Whether targets may be missing, because they will be written afterwards.

    Raises:
        InputError: A list is missing or malformed, a file does not exist and `missing` is "error", or no example is
            left.
    """
    train = _pair_files(config.data, "train")
    val = _pair_files(config.data, "val") if pairs_file(config.data, "val").exists() else []
    val = val[: config.validation_limit]
    stories = read_stories(config.stories) if config.stories is not None else []
    complete = [_existing(items, config.missing, targets_follow) for items in (train, val)]
    kept_stories = _existing(stories, config.missing, targets_follow)
    left_out = len(train) + len(val) + len(stories) - sum(map(len, complete)) - len(kept_stories)
    if not complete[0] or (stories and not kept_stories):
        raise InputError(f"{config.data}: no example has all its files; expected pictures and targets beside the lists")
    return Inputs(complete[0], complete[1], kept_stories, left_out)


def pairs_file(data: Path, split: str) -> Path:
    """The list of pairs of a split: directly in the folder, or in `datasets/` as in the authors' repository."""
    name = f"cc3m_{split}.tsv"
    inner = data / "datasets" / name
    return inner if inner.is_file() else data / name


def read_stories(file: Path) -> list[Story]:
    """Read interleaved prompts: one JSON object per line, with `segments`, `target_caption` and `target`.

    A segment is a text or `{"image": FILE}`; files are relative to the folder of this file.

    Raises:
        InputError: The file is missing or malformed; the message has file and line.
    """
    try:
        refuse_special(file)
        lines = file.read_text(encoding="utf-8").split("\n")  # texts may hold other line ends, such as U+2028
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read: {error}") from error
    stories = [_story(file, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not stories:
        raise InputError(f"{file}: has no stories; expected one JSON object a line")
    return stories


def _story(file: Path, number: int, line: str) -> Story:
    where = f"{file}, line {number}"
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON: {error}") from error
    if not isinstance(record, dict) or record.keys() != {"segments", "target_caption", "target"}:
        raise InputError(f"{where}: expected an object with exactly segments, target_caption and target")
    segments, caption, target = record["segments"], record["target_caption"], record["target"]
    if not isinstance(segments, list) or not segments:
        raise InputError(f"{where}: segments = {segments!r}, expected a list of texts and pictures")
    if not isinstance(caption, str) or not caption.strip() or not isinstance(target, str):
        raise InputError(f"{where}: target_caption and target must be a text and a file name")
    parts: list[str | Path] = []
    for segment in segments:
        if isinstance(segment, str):
            parts.append(segment)
        elif isinstance(segment, dict) and segment.keys() == {"image"} and isinstance(segment["image"], str):
            parts.append(file.parent / segment["image"])
        else:
            raise InputError(f"{where}: segment {segment!r}, expected a text or {{'image': file}}")
    return Story(tuple(parts), caption, file.parent / target)


def _pair_files(data: Path, split: str) -> list[PairFiles]:
    folder = data / "cc3m" / SPLITS[split]
    pairs: list[CaptionPair] = read_pairs(pairs_file(data, split))
    return [PairFiles(caption, folder / image, folder / TARGETS / f"{image}.npy") for caption, image in pairs]


_Example = TypeVar("_Example", PairFiles, Story)


def _existing(items: Sequence[_Example], missing: str, targets_follow: bool) -> list[_Example]:
    """The examples all of whose files exist."""
    complete: list[_Example] = []
    item: _Example
    for item in items:
        files: tuple[Path, ...] = item.pictures if targets_follow else (*item.pictures, item.target)
        absent: Path | None = next((file for file in files if not file.is_file()), None)
        if absent is None:
            complete.append(item)
        elif missing == "error":
            advice = " (--text-encoder DIR writes targets)" if absent == item.target else ""
            raise InputError(f"{absent}: no such file{advice}; --missing skip leaves such examples out and counts them")
    return complete
