"""A picture says that its prompt was cut, if and only if the end of the prompt does not change the picture."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gill_bench.cards.find import Cards
from gill_bench.errors import InputError
from gill_bench.interfaces import Noise
from gill_bench.models import stable_diffusion
from gill_bench.models.diffusers.folder import TEXT_TO_IMAGE
from gill_bench.models.diffusers.pipelines import run
from gill_bench.models.stable_diffusion import Settings
from gill_bench.models.stable_diffusion import generators as _generators
from gill_bench.planning.resolve import resolve_model
from gill_bench.prompt import Prompt
from tests.support.tiny_pipelines import LENGTH
from tests.support.tiny_text_to_image import WRITERS, write_flux, write_sd3

# Words of one token, of which all are read: what the pipelines cut at, less the tokens that they add.
WORDS_READ = {
    "AuraFlowPipeline": 256,
    "FluxPipeline": 511,
    "HunyuanDiTPipeline": 255,
    "Kandinsky3Pipeline": 127,
    "LatentConsistencyModelPipeline": LENGTH - 2,
    "PixArtAlphaPipeline": 119,
    "PixArtSigmaPipeline": 299,
    "SanaPipeline": 299,
    "StableDiffusion3Pipeline": 255,
    "StableDiffusionPipeline": LENGTH - 2,
    "StableDiffusionXLPipeline": LENGTH - 2,
    "sd3 without T5": LENGTH - 2,
    "schnell": 511,
}
ALL: dict[str, Callable[[Path], Path]] = {
    **WRITERS,
    "sd3 without T5": lambda folder: write_sd3(folder, t5=False),
    "schnell": lambda folder: write_flux(folder, guidance=False),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def write(kind: str) -> Path:
        torch.manual_seed(0)
        return ALL[kind](tmp_path_factory.mktemp("tiny") / kind.replace(" ", "-"))

    return write


@pytest.fixture
def load(folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Load a pipeline that paints 64 x 64 pixels, whatever the published ones paint."""

    def smaller(pipeline: Any, noise: Any, **arguments: Any) -> Any:
        size = {"height": 64, "width": 64, "use_resolution_binning": False}
        known = inspect.signature(pipeline.__call__).parameters
        return run(pipeline, noise, **{name: value for name, value in size.items() if name in known}, **arguments)

    monkeypatch.setattr(_generators, "run", smaller)

    def build(kind: str, **settings: Any) -> Any:
        chosen = Settings.model_validate({"num_inference_steps": 2, "safety_checker": False, **settings})
        weights = {"pipeline": folder(kind)}
        stable_diffusion.check(weights, chosen)
        return stable_diffusion.load(weights, chosen, "cpu")

    return build


def paint(model: Any, texts: list[str]) -> list[tuple[bytes, bool]]:
    """Pixels of one picture each, under the same noise, and whether it says that its prompt was cut."""
    groups = [model.generate_images([Prompt((text,))], [[Noise(1)]])[0] for text in texts]
    return [(np.asarray(group[0].image).tobytes(), group[0].truncated) for group in groups]


def test_every_pipeline_that_is_taken_is_tried() -> None:
    assert set(WRITERS) == set(TEXT_TO_IMAGE)
    assert set(WORDS_READ) == set(ALL)


@pytest.mark.parametrize("kind", ALL)
def test_cut_is_said_where_the_end_of_a_prompt_does_not_matter(
    kind: str, load: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    model = load(kind)
    capfd.readouterr()
    for words in (WORDS_READ[kind], WORDS_READ[kind] + 1):
        cut = words > WORDS_READ[kind]
        (first, first_cut), (second, second_cut) = paint(
            model, [" ".join(["dog"] * (words - 1) + [last]) for last in ("cat", "red")]
        )
        assert (first == second) == cut, words
        assert (first_cut, second_cut) == (cut, cut), words
    assert capfd.readouterr().err == ""  # what was cut is counted, and not printed a prompt at a time
    together = model.generate_images(
        [Prompt(("dog " * words,)) for words in (WORDS_READ[kind] + 1, 1, 2)], [[Noise(1)], [], [Noise(1), Noise(2)]]
    )
    assert [[picture.truncated for picture in group] for group in together] == [[True], [], [False, False]]


@pytest.mark.parametrize("kind", ALL)
def test_guidance_is_sent_where_it_does_something(
    kind: str, folder: Callable[[str], Path], load: Callable[..., Any]
) -> None:
    reads = "guidance_scale" not in stable_diffusion.unused({"pipeline": folder(kind)})
    assert reads == (kind != "schnell")
    weak, strong = (paint(load(kind, guidance_scale=scale), ["two dogs"])[0][0] for scale in (2.0, 9.0))
    assert (weak != strong) == reads


def test_a_guidance_that_does_nothing_is_refused_or_not_shown(
    folder: Callable[[str], Path], load: Callable[..., Any], tmp_path: Path
) -> None:
    for kind in ("FluxPipeline", "schnell"):
        (tmp_path / kind).symlink_to(folder(kind))
        (tmp_path / f"{kind.lower()}.toml").write_text(
            f'schema = 1\nname = "{kind.lower()}"\nextends = "stable-diffusion"\ntitle = "Flux"\n'
            f'[weights.pipeline]\nid = ""\nfolder = "{kind}"\n'
        )
    dev, schnell = (Cards().model(str(tmp_path / f"{name}.toml")) for name in ("fluxpipeline", "schnell"))
    task = {"guidance_scale": 3.0}
    resolved = resolve_model(dev, weights=str(tmp_path), settings={}, sampling=task)
    assert resolved.card.settings["guidance_scale"] == 3.0
    assert resolved.notes() == []
    resolved = resolve_model(schnell, weights=str(tmp_path), settings={}, sampling=task)
    assert "guidance_scale" not in resolved.card.settings
    assert "guidance_scale does nothing in this FluxPipeline" in resolved.notes()[0]
    with pytest.raises(InputError, match=r"--set schnell\.guidance_scale: guidance_scale does nothing"):
        resolve_model(schnell, weights=str(tmp_path), settings=task)
    model = load("schnell")
    assert "guidance_scale" not in model._arguments()
    assert load("FluxPipeline")._arguments()["guidance_scale"] == 7.5


@pytest.mark.parametrize("kind", ALL)
def test_control_tokens_in_a_prompt_are_text(kind: str, load: Callable[..., Any]) -> None:
    model = load(kind)
    tokenizers = [getattr(model.pipeline, name, None) for name in ("tokenizer", "tokenizer_2", "tokenizer_3")]
    for tokenizer in filter(None, tokenizers):
        special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
        for text in [f"a dog {token} runs" for token in tokenizer.all_special_tokens]:
            assert not special & set(tokenizer(text, add_special_tokens=False)["input_ids"]), text
