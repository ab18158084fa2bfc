"""The pictures of a prompt that a pipeline is given in each style, and that its output depends on them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gill_bench.errors import InputError
from gill_bench.models import any_pipeline
from gill_bench.models.any_pipeline import Settings
from gill_bench.models.any_pipeline.pictures import PictureReader, large_enough, picture_reader, strip, without_tags
from gill_bench.models.any_pipeline.pipeline_class import PipelineClass
from gill_bench.prompt import Prompt
from tests.models.any_pipeline.conftest import describe, load, paint
from tests.support.tiny_pipelines import edit_json
from tests.support.tiny_prompt_pipelines import write_ip_adapter

RED, BLUE, GREEN = (
    Image.new("RGB", size, colour) for size, colour in (((96, 72), "red"), ((64, 128), "blue"), ((64, 64), "green"))
)
PROMPT = Prompt(("a dog", RED, "runs <image1>", BLUE, "on"))


def reader(name: str, style: Any = None, **options: Any) -> PictureReader:
    import diffusers

    return picture_reader(
        PipelineClass(getattr(diffusers, name), Path(), {}), style, **{"ip_adapter": False, **options}
    )


@pytest.mark.parametrize(
    ("name", "style", "argument", "text", "pictures"),
    [
        (
            "OmniGenPipeline",
            "in-place",
            "input_images",
            ["a dog <img><|image_1|></img> runs < image1> <img><|image_2|></img> on"],
            [[RED, BLUE]],
        ),
        ("Flux2Pipeline", "list", "image", "a dog image 1 runs < image1> image 2 on", [RED, BLUE]),
        ("Flux2KleinPipeline", "list", "image", "a dog image 1 runs < image1> image 2 on", [RED, BLUE]),
        ("Flux2KleinKVPipeline", "list", "image", "a dog image 1 runs < image1> image 2 on", [RED, BLUE]),
        ("QwenImageEditPlusPipeline", "list", "image", "a dog Picture 1 runs < image1> Picture 2 on", [RED, BLUE]),
        ("QwenImage21Pipeline", "list", "image", "a dog <image1> runs < image1> <image2> on", [RED, BLUE]),
        ("ZImageOmniPipeline", "list", "image", "a dog image 1 runs < image1> image 2 on", [RED, BLUE]),
        ("GlmImagePipeline", "list", "image", ["a dog image 1 runs < image1> image 2 on"], [[RED, BLUE]]),
        ("JoyImageEditPlusPipeline", "list", "images", ["a dog image 1 runs < image1> image 2 on"], [[RED, BLUE]]),
        ("FluxKontextPipeline", "last", "image", "a dog runs < image1> on", BLUE),
        ("LongCatImageEditPipeline", "last", "image", "a dog runs < image1> on", BLUE),
        ("Kandinsky5I2IPipeline", "last", "image", "a dog runs < image1> on", BLUE),
        ("QwenImageEditPipeline", "last", "image", "a dog runs < image1> on", BLUE),
        ("DreamLitePipeline", "last", "image", "a dog runs < image1> on", BLUE),
        ("StableDiffusionXLImg2ImgPipeline", "last", "image", "a dog runs < image1> on", BLUE),
    ],
)
def test_by_default_a_class_is_given_what_it_reads(
    name: str, style: str, argument: str, text: Any, pictures: Any
) -> None:
    chosen = reader(name)
    assert chosen.style == style
    assert chosen.arguments(PROMPT) == {"prompt": text, argument: pictures}
    assert bool(chosen.reduced) == (style == "last")


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("QwenImageEditPlusPipeline", True),
        ("QwenImageEditPipeline", True),
        ("LongCatImageEditPipeline", True),
        ("Kandinsky5I2IPipeline", True),
        ("StableDiffusionImg2ImgPipeline", True),
        ("FluxKontextPipeline", False),
        ("OmniGenPipeline", False),
        ("Flux2Pipeline", False),
        ("GlmImagePipeline", False),
        ("QwenImage21Pipeline", False),
        ("DreamLitePipeline", False),
    ],
)
def test_classes_that_cannot_be_called_without_a_picture(name: str, needs: bool) -> None:
    assert reader(name).needs_picture == needs
    if needs:
        with pytest.raises(InputError, match="holds no picture"):
            reader(name).arguments(Prompt(("a dog",)))
        with pytest.raises(InputError, match="cannot be called without a picture"):
            reader(name, "none")
    else:
        assert set(reader(name).arguments(Prompt(("a dog",)))) == {"prompt"}


def test_a_style_of_passing_pictures_can_be_set_where_the_class_takes_it() -> None:
    whole = reader("FluxKontextPipeline", "strip")
    assert whole.arguments(PROMPT)["image"].tobytes() == strip([RED, BLUE]).tobytes()
    assert "side by side" in whole.reduced
    assert reader("Flux2Pipeline", "last").arguments(PROMPT)["image"] is BLUE
    last = reader("OmniGenPipeline", "last").arguments(PROMPT)
    assert last == {"prompt": ["a dog runs < image1> <img><|image_1|></img> on"], "input_images": [[BLUE]]}
    with pytest.raises(InputError, match="takes no pictures"):
        reader("ZImagePipeline", "last")
    with pytest.raises(InputError, match="reads text alone"):
        reader("ZImagePipeline").arguments(PROMPT)
    with pytest.raises(InputError, match="reads no pictures in this way; use 'in-place'"):
        reader("OmniGenPipeline", "list")
    with pytest.raises(InputError, match="reads no pictures in this way; use 'list'"):
        reader("Flux2Pipeline", "in-place")


def test_an_ip_adapter_gets_all_pictures() -> None:
    chosen = reader("StableDiffusionXLPipeline", ip_adapter=True)
    assert (chosen.style, chosen.needs_picture) == ("ip-adapter", True)
    assert chosen.arguments(PROMPT) == {"prompt": "a dog runs < image1> on", "ip_adapter_image": [[RED, BLUE]]}
    with pytest.raises(InputError, match=r"name its weights in \[weights.ip_adapter\]"):
        reader("StableDiffusionXLPipeline", "ip-adapter")
    with pytest.raises(InputError, match="takes no ip_adapter_image"):
        reader("SanaPipeline", ip_adapter=True)


def test_a_strip_has_all_pictures_at_the_height_of_the_lowest() -> None:
    whole = strip([RED, BLUE])
    assert whole.size == (96 + 36, 72)
    assert [whole.getpixel((x, 36)) for x in (10, 120)] == [(255, 0, 0), (0, 0, 255)]


def test_small_pictures_are_enlarged() -> None:
    assert large_enough(Image.new("RGB", (32, 48))).size == (64, 96)
    assert large_enough(RED) is RED


def test_picture_placeholders_in_texts_of_the_data_are_broken_up() -> None:
    assert without_tags("<img><|image_1|></img> <image> <b>") == "< img>< |image_1|>< /img> < image> <b>"


@pytest.mark.parametrize(
    ("kind", "first_matters"),
    [
        ("OmniGenPipeline", True),
        ("Flux2KleinPipeline", True),
        ("QwenImageEditPlusPipeline", True),
        ("FluxKontextPipeline", False),
    ],
)
def test_pictures_reach_the_pipeline(kind: str, first_matters: bool, folder: Callable[[str], Path]) -> None:
    model = load(folder(kind), height=32, width=32)
    base = paint(model, "a dog", RED, "runs", BLUE)[0]
    assert base != paint(model, "a dog", RED, "runs", GREEN)[0]
    assert (base != paint(model, "a dog", GREEN, "runs", BLUE)[0]) == first_matters
    known = describe(folder(kind))
    assert bool(known.notes["image"]) == (not first_matters)


def test_an_ip_adapter_shows_all_pictures_to_the_pipeline(folder: Callable[[str], Path], tmp_path: Path) -> None:
    pipeline = folder("StableDiffusionPipeline")
    weights = {"pipeline": pipeline, "ip_adapter": write_ip_adapter(tmp_path, pipeline)}
    model = any_pipeline.load(weights, Settings(num_inference_steps=1), "cpu")
    base = paint(model, "a dog", RED, "runs", BLUE)[0]
    assert base == paint(model, "a dog", RED, "runs", BLUE)[0]
    assert base != paint(model, "a dog", RED, "runs", GREEN)[0]
    assert base != paint(model, "a dog", GREEN, "runs", BLUE)[0]
    with pytest.raises(InputError, match="holds no picture"):
        paint(model, "a dog")
    edit_json(tmp_path / "image_encoder" / "config.json", num_hidden_layers=2)
    with pytest.raises(InputError, match="weights of CLIPVisionModelWithProjection are missing"):
        any_pipeline.load(weights, Settings(num_inference_steps=1), "cpu")
    shutil.rmtree(tmp_path / "image_encoder")
    with pytest.raises(InputError, match="no folder image_encoder beside it"):
        any_pipeline.check(weights, Settings())
