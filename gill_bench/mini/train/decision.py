"""Training of GILL-mini's decision model: a linear layer on the state at [IMG0] (protocol 3.11).

It is trained on the first two thirds of the labelled prompts of the mini PartiPrompts, the same share as in the paper.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from gill_bench.mini.train.loop import MEASURED, TrainingWork
from gill_bench.mini.writers.partiprompts import write_partiprompts
from gill_bench.models.gill.checking import DECISION_FILE
from gill_bench.prompt import Prompt

NAME = "decision"
_LABELS = ("gen", "ret")
_DECISIONS = ("generate", "retrieve")


def train_decision_model(work: TrainingWork) -> bool:
    """Train and write the decision model, and measure its accuracy on the last third of the prompts."""
    folder = work.folder / NAME
    if folder.is_dir():
        return True
    import torch

    from gill_bench.models.gill import Settings
    from gill_bench.models.gill.model import Gill
    from gill_bench.training.decision import save_decision, train_decision
    from gill_bench.weights.checkpoints import quiet_loading

    votes = work.folder / ".states" / "partiprompts"
    if not votes.is_dir():
        write_partiprompts(votes, work.seed)
    prompts, labels = read_labelled(votes / "PartiPromptsDecisionsConfident.tsv")
    with quiet_loading():
        gill = Gill.from_pretrained(
            work.finished("gill-mini"),
            llm=work.finished("opt-mini"),
            visual_encoder=work.finished("clip-mini"),
            settings=Settings(squash_size=32, safety_checker=False),
        )
    features = gill.decision_features([Prompt((prompt,)) for prompt in prompts])
    count = 2 * len(prompts) // 3
    model = train_decision(features[:count], np.array(labels[:count]))
    held_out = [item.label for item in model(torch.from_numpy(features[count:]))]
    right = [decision == _DECISIONS[label] for decision, label in zip(held_out, labels[count:], strict=True)]
    folder.mkdir()
    save_decision(model, folder)
    (folder / MEASURED).write_text(json.dumps({"accuracy": float(np.mean(right))}) + "\n", encoding="utf-8")
    return (folder / DECISION_FILE).is_file()


def read_labelled(file: Path) -> tuple[list[str], list[int]]:
    """The prompts of a file that have a label, and their labels: 0 for "gen", 1 for "ret"."""
    with file.open(encoding="utf-8") as opened:
        rows = [row for row in csv.DictReader(opened, delimiter="\t") if row["Decision"] in _LABELS]
    return [row["Prompt"] for row in rows], [_LABELS.index(row["Decision"]) for row in rows]
