"""On real stories and dialogs the probe names the parts whose tokens fall beyond a text encoder's limit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gill_bench.cards.find import Cards
from gill_bench.checks.probe import probe, probe_cells, usable_contexts
from gill_bench.datasets.parts import in_parts
from gill_bench.models.class_adapter import card_of_class
from gill_bench.models.stable_diffusion.tokens import content_ids, tokenize
from gill_bench.planning.cells import Cell
from gill_bench.prompt import Prompt
from gill_bench.rundir.probes import ContextProbe
from tests.conftest import ROOT
from tests.support import planted

LIMIT = 77


class CutByTokens(planted.Planted):
    """Reads the tokens that Stable Diffusion's text encoder would read."""

    def __init__(self, tokenizer: Any, truncation: Any) -> None:
        super().__init__()
        self.tokenizer, self.truncation = tokenizer, truncation

    def read(self, prompt: Prompt, noise: int) -> Sequence[object]:
        return tokenize(self.tokenizer, [prompt.text], self.truncation, LIMIT).ids[0].tolist()

    def signal(self, prompt: Prompt, noise: int) -> Any:
        return planted.pattern(*self.read(prompt, noise))


@pytest.fixture(scope="module")
def folders(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The stories with their photos, and the dialogs with made-up pictures, of which no context shows any."""
    dialogs = tmp_path_factory.mktemp("visdial")
    file = dialogs / "visdial_1.0_val.json"
    file.symlink_to(real_data / "visdial" / file.name)
    (dialogs / "images").mkdir()
    for number, dialog in enumerate(json.loads(file.read_text(encoding="utf-8"))["data"]["dialogs"]):
        picture = Image.fromarray(np.full((2, 2, 3), number, np.uint8))
        picture.save(dialogs / "images" / f"VisualDialog_val2018_{dialog['image_id']:012d}.png")
    return {"vist": real_data / "vist", "visdial": dialogs}


@pytest.mark.parametrize(
    ("task", "split", "context"), [("vist", "test", "5-captions"), ("visdial", "val", "10-rounds")]
)
@pytest.mark.parametrize("truncation", ["right", "left"])
def test_the_parts_behind_the_limit_are_those_that_the_tokenizer_counts(
    task: str, split: str, context: str, truncation: str, folders: dict[str, Path], mini_weights: Path
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(mini_weights / "sd-mini" / "tokenizer")
    card, model = Cards().task(task), card_of_class(f"{ROOT / 'tests/support/planted.py'}:NoPicture")
    contexts, _ = usable_contexts(card, model, [context])
    _, cells = probe_cells(
        card,
        model,
        contexts,
        data=str(folders[task]),
        split=split,
        weights="mini",
        metric_weights="mini",
        settings={},
        device="cpu",
    )
    result = probe(CutByTokens(tokenizer, truncation), cells[0], networks=False)
    inside = _inside(result, cells[0], tokenizer, truncation)
    verdicts = [part.verdict for part in result.parts]
    assert set(verdicts) != {"read"}
    for verdict, share in zip(verdicts, inside, strict=True):
        assert (share > 0) is (verdict != "not read"), (verdicts, inside)
    assert all(verdict == "read" for verdict, share in zip(verdicts, inside, strict=True) if share == 1)


def _inside(result: ContextProbe, cell: Cell, tokenizer: Any, truncation: str) -> list[float]:
    """For each part, the share of the probe's examples in which the limit leaves any token of the part."""
    kept = LIMIT - 2
    inside = np.zeros((len(result.examples), len(result.parts)))
    parts_of = in_parts(cell.context)
    for row, name in enumerate(result.examples):
        parts = parts_of.parts(cell.usable[name].example, cell.task.card.prompt)
        joined = [parts_of.join(parts[:count], cell.task.card.prompt) for count in range(1, len(parts) + 1)]
        ends = [len(content_ids(tokenizer, Prompt(tuple(map(str, texts))).text)) for texts in joined]
        for column, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
            inside[row, column] = start < kept if truncation == "right" else end > ends[-1] - kept
    means: list[float] = inside.mean(axis=0).tolist()
    return means
