"""A task with its data and a model with its weights: found and checked, but nothing is loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from gill_bench.cards.find import ModelCard, TaskCard
from gill_bench.datasets import Context, Example, Picture, dataset
from gill_bench.datasets.controls import ControlContext, parse_context, plain_of
from gill_bench.datasets.pictures import Checked
from gill_bench.interfaces import Noise
from gill_bench.mini.embedded import NOTE_DATA, WORLD_VERSION, world_folder
from gill_bench.models import adapter, check_settings, notes_of
from gill_bench.models.described import Described, PromptKind
from gill_bench.models.execution_only import execution_only
from gill_bench.planning.candidates import CANDIDATES, CandidateContext
from gill_bench.planning.noise import example_noise
from gill_bench.planning.settings import NOISE
from gill_bench.storage.digests import digest
from gill_bench.weights.embedded import NOTE_WEIGHTS
from gill_bench.weights.find import MINI, Weights

_CONTROL_TOKENS = re.compile(
    r"</?s>|<(pad|unk|mask|bos|eos|extra_id_\d+)>|<\|\w+\|>|\[(IMG\d+|RET|PAD|UNK|CLS|SEP|MASK)\]", re.IGNORECASE
)


@dataclass(frozen=True)
class ResolvedTask:
    """A task with its data, ready to be planned or scored.

    Attributes:
        card: The card with the split, the user's settings and, on the mini world, the overrides of its `[mini]` table.
        data: The folder of the data, or "mini".
        limit: At most so many usable examples, from the start of the data; 0 for all.
        metric_weights: The folder of the metrics' backbones, or "mini".
        examples: The examples up to the limit, usable or not, in the order of the data; with their donors if a context
            of the run needs them.
        available: How many examples the data has without a limit.
        require_all_pictures: Whether an example is usable only if all its pictures are there, also unused ones.
        candidates: The pictures among which retrieval searches, each as an example; the limit does not count for them.
        references: The pictures that generated ones are compared with as a whole; the limit does not count for them.
        checked: The result of reading each of these pictures, by picture id.
        warnings: Sentences about the data that a run prints.
        others: By example, the target picture of another one (its donor): what a picture that has nothing to do with
            the prompt looks like. Empty for tasks whose metrics compare no pictures one by one.
    """

    card: TaskCard
    data: str
    limit: int
    metric_weights: str
    examples: Sequence[Example]
    available: int
    require_all_pictures: bool
    candidates: Sequence[Example]
    references: Sequence[Picture]
    checked: Mapping[str, Checked]
    warnings: tuple[str, ...] = ()
    others: Mapping[str, Picture] = field(default_factory=dict)

    def pictures(self) -> dict[str, tuple[Picture, ...]]:
        """Every picture that may be needed, once in each group: "examples", "candidates" and "references"."""
        groups = {
            "examples": (picture for example in self.examples for picture in _pictures_of(example)),
            "candidates": (picture for example in self.candidates for picture in example.pictures),
            "references": self.references,
        }
        return {name: tuple({picture.id: picture for picture in group}.values()) for name, group in groups.items()}

    def context(self, name: str) -> Context:
        """The context with a name; `candidates` is one too."""
        return CandidateContext() if name == CANDIDATES else parse_context(dataset(self.card.data.format), name)

    def examples_of(self, context: Context) -> Sequence[Example]:
        """The examples of a context: the candidates, or the examples up to the last one within the limit.

        A control context has the examples of its plain context.
        """
        if context.asks == "candidates":
            return self.candidates
        usable = 0
        for position, example in enumerate(self.examples if self.limit else ()):
            usable += not self.problem(example, plain_of(context))
            if usable == self.limit:
                return self.examples[: position + 1]
        return self.examples

    def converted_candidates(self, model: str) -> Path | None:
        """The folder with a model's embeddings of candidates, for data without the pictures; None if there is none.

        `gill-bench convert-embeddings` writes such a folder. It is in the folder of the data option `candidates`, under
        the name of the model's card: embeddings of one model mean nothing to another.
        """
        name = self.card.data.options.get("candidates")
        folder = data_folder(self.card, self.data) / str(name) / model
        return folder if name and (folder / "embeddings.json").is_file() else None

    def problem(self, example: Example, context: Context) -> str:
        """The reason why an example is not usable in a context, or "".

        In a control context it must also be usable in the plain context, so that the two have a pair.
        """
        if isinstance(context, ControlContext):
            problem = self.problem(example, context.plain) or context.problem(example, self.card.prompt)
            if problem:
                return problem
        segments = self.segments(example, context)
        if not segments:
            return f"it has none of the parts that {context.name} takes"
        needed = [part for part in segments if not isinstance(part, str)]
        if self.require_all_pictures and context.asks != "candidates":
            needed += example.pictures
        elif example.target is not None:
            needed.append(example.target)
        for picture in needed:
            if self.checked[picture.id].problem:
                return f"picture {picture.id}: {self.checked[picture.id].problem}"
        return ""

    def usable(self, context: Context) -> list[Example]:
        """The usable examples of a context, in order."""
        return [example for example in self.examples_of(context) if not self.problem(example, context)]

    def segments(self, example: Example, context: Context) -> tuple[str | Picture, ...]:
        """The text and pictures of an example's prompt, in reading order."""
        return context.segments(example, self.card.prompt)

    def noise(self, seed: int, example: Example, position: int) -> Noise:
        """The noise of a sample; `position` is the number of usable examples before its example."""
        if NOISE.of(self.card.prompt) == "shared":
            return Noise(seed, skip=position)  # as in the authors' code, one generator per seed serves all examples
        return example_noise(seed, self.card.name, example.id)

    def example_digest(self, example: Example, context: Context, position: int) -> str:
        """The SHA-256 of what a model is given for an example: texts and the content of pictures, in order."""
        parts: list[object] = [
            part if isinstance(part, str) else {"blank" if part.blank else "picture": self.checked[part.id].sha256}
            for part in self.segments(example, context)
        ]
        texts = [part for part in parts if isinstance(part, str)]
        if context.asks == "scores":
            parts.append({"options": list(example.answers)})
            texts += example.answers
        if any(_CONTROL_TOKENS.search(text) for text in texts):
            # Earlier versions read these as control tokens, so that their outputs for such texts are of other prompts.
            parts.append({"control_tokens": "text"})
        return digest([parts, position] if NOISE.of(self.card.prompt) == "shared" else parts)

    def notes(self) -> list[str]:
        """Sentences that every table of this task must say."""
        return [NOTE_DATA] if self.data == MINI else []

    def world(self) -> str:
        """The name of the data in signatures."""
        split = self.card.data.split
        return f"mini-world-{WORLD_VERSION}/{split}" if self.data == MINI else f"{self.card.data.format}/{split}"


