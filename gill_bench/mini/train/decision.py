"""The decision model of GILL-mini: a linear layer on the state at [IMG0] (protocol 3.11).

Trained on the first two thirds of the labelled prompts of the mini PartiPrompts, the share that the paper trains on.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from gill_bench.mini.train.loop import TrainingWork
from gill_bench.mini.writers.partiprompts import write_partiprompts
from gill_bench.models.gill.decision import FILE
from gill_bench.prompt import Prompt

NAME = "decision"
_LABELS = ("gen", "ret")
_SAID = ("generate", "retrieve")


def train_decision_model(work: TrainingWork) -> bool:
    """Write the decision model beside the weights of GILL-mini; what is held out is the accuracy on the last third."""
    done = work.folder / NAME
    if done.is_dir():
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
    right = np.mean([said == _SAID[label] for said, label in zip(held_out, labels[count:], strict=True)])
    done.mkdir()
    save_decision(model, done)
    (done / "measured.json").write_text(json.dumps({"accuracy": float(right)}) + "\n", encoding="utf-8")
    return (done / FILE).is_file()


def read_labelled(file: Path) -> tuple[list[str], list[int]]:
    """Prompts that have a label, and the place of each label in ("gen", "ret")."""
    with file.open(encoding="utf-8") as opened:
        rows = [row for row in csv.DictReader(opened, delimiter="\t") if row["Decision"] in _LABELS]
    return [row["Prompt"] for row in rows], [_LABELS.index(row["Decision"]) for row in rows]
