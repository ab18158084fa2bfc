"""A study: the examples about which annotators are asked, each with two pictures under names that say nothing.

`study.json`, beside the votes, keeps it, so that votes can be read, exported and compared without the run and its data.
It also keeps the study's secret, from which the names of pictures are made: whoever has only the page, or a folder
that was made for annotators, cannot tell by them which side a picture is of.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gill_bench.errors import InputError
from gill_bench.storage.digests import digest
from gill_bench.storage.files import write_atomic
from gill_bench.storage.json import to_json
from gill_bench.storage.names import name_problem
from gill_bench.storage.paths import is_remote
from gill_bench.storage.reading import read_json, shorten

STUDY = "study.json"
STUDIES = "annotations"
"""The folder, in a run or beside folders of pictures, in which studies are unless another is named."""
SAME = "same"
QUESTIONS = {"relevance": "Which picture is more relevant to the text?", "realism": "Which picture is more realistic?"}
"""The questions that an annotator answers about each pair of pictures."""
GENERATED, RETRIEVED = "generated", "retrieved"
_VERSION = 1

PromptPart = str | Mapping[str, str]
"""A text, or `{"picture": ID}` for a picture of the data."""


@dataclass(frozen=True, slots=True)
class StudySide:
    """One of the two sides of a study.

    Attributes:
        name: The name of the side in votes: that of a model, or "retrieved" or "generated".
        kind: Whether its pictures were "generated" or "retrieved".
    """

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class StudyItem:
    """One example with its two pictures.

    Attributes:
        example: The example's id in the data.
        cluster: The cluster of the example, for intervals.
        prompt: The texts and pictures that annotators read, in order.
        facts: Properties of the example that exported files have, such as its category.
        sha256: SHA-256 of the picture of the first side and of the second side, as they were made.
    """

    example: str
    cluster: str
    prompt: tuple[PromptPart, ...]
    facts: Mapping[str, str]
    sha256: tuple[str, str]


@dataclass(frozen=True)
class Study:
    """The pairs of pictures that annotators see.

    Attributes:
        task: Name of the task's card.
        context: The context of the outputs, or of both sides where they differ; "" for pictures from folders.
        seed: The seed of generated pictures.
        sides: The two sides.
        items: The examples, in the order of the data.
        secret: The key of the pictures' names.
    """

    task: str
    context: str
    seed: int
    sides: tuple[StudySide, StudySide]
    items: tuple[StudyItem, ...] = field(repr=False)
    secret: str = field(default="", repr=False)

    @cached_property
    def digest(self) -> str:
        """The digest of everything that annotators are asked; votes of another digest are votes on other pictures."""
        return digest(_content(self))

    @cached_property
    def examples(self) -> frozenset[str]:
        """The ids of the examples."""
        return frozenset(item.example for item in self.items)

    @cached_property
    def sides_by_name(self) -> Mapping[str, tuple[str, str]]:
        """The example and the name of the side, by the name under which a picture is shown."""
        return {
            self.picture_name(item.example, number): (item.example, side.name)
            for item in self.items
            for number, side in enumerate(self.sides)
        }

    def picture_name(self, example: str, side: int) -> str:
        """The name under which annotators see the picture of an example's first (0) or second (1) side."""
        return self._hidden(f"side\n{side}\n{example}")

    def prompt_picture_name(self, picture: str) -> str:
        """The name under which annotators see a picture of the prompt."""
        return self._hidden(f"prompt\n{picture}")

    def _hidden(self, text: str) -> str:
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()[:24]


def study_folder(study: Study, source: Path) -> Path:
    """The folder of a study unless another is named: in the run, or in the folder of the pictures.

    Raises:
        InputError: The run is in an object store, to which votes cannot be appended.
    """
    if is_remote(source):
        raise InputError(f"{source}: votes are appended to files on this machine; name a folder for them: --votes DIR")
    names = "-".join(part for part in (study.task, study.context, *sorted(side.name for side in study.sides)) if part)
    if len(names) > 80 or name_problem(names):
        names = f"{study.task}-{digest(names)[:12]}"
    return source / STUDIES / names


