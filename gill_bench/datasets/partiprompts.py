"""PartiPrompts with votes on whether a retrieved or a generated picture suits a prompt better.

The facts are in protocol 3.11 (paper Table 6, App. C). The lists are `PartiPromptsAllDecisions_Alignment.tsv` and
`..._Realism.tsv`: five fields a line with tabs between them; prompts hold quotation marks
(`gill_bench.datasets.tables`). Prompts whose votes give no label are left out. Of the labelled prompts, the authors
train on the first 600 and test on the rest. The list is sorted by challenge, so these two parts differ in kind; the
order "shuffled" mixes the labelled prompts first, with `random.Random(1337).shuffle`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from gill_bench.cards.find import Value
from gill_bench.datasets import Dataset, Example, Picture, Turn
from gill_bench.datasets.contexts import TextContext, context_named
from gill_bench.datasets.options import Choice, Count, Text
from gill_bench.datasets.pictures import index_pictures
from gill_bench.datasets.tables import read_table
from gill_bench.errors import InputError, did_you_mean

FILES = {
    "alignment": "PartiPromptsAllDecisions_Alignment.tsv",
    "realism": "PartiPromptsAllDecisions_Realism.tsv",
}
LABELS = "PartiPromptsDecisionsConfident.tsv"
"""The file in which the authors released the label of each prompt; it is not read, as votes decide (`label_of`)."""
PROMPTS = "PartiPrompts.tsv"
"""The file of the prompts alone, as Google published them."""
FORMAT = "partiprompts"
HEADER = "Prompt\tCategory\tChallenge\tNote\tDecisions"
_HEADER_OF_PROMPTS = HEADER.removesuffix("\tDecisions")
VOTES = Choice("votes", tuple(FILES))
RULES: tuple[Literal["released", "strict"], ...] = ("released", "strict")
RULE = Choice("rule", RULES)
"""The rule by which votes become a label (`label_of`)."""
ORDER = Choice("order", ("file", "shuffled"))
TRAIN = Count("train", 600)
"""The number of labelled prompts, from the first, that are for training; all later prompts are for testing."""
CANDIDATES = Text("candidates", "")
"""A folder inside the data folder, with the pictures that could be retrieved, or with one folder for each model, named
after it, that holds converted embeddings of such pictures; "" for none."""
OPTIONS = (VOTES, RULE, ORDER, TRAIN, CANDIDATES)
_VOTES = ("gen", "ret", "same")
_SHUFFLING_SEED = 1337
_CONTEXTS = (
    TextContext("classifier", "features"),
    TextContext("classifier-similarity", "features"),
    TextContext("heuristic", "embeddings"),
    TextContext("decide", "decisions"),
    TextContext("generate", "images"),
    TextContext("test-labels", "nothing"),
    TextContext("all-labels", "nothing"),
)


def context(name: str) -> TextContext:
    """The context of a name. A prompt is the same in all contexts; they differ in the output kind."""
    return context_named(name, _CONTEXTS)


class _Row(NamedTuple):
    number: int
    prompt: str
    category: str
    challenge: str
    votes: list[str]


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read the prompts that have a label; an example's id is the number of its row, from 0.

    Args:
        folder: The folder with the lists of votes.
        split: "all"; the option `TRAIN` divides it into training and test.
        options: `OPTIONS`.

    Returns:
        Facts of an example: `label` ("gen" or "ret"), `votes` (joined by commas), `part` ("train" or "test"),
        `category` and `challenge`. The candidates are ordered by name.

    Raises:
        InputError: The list is absent or malformed, an option is wrong, no prompt is left to test on, or the folder of
            candidates is absent, or has neither pictures nor embeddings.
    """
    if split != "all":
        raise InputError(f"split {split!r} of PartiPrompts: there is only 'all'; training and test are parts of it")
    votes = VOTES.of(options)
    rule = RULE.of(options)
    order = ORDER.of(options)
    train = TRAIN.of(options)
    candidates = CANDIDATES.of(options)
    file = _find(folder, FILES[votes])
    labelled = [(row, label) for row in _read(file) if (label := label_of(row.votes, rule)) != "same"]
    if train >= len(labelled):
        raise InputError(
            f"{file}: train = {train} leaves none of {len(labelled)} labelled prompts to test on; choose fewer"
        )
    if order == "shuffled":
        # Not scikit-learn's split: stored results depend on exactly which prompts this shuffle puts into each part.
        random.Random(_SHUFFLING_SEED).shuffle(labelled)  # noqa: S311 (a split, not a secret)
    examples = [
        Example(
            str(row.number),
            str(row.number),
            (Turn(row.prompt),),
            facts={
                "label": label,
                "votes": ",".join(row.votes),
                "part": "train" if position < train else "test",
                "category": row.category,
                "challenge": row.challenge,
            },
        )
        for position, (row, label) in enumerate(labelled)
    ]
    return Dataset(examples, candidates=_candidates(folder, candidates))


