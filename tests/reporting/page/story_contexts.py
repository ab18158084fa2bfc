"""Made-up stories in four contexts of two models, so that outputs in several contexts stand side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gill_bench.analysis.gallery_records import ExampleScores, Gallery, GalleryExample, Lost, PictureFile, ShownOutput
from tests.reporting.page.content import MODELS, picture

SD, GILL = MODELS
CONTEXTS = {
    "1-caption": (1, 0),
    "3-captions": (3, 0),
    "3-captions-2-images": (3, 2),
    "3-captions-2-images@shuffled": (3, 2),
}
"""By context, the number of captions and of pictures that it gives."""
BEST = 7
"""The story on which GILL gains most by pictures."""


def value_of(model: str, context: str, number: int, seed: int, count: int) -> float:
    """GILL scores 0.5 without pictures, and with them most on story `BEST`; the other model 0.4 + number / 100."""
    if model == SD:
        return 0.4 + number / 100
    with_pictures = CONTEXTS[context][1] > 0
    return 0.5 + (with_pictures * (0.4 if number == BEST % count else number / 100)) + seed / 1000


def stories(
    folder: Path,
    count: int = 10,
    seeds: int = 2,
    change: Callable[[GalleryExample, str], GalleryExample] = lambda example, context: example,
) -> list[Gallery]:
    """The galleries of all contexts; the model without eyes is in those without pictures alone.

    Args:
        folder: Where pictures are written; all stories share a few files.
        count: The number of stories.
        seeds: The number of seeds.
        change: Makes another example of an example in a context.
    """
    photos = [picture(folder / "data" / f"{number}.png", number) for number in range(3)]
    outputs = {model: picture(folder / "run" / f"{model}.png", 10 + at, side=60) for at, model in enumerate(MODELS)}
    galleries = []
    for context, (captions, pictures) in CONTEXTS.items():
        models = MODELS if pictures == 0 else (GILL,)
        examples = []
        for number in range(count):
            texts = [f"caption {part} of story {number}" for part in range(3)][-captions:]
            prompt: list[str | PictureFile] = []
            for part, text in enumerate(texts):
                prompt.append(text)
                prompt += [PictureFile(f"photo-{number}-{part}", photos[part])] if part < pictures else []
            shown = {model: tuple(ShownOutput(seed, outputs[model]) for seed in range(seeds)) for model in models}
            target = PictureFile(f"photo-{number}-2", photos[2])
            example = GalleryExample(
                f"example-{number}", f"cluster-{number // 2}", tuple(prompt), target, (), {}, shown
            )
            examples.append(change(example, context))
        values = {
            model: {
                seed: {
                    each.example: value_of(model, context, number, seed, count) for number, each in enumerate(examples)
                }
                for seed in range(seeds)
            }
            for model in models
        }
        scores = [ExampleScores("clip-similarity", True, values), ExampleScores("lpips", False, values)]
        galleries.append(Gallery("vist", "Stories", context, models, examples, scores))
    return galleries


def with_losses(example: GalleryExample, context: str) -> GalleryExample:
    """On story 1 GILL failed, on story 2 the other model refused one seed, story 3 lacks its picture."""
    if example.example == "example-1":
        lost = Lost("failed", (0, 1), "KeyError: '<b>unk</b>' at my_model.py:12")
        return replace(example, outputs={SD: example.outputs.get(SD, ())}, lost={GILL: (lost,)})
    if example.example == "example-2" and SD in example.outputs:
        refused = Lost("refused", (1,), "unsafe")
        return replace(example, outputs={**example.outputs, SD: example.outputs[SD][:1]}, lost={SD: (refused,)})
    if example.example == "example-3":
        lost = Lost("missing", (), "picture 7: no such file")
        return replace(example, outputs={}, lost=dict.fromkeys(example.outputs, (lost,)))
    return example
