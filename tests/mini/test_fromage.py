"""The shipped FROMAGe: whole, small, and better than chance at what it retrieves and says."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from gill_bench.mini.documents import CAPTION_PROMPT
from gill_bench.mini.embedded import weights_folder
from gill_bench.mini.grammar import describe, sequence, story
from gill_bench.mini.scene import Scene
from gill_bench.models.fromage import Settings, check
from gill_bench.models.fromage.model import Fromage
from gill_bench.prompt import Prompt
from gill_bench.weights.checkpoints import quiet_loading
from gill_bench.weights.find import MARK

COUNT = 48
BYTES = {"fromage-mini": 70_000, "fromage-mini-vis4": 170_000}
# Share of descriptions, and of stories with pictures, whose picture is among the first five of 48; chance is 0.10.
FOUND = {"fromage-mini": (1.0, 0.38), "fromage-mini-vis4": (1.0, 0.42)}
# Share of colours, shapes and backgrounds that are named in twelve tokens after a picture and the prompt of the
# captioning task; by chance about 0.15.
SAID = {"fromage-mini": 0.24, "fromage-mini-vis4": 0.71}
TOLERANCE = 0.1  # four of 48, for other versions of the libraries


@pytest.fixture(scope="module", params=sorted(BYTES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(name: str) -> Fromage:
    with quiet_loading():
        return Fromage.from_pretrained(weights_folder() / name, settings=Settings(squash_size=32))


@pytest.fixture(scope="module")
def scenes_of_stories() -> list[tuple[Scene, ...]]:
    rng = random.Random("fromage-mini")
    return [sequence(rng, "val") for _ in range(COUNT)]


def test_the_shipped_fromage_is_small_marked_and_checked(name: str) -> None:
    folder = weights_folder() / name
    assert sorted(file.name for file in folder.iterdir()) == sorted(
        [MARK, "model_args.json", "pretrained_ckpt.safetensors"]
    )
    assert sum(file.stat().st_size for file in folder.iterdir()) < BYTES[name]
    parts: dict[str, Path] = {"llm": weights_folder() / "opt-mini", "visual_encoder": weights_folder() / "clip-mini"}
    check({"checkpoint": folder, **parts}, Settings())


def test_the_shipped_fromage_finds_as_many_pictures_as_was_measured(
    name: str, model: Fromage, scenes_of_stories: list[tuple[Scene, ...]]
) -> None:
    rng = random.Random("fromage-mini stories")
    stories = []
    for scenes in scenes_of_stories:
        texts = story(scenes, rng)
        shown = zip(texts[:-1], scenes[:-1], strict=True)
        stories.append(Prompt((*(part for text, scene in shown for part in (text, scene.render())), texts[-1])))
    candidates = model.embed_images([scenes[-1].render() for scenes in scenes_of_stories])

    def share_among_five(prompts: Sequence[Prompt]) -> float:
        scores = model.embed_prompts(prompts) @ candidates.T
        return float(((scores > scores.diagonal()[:, None]).sum(axis=1) < 5).mean())

    share = (
        share_among_five([Prompt((describe(scenes[-1]),)) for scenes in scenes_of_stories]),
        share_among_five(stories),
    )
    np.testing.assert_allclose(share, FOUND[name], atol=TOLERANCE)
    assert min(share) > 2 * 5 / COUNT


def test_the_shipped_fromage_describes_pictures_as_well_as_was_measured(
    name: str, model: Fromage, scenes_of_stories: list[tuple[Scene, ...]]
) -> None:
    scenes = [scenes[0] for scenes in scenes_of_stories]
    answers = model.generate_texts([Prompt((scene.render(), CAPTION_PROMPT)) for scene in scenes], 12)
    words = [(scene.thing.colour, scene.thing.shape, scene.background) for scene in scenes]
    said = np.array([[word in answer for word in wanted] for answer, wanted in zip(answers, words, strict=True)])
    assert said.mean() == pytest.approx(SAID[name], abs=TOLERANCE)
