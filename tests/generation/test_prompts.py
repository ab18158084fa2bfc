"""Pictures of prompts: squashed as the task says, or as they are for models that ask for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from gill_bench.generation.prompts import build_prompts
from gill_bench.planning.cells import Cell
from gill_bench.planning.metrics import metrics_of
from gill_bench.planning.plan import make_plan
from gill_bench.scoring.rows import model_signature, protocol_signature
from tests.support.runs import run_request

ADAPTER = """
from pydantic import BaseModel

{attribute}

class Settings(BaseModel):
    pass

def check(weights, settings): ...

def load(weights, settings, device): ...
"""
CARD = """
schema = 1
name = "reader"
title = "Reader"
adapter = "reader.py"
capabilities = ["image-generator"]
inputs = ["text", "image"]
"""


def cell(folder: Path, attribute: str, *settings: str) -> Cell:
    (folder / "reader.py").write_text(ADAPTER.format(attribute=attribute))
    (folder / "reader.toml").write_text(CARD)
    models = (str(folder / "reader.toml"),)
    contexts = ("5-captions-4-images",)
    request = run_request(folder / "run", models=models, contexts=contexts, settings=settings, card_folders=())
    return make_plan(request).cells[0].cell


def sizes(cell: Cell) -> set[tuple[int, int]]:
    example, _, _ = next(iter(cell.usable.values()))
    return {image.size for image in build_prompts(cell, [(example, 0)])[0].prompt.images}


@pytest.mark.parametrize(
    ("attribute", "settings", "size", "said"),
    [
        ("", (), 224, None),
        ("ORIGINAL_PICTURES = True", (), 32, "prompt.picture_size:0"),
        ("ORIGINAL_PICTURES = True", ("vist.picture_size=24",), 24, None),
        ("ORIGINAL_PICTURES = True", ("vist.picture_size=224",), 224, None),
    ],
)
def test_a_model_that_asks_for_original_pictures_gets_them_unless_the_user_sets_a_size(
    tmp_path: Path, attribute: str, settings: tuple[str, ...], size: int, said: str | None
) -> None:
    planned = cell(tmp_path, attribute, *settings)
    assert sizes(planned) == {(size, size)}
    assert ("picture_size" in model_signature(planned)) == (said is not None)
    assert (said or "") in model_signature(planned)
    # The references of the outputs are the same for every model.
    assert {metric.picture_size for metric in metrics_of(planned.task)} == {24 if size == 24 else 224}
    assert f"picture_size:{24 if size == 24 else 224}|" in protocol_signature(planned)