@dataclass(frozen=True)
class ResolvedModel:
    """A model with its weights found and its settings checked, not loaded.

    Attributes:
        card: The card with the settings that the model is loaded with.
        weights: Where the weights of each component are, by the component's name.
        digests: The SHA-256 of each component's files, by its name; "adapter" for a user's own code.
        idle: Settings that do nothing with these weights, and why; `card` is without them.
        described: What the adapter knows of the model; `card` has its settings.
    """

    card: ModelCard
    weights: Mapping[str, Weights]
    digests: Mapping[str, str]
    idle: Mapping[str, str] = field(default_factory=dict)
    described: Described = field(default_factory=lambda: Described({}))

    def load(self, device: str) -> object:
        """Load the model on a device."""
        settings = check_settings(self.card)
        paths = {name: weights.path for name, weights in self.weights.items()}
        return adapter(self.card).load(paths, settings, device)

    @cached_property
    def execution_only(self) -> frozenset[str]:
        """The names of settings that change nothing that comes out."""
        return execution_only(adapter(self.card).Settings)

    def notes(self, kind: PromptKind = "text") -> list[str]:
        """Sentences that every table of this model must say, with prompts of a kind."""
        stand_ins = any(weights.stand_in for weights in self.weights.values())
        own = [*self.idle.values(), *notes_of(self.card), *filter(None, [self.described.notes.get(kind)])]
        return [*([NOTE_WEIGHTS] if stand_ins else []), *(f"{self.card.title}: {sentence}" for sentence in own)]


def _pictures_of(example: Example) -> tuple[Picture, ...]:
    """The pictures of an example, and those of its donor that may be shown in their place."""
    donor = example.donor
    return example.pictures if donor is None else (*example.pictures, *(p for p in donor.pictures if p != donor.target))


def data_folder(card: TaskCard, data: str) -> Path:
    """The folder of a task's data: the subfolder of `--data` that the card names, else `--data` itself."""
    if data == MINI:
        return world_folder() / card.data.folder
    folder = Path(data) / card.data.folder
    return folder if folder.is_dir() else Path(data)