def prompts(folder: Path) -> list[Example]:
    """Every prompt, with or without votes, for annotators to vote on.

    Args:
        folder: The folder with `PROMPTS`, or with a list of votes, whose prompts are then taken.

    Returns:
        The id of an example is the number of its row, from 0. Facts: `category`, `challenge` and `note`.

    Raises:
        InputError: There is none of these files, or it is malformed.
    """
    file = next((folder / name for name in (PROMPTS, *FILES.values()) if (folder / name).is_file()), None)
    if file is None:
        raise InputError(f"{folder}: no {PROMPTS}, nor a list of votes ({', '.join(FILES.values())})")
    table = read_table(file)
    header = _HEADER_OF_PROMPTS.split("\t")
    if not table or table[0][: len(header)] != header:
        first = "\t".join(table[0]) if table else ""
        raise InputError(f"{file}, line 1: expected the header {_HEADER_OF_PROMPTS!r}, found {first[:80]!r}")
    examples = []
    for number, fields in enumerate(table[1:]):
        if len(fields) < len(header) or not fields[0].strip():
            raise InputError(
                f"{file}, line {number + 2}: expected a prompt and {len(header) - 1} more fields with tabs"
            )
        prompt, category, challenge, note = fields[: len(header)]
        facts = {"category": category, "challenge": challenge, "note": note}
        examples.append(Example(str(number), str(number), (Turn(prompt),), facts=facts))
    return examples


def label_of(votes: Sequence[str], rule: Literal["released", "strict"] = "released") -> Literal["gen", "ret", "same"]:
    """The kind of picture on which the votes agree, "gen" (generated) or "ret" (retrieved); "same" if they disagree.

    Args:
        votes: For each annotator "gen", "ret" or "same".
        rule: "released" asks for four equal votes, or three with at most one vote for the other kind; it gives the
            labels that the authors released. "strict" asks for four equal votes, as the paper says.

    Raises:
        ValueError: There is no vote, or a vote is none of "gen", "ret" and "same".

    >>> label_of(["gen", "gen", "gen", "ret", "same"]), label_of(["gen", "gen", "gen", "ret", "ret"])
    ('gen', 'same')
    >>> label_of(["gen", "gen", "gen", "ret", "same"], rule="strict")
    'same'
    """
    if not votes or not {"gen", "ret", "same"}.issuperset(votes):
        raise ValueError(f"votes {list(votes)}: expected some of 'gen', 'ret', 'same'")
    gen, ret = votes.count("gen"), votes.count("ret")
    for label, favour, against in (("gen", gen, ret), ("ret", ret, gen)):
        if favour >= 4 or (rule == "released" and favour == 3 and against <= 1):
            return "gen" if label == "gen" else "ret"
    return "same"


def _find(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder (given by --data)")
    if not (folder / name).exists():
        raise InputError(f"{folder}: no {name}; download the votes from GILL's repository (data/)")
    return folder / name


def _read(file: Path) -> list[_Row]:
    table = read_table(file)
    if not table or table[0] != HEADER.split("\t"):
        first = "\t".join(table[0]) if table else ""
        raise InputError(f"{file}, line 1: expected the header {HEADER!r}, found {first[:80]!r}")
    rows = []
    for number, fields in enumerate(table[1:]):
        where = f"{file}, line {number + 2}"
        if len(fields) != 5:
            raise InputError(f"{where}: {len(fields)} fields, expected 5 with tabs between them")
        prompt, category, challenge, _, decisions = fields
        if not prompt.strip():
            raise InputError(f"{where}: Prompt: expected text, found {prompt!r}")
        votes = [vote.strip() for vote in decisions.split(",")]
        wrong = [vote for vote in votes if vote not in _VOTES]
        if wrong:
            raise InputError(f"{where}: Decisions: a vote {wrong[0][:80]!r}; {did_you_mean(wrong[0], _VOTES)}")
        rows.append(_Row(number, prompt, category, challenge, votes))
    return rows


def _candidates(folder: Path, name: str) -> list[Picture]:
    if not name:
        return []
    pictures_folder = folder / name
    if not pictures_folder.is_dir():
        raise InputError(f"{pictures_folder}: no such folder of candidate pictures (option `candidates`)")
    files = index_pictures([pictures_folder])
    if not files and not any(pictures_folder.glob("*/embeddings.json")):
        raise InputError(
            f"{pictures_folder}: no pictures in it; expected those among which retrieval searches, or embeddings of"
            " them (gill-bench convert-embeddings, in a folder named after the model)"
        )
    return [Picture(stem, files[stem]) for stem in sorted(files)]
