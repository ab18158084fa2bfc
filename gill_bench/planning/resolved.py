"""What was asked, resolved and checked: a task with its data, a model with its weights; nothing is loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gill_bench.cards.find import ModelCard, TaskCard
from gill_bench.datasets import Context, Example, Picture, dataset
from gill_bench.datasets.pictures import Checked
from gill_bench.interfaces import Noise
from gill_bench.mini.embedded import NOTE_DATA, WORLD_VERSION, world_folder
from gill_bench.models import adapter, check_settings
from gill_bench.planning.candidates import CANDIDATES, CandidateContext
from gill_bench.planning.noise import example_noise, shared_noise
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
        card: As resolved: with the split, the settings and, on the mini world, its overrides.
        data: "mini", or the folder.
        limit: At most so many examples that can be asked, from the start of the data; 0 for all.
        metric_weights: "mini", or the folder in which the metrics' backbones are.
        examples: The examples asked for, in the order of the data, with those among them that cannot be asked.
        available: How many there are without a limit.
        candidates: The pictures among which retrieval searches, each as an example of its own; all, whatever the limit.
        references: The pictures that generated ones are compared with as a whole; likewise.
        checked: What reading all these pictures told.
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

    def pictures(self) -> dict[str, tuple[Picture, ...]]:
        """Every picture that may be needed, by what it is for: "examples", "candidates", "references"; each once."""
        groups = {
            "examples": (picture for example in self.examples for picture in example.pictures),
            "candidates": (picture for example in self.candidates for picture in example.pictures),
            "references": self.references,
        }
        return {name: tuple({picture.id: picture for picture in group}.values()) for name, group in groups.items()}

    def context(self, name: str) -> Context:
        """A context of this task's data by name."""
        return CandidateContext() if name == CANDIDATES else dataset(self.card.data.format).context(name)

    def examples_of(self, context: Context) -> Sequence[Example]:
        """What is asked in a context: the candidates, or the examples up to the last one that the limit admits."""
        if context.asks == "candidates":
            return self.candidates
        usable = 0
        for place, example in enumerate(self.examples if self.limit else ()):
            usable += not self.problem(example, context)
            if usable == self.limit:
                return self.examples[: place + 1]
        return self.examples

    def converted_candidates(self, model: str) -> Path | None:
        """The folder of a model's embeddings of candidates whose pictures are not here, if there is one.

        It is what `gill-bench convert-embeddings` writes, in the folder of the data option `candidates`, under the name
        of the model's card: embeddings of one model mean nothing to another.
        """
        name = self.card.data.options.get("candidates")
        folder = data_folder(self.card, self.data) / str(name) / model
        return folder if name and (folder / "embeddings.json").is_file() else None

    def problem(self, example: Example, context: Context) -> str:
        """Why an example cannot be asked in a context, or ""."""
        needed = [part for part in self.segments(example, context) if not isinstance(part, str)]
        if self.require_all_pictures and context.asks != "candidates":
            needed += example.pictures
        elif example.target is not None:
            needed.append(example.target)
        for picture in needed:
            if self.checked[picture.id].problem:
                return f"picture {picture.id}: {self.checked[picture.id].problem}"
        return ""

    def usable(self, context: Context) -> list[Example]:
        """The examples that can be asked in a context, in order."""
        return [example for example in self.examples_of(context) if not self.problem(example, context)]

    def segments(self, example: Example, context: Context) -> tuple[str | Picture, ...]:
        """Text and pictures of an example's prompt, in reading order."""
        return context.segments(example, self.card.prompt)

    def noise(self, seed: int, example: Example, place: int) -> Noise:
        """The noise of a sample; `place` counts the usable examples before it."""
        if self.card.prompt.get("noise") == "shared":
            return shared_noise(seed, place)
        return example_noise(seed, self.card.name, example.id)

    def example_digest(self, example: Example, context: Context, place: int) -> str:
        """SHA-256 over what a model is given for an example: texts and the content of pictures, in order."""
        parts: list[object] = [
            part if isinstance(part, str) else {"picture": self.checked[part.id].sha256}
            for part in self.segments(example, context)
        ]
        texts = [part for part in parts if isinstance(part, str)]
        if context.asks == "scores":
            parts.append({"options": list(example.answers)})
            texts += example.answers
        if any(_CONTROL_TOKENS.search(text) for text in texts):
            # Earlier versions read these as control tokens: what they made of such texts is of other prompts.
            parts.append({"control_tokens": "text"})
        return digest([parts, place] if self.card.prompt.get("noise") == "shared" else parts)

    def notes(self) -> list[str]:
        """What every table of this task must say."""
        return [NOTE_DATA] if self.data == MINI else []

    def world(self) -> str:
        """What the data is called in signatures."""
        split = self.card.data.split
        return f"mini-world-{WORLD_VERSION}/{split}" if self.data == MINI else f"{self.card.data.format}/{split}"


@dataclass(frozen=True)
class ResolvedModel:
    """A model with its weights found and its settings checked, not loaded.

    Attributes:
        card: As resolved, with settings as they will be used.
        weights: By component name.
        digests: SHA-256 of each component's files.
        idle: Settings of the card that do nothing with these weights, and why; `card` is without them.
    """

    card: ModelCard
    weights: Mapping[str, Weights]
    digests: Mapping[str, str]
    idle: Mapping[str, str] = field(default_factory=dict)

    def load(self, device: str) -> object:
        """Load the model on a device."""
        settings = check_settings(self.card)
        paths = {name: found.path for name, found in self.weights.items()}
        return adapter(self.card).load(paths, settings, device)

    def notes(self) -> list[str]:
        """What every table of this model must say."""
        stand_ins = any(found.stand_in for found in self.weights.values())
        return [*([NOTE_WEIGHTS] if stand_ins else []), *(f"{self.card.title}: {why}" for why in self.idle.values())]


def data_folder(card: TaskCard, data: str) -> Path:
    """A task's folder in the folder given as `--data`: the subfolder that its card names, if there is one."""
    if data == MINI:
        return world_folder() / card.data.folder
    folder = Path(data) / card.data.folder
    return folder if folder.is_dir() else Path(data)
