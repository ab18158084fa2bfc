"""Made-up content of a page: pictures, stories, two models, and texts that would be code if they were markup."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gill_bench.analysis.gallery_records import (
    ExampleScores,
    Gallery,
    GalleryExample,
    ModelTest,
    PictureFile,
    RunRecord,
    ShownOutput,
)
from gill_bench.cards.find import Cards
from gill_bench.reporting.page import PageContent
from gill_bench.rundir.records import Session, Spec, SpecCell, SpecTask
from gill_bench.statistics.bootstrap import Interval
from tests.support.made_up import table, usual_rows

MODELS = ("stable-diffusion", "gill")
CONTEXT = "1-caption"
METRIC = "clip-similarity"
HOSTILE = (
    "<script>window.hit = 1</script>",
    '<img src="x" onerror="window.hit = 2">',
    "</script><script>window.hit = 3</script>",
    "<svg onload='window.hit = 4'><text>svg</text></svg>",
    "line\u2028separator\u2029 ${window.hit = 5} `{{ 7 * 7 }}` \\u003cb",
    "\"onmouseover='window.hit = 6' &amp; &lt;b&gt; \ud800 alone",
)


def picture(file: Path, number: int, side: int = 32) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file)
    return file


def gallery(
    folder: Path, count: int = 3, seeds: int = 2, texts: Sequence[str] = (), side: int = 32, context: str = CONTEXT
) -> Gallery:
    """Stories with pictures of two models: GILL scores e / 10 + s / 100 on example e with seed s, the other 0.1."""
    examples = []
    for number in range(count):
        words = texts[number % len(texts)] if texts else f"caption {number}"
        photo = picture(folder / "data" / f"{number}.png", number)
        examples.append(
            GalleryExample(
                f"example-{number}",
                f"cluster-{number // 2}",
                (words, PictureFile(f"photo-{number}", photo), "and then"),
                PictureFile(f"target-{number}", photo),
                (words,),
                {"kind": "even" if number % 2 == 0 else "odd"},
                {
                    model: tuple(
                        ShownOutput(
                            seed,
                            picture(folder / "run" / model / f"{number}-{seed}.png", 1000 + number, side),
                            marks=(),
                        )
                        for seed in range(seeds)
                    )
                    for model in MODELS
                },
            )
        )
    values = {
        "stable-diffusion": {seed: {example.example: 0.1 for example in examples} for seed in range(seeds)},
        "gill": {
            seed: {example.example: number / 10 + seed / 100 for number, example in enumerate(examples)}
            for seed in range(seeds)
        },
    }
    return Gallery("vist", "Stories", context, MODELS, examples, [ExampleScores(METRIC, True, values)])


def one_test() -> ModelTest:
    return ModelTest("vist", CONTEXT, METRIC, MODELS, Interval(-0.0105, -0.0123, -0.0087, 3, 2), 0.031, 0.062, False)


def record(name: str = "first") -> RunRecord:
    data = {"split": "test", "licence": "terms of the photos", "citation": "Huang et al., NAACL 2016"}
    card = {"name": "vist", "data": data}
    recipe = {"adapter": "gill", "settings": {"num_inference_steps": 10}, "weights": {"llm": "ab" * 32}}
    cell = SpecCell("vist", "vist@1", "gill", CONTEXT, (0, 1), recipe, ())
    spec = Spec({"vist@1": SpecTask(card, "mini", 0, "mini")}, (cell,))
    session = Session(argv=["run", "vist"], commit="c0ffee", device="cpu", packages={"torch": "2.6.0"})
    failed = ("vist", "gill", CONTEXT, "example-8", "failed: KeyError: 'unk' at my_model.py:12", "units/failed-1.json")
    return RunRecord(name, spec, [session], [("vist", "example-9", "picture 7: no such file")], [failed])


def content(folder: Path, *galleries: Gallery, texts: Sequence[str] = (), inside: Path | None = None) -> PageContent:
    titles = {"gill": texts[0] if texts else "GILL", "stable-diffusion": "SD"}
    return PageContent(
        [table(usual_rows(), notes=tuple(texts))],
        galleries or [gallery(folder, texts=texts)],
        [one_test()],
        [record(texts[0] if texts else "first")],
        {name: Cards().model(name).model_copy(update={"title": title}) for name, title in titles.items()},
        addresses={inside: ".."} if inside else {},
    )


def value_of(page: Path, name: str) -> object:
    text = (page / f"{name}.js").read_text("ascii")
    assert text.startswith(f'gillBench("{name}",')
    return json.loads(text[len(f'gillBench("{name}",') : -len(");\n")])
