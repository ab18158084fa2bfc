"""Answers with retrieved pictures (protocol 4)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from gill_bench.embeddings.store import write_embeddings
from gill_bench.mini.scene import Scene, Thing
from gill_bench.models.fromage.model import Fromage
from gill_bench.models.interleaved.candidates import CandidateSet
from gill_bench.models.interleaved.decoding import DecodingOptions
from gill_bench.prompt import Prompt
from gill_bench.storage.images import UnreadablePictureError
from tests.models.fromage.reference import Reference
from tests.models.gill.reference import close

FORCED = DecodingOptions(6, 1, 1e4)  # a large factor brings up [RET] wherever its logit is positive
SCENES = [
    Scene("snow", Thing(shape, colour, "large", "left"))
    for shape in ("circle", "ring", "square")
    for colour in ("red", "blue")
]


@pytest.fixture
def embedded(fromage: Fromage, tmp_path: Path) -> Path:
    write_embeddings(tmp_path / "set", [fromage.embed_images([scene.render() for scene in SCENES])], list("abcdef"))
    return tmp_path / "set"


def test_each_ret_retrieves_what_is_nearest(
    fromage: Fromage, reference: Reference, embedded: Path, prompts: list[Prompt]
) -> None:
    blank = Image.new("RGB", (4, 4))
    candidates = CandidateSet.load(embedded, fetch=lambda path: blank)
    vectors = np.stack([reference.candidate(scene.render()).numpy().ravel() for scene in SCENES])
    compared = 0
    for prompt in prompts:
        ids, states = reference.generate(prompt, 6, 1, 1e4)
        answer = fromage.generate_with_images(prompt, FORCED, candidates=candidates)
        assert list(answer.ids) == ids
        [part] = answer.parts
        positions = [
            position for position, token in enumerate(ids) if token == reference.ret and position < len(states)
        ]
        if part.image is None or not positions or fromage.tokens.newline in ids:
            continue
        compared += 1
        state = states[positions[0]][None, None].to(torch.float32)
        query = normalize(fromage.heads.embed_states(state), dim=-1).detach().numpy()[0]
        cosines = vectors @ query
        assert part.image.retrieved is not None
        [first] = part.image.retrieved
        assert first.row == int(np.argmax(cosines))
        close(first.score, float(cosines.max()) * math.exp(fromage.logit_scale))
        close(part.image.max_similarity, float(cosines.max()))
        assert (part.image.image, part.image.decision, part.image.generated) == (blank, None, ())
        assert part.image.undecided == "FROMAGe retrieves every picture"
    assert compared


def test_three_more_candidates_than_wanted_are_tried_when_pictures_are_gone(
    fromage: Fromage, embedded: Path, prompts: list[Prompt]
) -> None:
    answers = {}
    for gone in (0, 2, 9):
        tried: list[str] = []

        def fetch(path: str, gone: int = gone, tried: list[str] = tried) -> Image.Image:
            tried.append(path)
            if len(tried) <= gone:
                raise UnreadablePictureError("gone")
            return Image.new("RGB", (4, 4))

        candidates = CandidateSet.load(embedded, fetch=fetch)
        for prompt in prompts:
            [part] = fromage.generate_with_images(prompt, FORCED, candidates=candidates).parts
            if part.image is not None:
                answers[gone] = (tried, [item.failure for item in part.image.retrieved or ()])
                break
    assert [len(tried) for tried, _ in answers.values()] == [1, 3, 4]
    assert [failures for _, failures in answers.values()] == [[""], ["gone", "gone", ""], ["gone"] * 4]
