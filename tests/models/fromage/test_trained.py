"""On trained weights: a GILL with one [IMG] token is, without its generation head, a FROMAGe with other key names."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from PIL.Image import Image
from safetensors.torch import load_file

from gill_bench.mini.embedded import weights_folder
from gill_bench.mini.grammar import describe, sequence, story
from gill_bench.models.fromage import Settings
from gill_bench.models.fromage.model import Fromage
from gill_bench.models.gill import Settings as GillSettings
from gill_bench.models.gill.model import Gill
from gill_bench.prompt import Prompt

Stories = tuple[list[Prompt], list[Prompt], list[Image]]
NAMES = {
    "model.ret_text_hidden_fcs.0.model.": "model.text_hidden_fcs.0.0.",
    "model.input_embeddings.": "ret_input_embeddings.",
}


@pytest.fixture(scope="module")
def gill() -> Gill:
    return Gill.from_pretrained(weights_folder() / "gill-mini-r1", settings=GillSettings(squash_size=32))


@pytest.fixture(scope="module")
def fromage(tmp_path_factory: pytest.TempPathFactory) -> Fromage:
    source, folder = weights_folder() / "gill-mini-r1", tmp_path_factory.mktemp("fromage")
    state = {}
    for key, value in load_file(source / "pretrained_ckpt.safetensors").items():
        if ".gen_text_hidden_fcs." not in key:
            old = next((part for part in NAMES if key.startswith(part)), "")
            state[NAMES.get(old, "") + key.removeprefix(old)] = value
    torch.save({"state_dict": state}, folder / "pretrained_ckpt.pth.tar")
    given = json.loads((source / "model_args.json").read_text())
    arguments = {"n_visual_tokens": given["n_visual_tokens"], "shared_emb_dim": given["ret_emb_dim"]}
    parts = {"opt_version": str(weights_folder() / "opt-mini"), "visual_encoder": str(weights_folder() / "clip-mini")}
    (folder / "model_args.json").write_text(json.dumps({**arguments, **parts}))
    return Fromage.from_pretrained(folder, settings=Settings(squash_size=32))


@pytest.fixture(scope="module")
def stories() -> Stories:
    """Descriptions of last pictures, stories with the pictures before them, and these last pictures."""
    rng = random.Random("fromage")
    stories = [sequence(rng, "val") for _ in range(24)]
    descriptions, interleaved = [], []
    for scenes in stories:
        texts = story(scenes, rng)
        shown = zip(texts[:-1], scenes[:-1], strict=True)
        interleaved.append(Prompt((*(part for text, scene in shown for part in (text, scene.render())), texts[-1])))
        descriptions.append(Prompt((describe(scenes[-1]),)))
    return descriptions, interleaved, [scenes[-1].render() for scenes in stories]


def test_fromage_gives_the_numbers_of_the_gill_that_it_is_made_of(
    gill: Gill, fromage: Fromage, stories: Stories
) -> None:
    _, prompts, pictures = stories
    assert fromage.tokens.image_ids == gill.tokens.image_ids
    assert_allclose(fromage.embed_prompts(prompts), gill.embed_prompts(prompts), atol=1e-5)
    assert_allclose(fromage.embed_images(pictures), gill.embed_images(pictures), atol=1e-5)
    assert fromage.generate_texts(prompts[:4], 12) == gill.generate_texts(prompts[:4], 12)
    assert_allclose(fromage.mean_log_likelihood(prompts), gill.mean_log_likelihood(prompts), atol=1e-5)


def test_descriptions_find_their_pictures(fromage: Fromage, stories: Stories) -> None:
    descriptions, interleaved, pictures = stories
    candidates = fromage.embed_images(pictures)

    def recall(prompts: list[Prompt]) -> float:
        nearest = (fromage.embed_prompts(prompts) @ candidates.T).argmax(axis=1)
        return float((nearest == np.arange(len(prompts))).mean())

    assert recall(descriptions) > 0.8
    assert recall(interleaved) > 0.2, "five times what chance finds among 24"
