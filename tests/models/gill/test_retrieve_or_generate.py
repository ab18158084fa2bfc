"""Answers with pictures: decision, retrieval from a candidate set, ranked generated pictures (protocol 1.8-1.13)."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gill_bench.embeddings.store import write_embeddings
from gill_bench.errors import InputError
from gill_bench.interfaces import Noise
from gill_bench.mini.scene import Scene, Thing
from gill_bench.models import gill as adapter
from gill_bench.models.gill import Settings
from gill_bench.models.gill.decision import DecisionModel
from gill_bench.models.gill.model import Gill
from gill_bench.models.interleaved.candidates import CandidateSet, picture_file
from gill_bench.models.interleaved.decoding import DecodingOptions
from gill_bench.prompt import Prompt
from gill_bench.storage.images import UnreadablePictureError
from tests.models.gill.reference import Reference, close

FORCED = DecodingOptions(2, gen_scale_factor=1e5)
TWICE = DecodingOptions(4, gen_scale_factor=1e5)  # [IMG0..7] four times, of which three are read
NOISE = [Noise(seed) for seed in (3, 4, 5)]


def scenes() -> list[Image.Image]:
    kinds = [(shape, colour) for shape in ("circle", "square") for colour in ("red", "blue", "green", "yellow")]
    return [Scene("snow", Thing(shape, colour, "large", "left")).render() for shape, colour in kinds]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number, scene in enumerate(scenes()):
        scene.save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def candidates(gill: Gill, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> CandidateSet:
    folder = tmp_path_factory.mktemp("candidates") / "set"
    paths = [f"{number}.png" for number in range(8)]
    write_embeddings(folder, [gill.embed_images(scenes())], paths)
    return CandidateSet.load(folder, pictures)


def test_an_answer_is_what_its_parts_give_by_themselves(
    gill: Gill, reference: Reference, candidates: CandidateSet, prompts: list[Prompt]
) -> None:
    for prompt in prompts[:3]:
        answer = gill.generate_with_images(prompt, FORCED, candidates=candidates, noise=NOISE)
        assert answer.ids[:8] == tuple(gill.tokens.image_ids)
        [part] = answer.parts
        assert part.image is not None
        assert part.text == ""
        query = reference.query(prompt).numpy().ravel()
        cosines = np.stack([reference.candidate(scene).numpy().ravel() for scene in scenes()]) @ query
        expected = np.argsort(-cosines, kind="stable")[:3]
        assert part.image.retrieved is not None
        assert [item.row for item in part.image.retrieved] == expected.tolist()
        assert [item.path for item in part.image.retrieved] == [f"{number}.png" for number in expected]
        close([item.cosine for item in part.image.retrieved], cosines[expected].tolist())
        scale = math.exp(float(reference.state["logit_scale"]))
        close([item.score for item in part.image.retrieved], (cosines[expected] * scale).tolist())
        close(part.image.max_similarity, float(cosines.max()))
        for item in part.image.retrieved:
            assert item.failure == ""
            assert item.image is not None
            assert np.array_equal(np.asarray(item.image), np.asarray(scenes()[item.row].convert("RGB")))
        assert part.image.decision is not None
        [decided] = gill.decide([prompt])
        assert part.image.decision.label == decided.label
        close(part.image.decision.probability, decided.probability)


def test_generated_pictures_are_ranked_by_the_cosine_to_the_query(gill: Gill, prompts: list[Prompt]) -> None:
    [part] = gill.generate_with_images(prompts[0], FORCED, noise=NOISE).parts
    assert part.image is not None
    [alone] = gill.generate_images([prompts[0]], [NOISE])
    query = gill.embed_prompts([prompts[0]])[0]
    cosines = gill.embed_images([item.image for item in alone]) @ query
    ranked = part.image.generated
    assert sorted(item.noise for item in ranked) == [0, 1, 2]
    assert [item.cosine for item in ranked] == sorted((item.cosine for item in ranked), reverse=True)
    for item in ranked:
        close(item.cosine, float(cosines[item.noise]))
        difference = np.asarray(item.generated.image, int) - np.asarray(alone[item.noise].image, int)
        assert np.abs(difference).max() <= 1


def test_many_pictures_are_generated_a_few_at_a_time(gill: Gill, prompts: list[Prompt]) -> None:
    noise = [Noise(seed) for seed in range(10)]
    [part] = gill.generate_with_images(prompts[0], FORCED, noise=noise).parts
    assert part.image is not None
    assert sorted(item.noise for item in part.image.generated) == list(range(10))


def test_an_answer_without_candidates_says_so(gill: Gill, prompts: list[Prompt]) -> None:
    [part] = gill.generate_with_images(prompts[0], FORCED, noise=()).parts
    assert part.image is not None
    assert (part.image.retrieved, part.image.max_similarity, part.image.generated) == (None, None, ())
    # The released kind of classifier reads the state alone.
    assert part.image.decision is not None
    assert part.image.image is None


def test_pictures_of_one_answer_are_not_retrieved_twice(
    gill: Gill, candidates: CandidateSet, prompts: list[Prompt]
) -> None:
    answer = gill.generate_with_images(prompts[0], TWICE, candidates=candidates, noise=(), max_num_rets=4)
    assert [part.image is None for part in answer.parts] == [False, False, False, True]
    rows_by_part = [[item.row for item in part.image.retrieved or ()] for part in answer.parts[:3] if part.image]
    assert [len(rows) for rows in rows_by_part] == [3, 3, 2]  # eight candidates in all
    assert sorted(row for rows in rows_by_part for row in rows) == list(range(8))
    generation = gill.generate(prompts[0], TWICE, max_num_rets=4)
    vectors = gill.heads.embed_states(generation.states)
    queries = torch.nn.functional.normalize(vectors, dim=-1).detach().numpy()
    left = np.ones(8, bool)
    for query, rows in zip(queries, rows_by_part, strict=True):
        cosines = np.where(left, np.asarray(candidates.embeddings.vectors) @ query, -1000)
        assert rows == np.argsort(-cosines, kind="stable")[: len(rows)].tolist()
        left[rows] = False


def test_among_equal_candidates_the_first_is_retrieved(tmp_path: Path) -> None:
    rows = np.array([[0, 1], [1, 0], [1, 0], [0, 1], [1, 0]], np.float32)
    write_embeddings(tmp_path / "set", [rows], list("abcde"))
    lists, largest = CandidateSet.load(tmp_path / "set").search(np.array([[1, 0], [1, 0]], np.float32), 2)
    assert [[item.path for item in row] for row in lists] == [["b", "c"], ["e", "a"]]
    assert largest == [1, 1]  # of all candidates, whatever was taken before


def test_a_decision_model_may_read_the_similarity_to_the_candidates(
    gill: Gill, candidates: CandidateSet, prompts: list[Prompt]
) -> None:
    [part] = gill.generate_with_images(prompts[0], FORCED, candidates=candidates, noise=()).parts
    assert part.image is not None
    assert part.image.max_similarity is not None
    weight = torch.zeros(2, 97)
    weight[1, 96] = 1.0
    own = gill.decision
    gill.decision = DecisionModel(weight, torch.zeros(2))
    try:
        [with_set] = gill.generate_with_images(prompts[0], FORCED, candidates=candidates, noise=()).parts
        [without] = gill.generate_with_images(prompts[0], FORCED, noise=()).parts
    finally:
        gill.decision = own
    assert with_set.image is not None
    assert with_set.image.decision is not None
    expected = 1 / (1 + math.exp(-part.image.max_similarity))
    assert with_set.image.decision.probability == pytest.approx(expected, abs=1e-6)
    assert without.image is not None
    assert without.image.decision is None
    assert "largest similarity" in without.image.undecided


def test_the_picture_to_show_follows_the_decision(gill: Gill, candidates: CandidateSet, prompts: list[Prompt]) -> None:
    own = gill.decision
    shown = {}
    try:
        for label, bias in (("generate", [1.0, 0.0]), ("retrieve", [0.0, 1.0])):
            gill.decision = DecisionModel(torch.zeros(2, 96), torch.tensor(bias))
            [part] = gill.generate_with_images(prompts[0], FORCED, candidates=candidates, noise=NOISE[:1]).parts
            assert part.image is not None
            shown[label] = (part.image, part.image.image)
        gill.decision = None
        [part] = gill.generate_with_images(prompts[0], FORCED, candidates=candidates, noise=()).parts
    finally:
        gill.decision = own
    image, picture = shown["generate"]
    assert picture is image.generated[0].generated.image
    image, picture = shown["retrieve"]
    assert picture is not None
    assert picture is (image.retrieved or ())[0].image
    assert part.image is not None
    assert part.image.decision is None
    assert "has no decision_model.pth.tar" in part.image.undecided


def test_an_answer_without_picture_tokens_or_cut_before_their_end_has_no_picture(
    gill: Gill, prompts: list[Prompt]
) -> None:
    answer = gill.generate_with_images(prompts[0], DecodingOptions(3, min_word_tokens=3), noise=())
    assert [part.image for part in answer.parts] == [None]
    assert not set(answer.ids) & set(gill.tokens.image_ids)
    answer = gill.generate_with_images(prompts[0], DecodingOptions(1, gen_scale_factor=1e5))
    assert [part.image for part in answer.parts] == [None]
    assert answer.ids == tuple(gill.tokens.image_ids)


def test_pictures_that_cannot_be_had_are_reported(gill: Gill, candidates: CandidateSet, tmp_path: Path) -> None:
    url, other = "https://x.org/a.jpg", "https://x.org/b.jpg"
    paths = [url, "../secret.png", "/etc/passwd", "gone.png", "text.png", "b.png", "nul\0.png", other]
    write_embeddings(tmp_path / "set", [np.asarray(candidates.embeddings.vectors)], paths)
    folder = tmp_path / "pictures"
    folder.mkdir()
    red = Image.new("RGB", (4, 4), "red")
    red.save(tmp_path / "secret.png")
    red.save(folder / "b.png")
    (folder / "text.png").write_text("no picture")
    red.save(folder / f"{hashlib.sha256(url.encode()).hexdigest()}.jpg")
    prompt = Prompt(("a red circle",))

    def failures(chosen: CandidateSet) -> dict[str, str]:
        [part] = gill.generate_with_images(prompt, FORCED, candidates=chosen, noise=(), top=8).parts
        assert part.image is not None
        retrieved = part.image.retrieved or ()
        assert all((item.image is None) == bool(item.failure) for item in retrieved)
        return {item.path: item.failure for item in retrieved}

    local = failures(CandidateSet.load(tmp_path / "set", folder))
    assert local[url] == local["b.png"] == ""
    assert local["gone.png"] == local[other] == "no such file"
    assert "not a picture" in local["text.png"]
    for path in ("../secret.png", "/etc/passwd", "nul\0.png"):
        assert "leads out of the folder" in local[path]
    assert set(failures(CandidateSet.load(tmp_path / "set")).values()) == {
        "neither a folder of pictures nor a function that fetches them was given"
    }
    fetched_paths: list[str] = []

    def fetch(path: str) -> Image.Image:
        fetched_paths.append(path)
        if path == other:
            raise TimeoutError("slow")
        return Image.new("L", (5, 5))

    fetched = failures(CandidateSet.load(tmp_path / "set", folder, fetch))
    assert fetched[other] == "not fetched (TimeoutError: slow)"
    assert fetched["gone.png"] == ""
    assert sorted(fetched_paths) == ["gone.png", other]


def test_names_of_candidates_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePictureError):
        picture_file(tmp_path, "a/../../b.png")
    assert picture_file(tmp_path, "a/b.png") == tmp_path / "a" / "b.png"


def test_candidates_or_weights_that_do_not_fit_the_model_are_refused(
    gill: Gill, weights: dict[str, Path], tmp_path: Path, prompts: list[Prompt]
) -> None:
    write_embeddings(tmp_path / "set", [np.ones((3, 256), np.float32)], list("abc"))
    with pytest.raises(InputError, match="of width 256, but the model's are of width 32"):
        gill.generate_with_images(prompts[0], FORCED, candidates=CandidateSet.load(tmp_path / "set"), noise=())
    with pytest.raises(InputError, match="no such folder; expected the candidates' pictures"):
        CandidateSet.load(tmp_path / "set", tmp_path / "nowhere")
    without = adapter.load(
        {name: folder for name, folder in weights.items() if name != "image_decoder"}, Settings(squash_size=32), "cpu"
    )
    with pytest.raises(InputError, match="without an image decoder"):
        without.generate_with_images(prompts[0], FORCED)
    assert without.generate_with_images(prompts[0], FORCED, noise=()).parts[0].image is not None