def open_study(folder: Path, study: Study) -> Study:
    """The study with its secret; `study.json` is written if the folder has none yet.

    Raises:
        InputError: The folder holds a study of other examples or pictures, or cannot be written.
    """
    if (folder / STUDY).is_file():
        known = read_study(folder)
        if known.digest != study.digest:
            raise InputError(
                f"{folder}: votes on other pictures: {_difference(known, study)}; name another folder: --votes DIR"
            )
        return known
    secret = replace(study, secret=secrets.token_hex(16))
    content = {**_content(secret), "schema_version": _VERSION, "digest": secret.digest, "secret": secret.secret}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / STUDY, to_json(content, indent=1).encode())
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); name another folder: --votes DIR") from error
    return secret


def read_study(folder: Path) -> Study:
    """Read `study.json`.

    Raises:
        InputError: The file is not there, is damaged, or of another version.
    """
    file = folder / STUDY
    raw = read_json(file)
    if raw.get("schema_version") != _VERSION:
        raise InputError(f"{file}: schema_version {shorten(repr(raw.get('schema_version')))}, expected {_VERSION}")
    try:
        study = Study(
            raw["task"],
            raw["context"],
            raw["seed"],
            (StudySide(**raw["sides"][0]), StudySide(**raw["sides"][1])),
            tuple(_item(item) for item in raw["items"]),
            raw["secret"],
        )
        whole = study.digest == raw["digest"] and isinstance(study.secret, str) and len(study.secret) == 32
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise InputError(f"{file}: damaged ({type(error).__name__}: {error}); take it from a backup") from error
    if not whole:
        raise InputError(f"{file}: not as it was written (its digest differs); take it from a backup")
    return study


def studies_in(source: Path) -> list[Path]:
    """The folders of the studies in a run or in a folder of pictures; a study's own folder is its only one."""
    if (source / STUDY).is_file():
        return [source]
    return sorted(file.parent for file in source.glob(f"{STUDIES}/*/{STUDY}"))


def find_study(source: Path, task: str = "") -> Path:
    """The only study in a run, in a folder of pictures, or in the folder of a study itself.

    Args:
        source: The folder.
        task: The name of the study's task; "" for any.

    Raises:
        InputError: There is no such folder, no study in it, or several.
    """
    if not is_remote(source) and not source.is_dir():
        raise InputError(f"{source}: no such folder")
    folders = [folder for folder in studies_in(source) if not task or read_study(folder).task == task]
    if len(folders) == 1:
        return folders[0]
    if not folders:
        raise InputError(f"{source}: no votes ({STUDIES}/*/{STUDY}); name their folder with --votes DIR")
    raise InputError(f"{source}: several studies: {', '.join(map(str, folders[:4]))}; choose with --votes DIR")


def _item(raw: Mapping[str, Any]) -> StudyItem:
    first, second = raw["sha256"]
    prompt = tuple(part if isinstance(part, str) else {"picture": str(part["picture"])} for part in raw["prompt"])
    return StudyItem(str(raw["example"]), str(raw["cluster"]), prompt, dict(raw["facts"]), (str(first), str(second)))


def _content(study: Study) -> dict[str, Any]:
    return {
        "task": study.task,
        "context": study.context,
        "seed": study.seed,
        "sides": [{"name": side.name, "kind": side.kind} for side in study.sides],
        "items": [
            {
                "example": item.example,
                "cluster": item.cluster,
                "prompt": [part if isinstance(part, str) else dict(part) for part in item.prompt],
                "facts": dict(item.facts),
                "sha256": list(item.sha256),
            }
            for item in study.items
        ],
    }


def _difference(known: Study, study: Study) -> str:
    """The first difference between two studies, in words."""
    for noun, before, now in (
        ("task", known.task, study.task),
        ("context", known.context, study.context),
        ("seed", known.seed, study.seed),
        ("sides", [side.name for side in known.sides], [side.name for side in study.sides]),
        ("number of examples", len(known.items), len(study.items)),
    ):
        if before != now:
            return f"its {noun} is {shorten(str(before))}, not {shorten(str(now))}"
    changed = next(pair for pair in zip(known.items, study.items, strict=True) if pair[0] != pair[1])
    return f"example {shorten(changed[1].example)} has another text or picture"
