"""Visual Dialog v1.0, for ranking the 100 options that each round has as its answer.

Facts in protocol 3.6. A prompt is the dialog's picture and the history: the rounds before, each "Q: <question>?" and
"A: <answer>" on a line of its own, this round's question, and the beginning of its answer. Of round 2:
"Q: is it day?\\nA: yes\\nQ: is it sunny?\\nA: ", with a space and nothing after it at the end.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from gill_bench.cards.find import Value
from gill_bench.datasets import Dataset, Example, Turn
from gill_bench.datasets.contexts import ROUNDS, HistoryContext, context_named
from gill_bench.datasets.files import integer_of, list_of
from gill_bench.datasets.visdial_files import ANSWERS, Dialog, read_dialogs
from gill_bench.errors import InputError
from gill_bench.storage.reading import read_json_value


def context(name: str) -> HistoryContext:
    """The context `history`.

    Raises:
        InputError: Another name.
    """
    return context_named(name, [HistoryContext()])


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read one example per dialog and round, dialogs and rounds in the order of the file.

    Args:
        folder: See `gill_bench.datasets.visdial_files.read_dialogs`; beside the dialogs lies
            `visdial_1.0_<split>_dense_annotations.json`. Without it there is no relevance, and a warning.
        split: "val"; any other in the same format.
        options: Not used here.

    Returns:
        An example's id is `<image id>:<round>`, rounds from 1; its cluster the image id; its answers the options, in
        the order of the file. Facts: `round`, `gt_index` (the true option's place, from 0) and, with dense annotations,
        on all rounds of a dialog, `dense_round` (the annotated one, as stored) and `relevance` (of its options, a JSON
        list); on that round itself `dense`, "yes".

    Raises:
        InputError: A file is absent or malformed, the dense annotations are of other dialogs or in another order, or
            there are no pictures at all.
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
        past = tuple(Turn(f"Q: {one.question}?\nA: {one.answer}") for one in dialog.rounds)
        for place, one in enumerate(dialog.rounds):
            asked = Turn(f"Q: {one.question}?\nA: ", dialog.picture)
            facts = {"round": str(place + 1), "gt_index": str(one.gt_index), **more}
            if more.get("dense_round") == facts["round"]:
                facts["dense"] = "yes"
            image = str(dialog.image)
            name = f"{image}:{place + 1}"
            examples.append(Example(name, image, (*past[:place], asked), answers=one.options, facts=facts))
    return Dataset(examples, warnings=warnings)


def _dense_facts(file: Path, dialogs: Sequence[Dialog]) -> list[dict[str, str]]:
    records = read_json_value(file)
    if not isinstance(records, list):
        raise InputError(f"{file}: expected a JSON list at the top, found {type(records).__name__}")
    if len(records) != len(dialogs):
        raise InputError(f"{file}: {len(records)} annotations, but there are {len(dialogs)} dialogs; expected one each")
    found = []
    for number, (record, dialog) in enumerate(zip(records, dialogs, strict=True)):
        where = f"{file}: [{number}]"
        image, place = (integer_of(record, key, where) for key in ("image_id", "round_id"))
        if image != dialog.image:
            raise InputError(f"{where}.image_id: {image}, but dialog {number} is of image {dialog.image}")
        if not 1 <= place <= ROUNDS:
            raise InputError(f"{where}.round_id: expected 1 to {ROUNDS}, found {place}")
        relevance = list_of(record, "gt_relevance", where)
        if len(relevance) != ANSWERS or not all(map(_is_relevance, relevance)):
            raise InputError(f"{where}.gt_relevance: expected {ANSWERS} numbers, 0 or more")
        found.append({"dense_round": str(place), "relevance": json.dumps(relevance)})
    return found


def _is_relevance(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
