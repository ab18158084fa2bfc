"""Visual Dialog v1.0, for ranking the 100 options that each round has as its answer.

The facts are in protocol 3.6. A prompt is the dialog's picture and the history: the rounds before, each with "Q:
<question>?" and "A: <answer>" on lines of their own, this round's question, and the beginning of its answer. Example of
round 2: "Q: is it day?\\nA: yes\\nQ: is it sunny?\\nA: ", which ends with a space.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from gill_bench.cards.find import Value
from gill_bench.datasets import Dataset, Example, Turn
from gill_bench.datasets.contexts import DIALOG_PROMPT, ROUNDS, HistoryContext, context_named
from gill_bench.datasets.files import integer_of, list_of
from gill_bench.datasets.visdial_files import ANSWERS, Dialog, read_dialogs
from gill_bench.errors import InputError
from gill_bench.storage.reading import read_json_value

PROMPT = (DIALOG_PROMPT,)


def context(name: str) -> HistoryContext:
    """The context `history`."""
    return context_named(name, [HistoryContext()])


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read one example per dialog and round, dialogs and rounds in the order of the file.

    Args:
        folder: The folder that `gill_bench.datasets.visdial_files.read_dialogs` describes; beside the dialogs lies
            `visdial_1.0_<split>_dense_annotations.json`. Without this file, options have no relevance, and the data set
            has a warning.
        split: "val", or another split in the same format.
        options: Unused.

    Returns:
        The data set. An example's id is `<image id>:<round>`, with rounds from 1; its cluster is the image id; its
        answers are the options, in the order of the file. Its facts are `round` and `gt_index` (the true option's
        position, from 0). With dense annotations, all rounds of a dialog also have `dense_round` (the number of the
        annotated round) and `relevance` (a JSON list for the options of that round), and the annotated round has
        `dense`, "yes".
    """
    dialogs = read_dialogs(folder, split, options=True)
    file = folder / f"visdial_1.0_{split}_dense_annotations.json"
    warnings: tuple[str, ...] = ()
    if file.exists():
        dense = _dense_facts(file, dialogs)
    else:
        dense = [{} for _ in dialogs]
        warnings = (f"{folder}: no {file.name}, so that options have no relevance",)
    examples = []
    for dialog, more in zip(dialogs, dense, strict=True):
        rounds = tuple(Turn(f"Q: {item.question}?\nA: {item.answer}") for item in dialog.rounds)
        for position, item in enumerate(dialog.rounds):
            question = Turn(f"Q: {item.question}?\nA: ", dialog.picture)
            facts = {"round": str(position + 1), "gt_index": str(item.gt_index), **more}
            if more.get("dense_round") == facts["round"]:
                facts["dense"] = "yes"
            image = str(dialog.image)
            name = f"{image}:{position + 1}"
            examples.append(Example(name, image, (*rounds[:position], question), answers=item.options, facts=facts))
    return Dataset(examples, warnings=warnings)


def _dense_facts(file: Path, dialogs: Sequence[Dialog]) -> list[dict[str, str]]:
    records = read_json_value(file)
    if not isinstance(records, list):
        raise InputError(f"{file}: expected a JSON list at the top, found {type(records).__name__}")
    if len(records) != len(dialogs):
        raise InputError(f"{file}: {len(records)} annotations, but there are {len(dialogs)} dialogs; expected one each")
    facts = []
    for number, (record, dialog) in enumerate(zip(records, dialogs, strict=True)):
        where = f"{file}: [{number}]"
        image, round_id = (integer_of(record, key, where) for key in ("image_id", "round_id"))
        if image != dialog.image:
            raise InputError(f"{where}.image_id: {image}, but dialog {number} is of image {dialog.image}")
        if not 1 <= round_id <= ROUNDS:
            raise InputError(f"{where}.round_id: expected 1 to {ROUNDS}, found {round_id}")
        relevance = list_of(record, "gt_relevance", where)
        if len(relevance) != ANSWERS or not all(map(_is_relevance, relevance)):
            raise InputError(f"{where}.gt_relevance: expected {ANSWERS} numbers, 0 or more")
        facts.append({"dense_round": str(round_id), "relevance": json.dumps(relevance)})
    return facts


def _is_relevance(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
