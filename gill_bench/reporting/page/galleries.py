"""Galleries as data files: an index, which a browser needs to sort and filter, and blocks that it loads on demand."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from gill_bench.analysis.gallery_records import Gallery, GalleryExample, ModelTest, PictureFile, ShownOutput
from gill_bench.datasets.controls import MARK
from gill_bench.reporting.page.folder import PageFolder, Shelf
from gill_bench.reporting.page.memory import PageMemory
from gill_bench.storage.digests import digest

Start = Callable[[str, int], Callable[[int], None]]
"""Starts a progress bar with a label and a total; the returned function advances it."""

BLOCK = 50
"""The number of examples whose texts are in one file."""

_MOST_FACT_VALUES = 40
_LONGEST_FACT = 60  # characters; longer facts, such as lists, are for metrics and not for readers
_FACT = re.compile(r"(?P<metric>[^/]+)/(?P<fact>[^/]+)/(?P<value>.+)")


@dataclass
class GalleryPage:
    """The gallery of one task, whose data files are written.

    Attributes:
        task: The name of the task's card.
        title: The title of the task's card.
        file: The name of the gallery's HTML file.
        contexts: For each context, the values that a browser needs first: models, metrics, tests, and the name of the
            context's index.
        photos: The names that load the data's pictures, `Shelf.size` pictures each.
        originals: The name that loads the data's pictures in full size, as paths in the page's folder (null where the
            thumbnail is the whole picture); "" before the data files are written.
    """

    task: str
    title: str
    file: str
    contexts: list[dict[str, Any]] = field(default_factory=list)
    photos: list[str] = field(default_factory=list)
    originals: str = ""

    def link(self, context: str, metric: str, model: str) -> str | None:
        """The address that shows the samples behind a number; None if the gallery lacks its context or model."""
        entry = next((entry for entry in self.contexts if entry["name"] == context), None)
        if entry is None or model not in entry["models"]:
            return None
        shown = {"context": context, "metric": metric, "a": model}
        part = _FACT.fullmatch(metric)
        if part:
            shown |= {"metric": part["metric"], "fact": f"{part['fact']}:{part['value']}"}
        return f"{self.file}#{urlencode(shown, quote_via=quote)}"


def page_name(task: str) -> str:
    """The name of the HTML file of a task's gallery.

    >>> page_name("vist"), page_name("a/b")
    ('gallery-vist.html', 'gallery-a-b-f5effa31.html')
    """
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", task)
    return f"gallery-{plain}.html" if plain == task else f"gallery-{plain}-{digest(task)[:8]}.html"


def write_galleries(
    folder: PageFolder,
    galleries: Iterable[Gallery],
    tests: Sequence[ModelTest],
    addresses: Mapping[Path, str],
    memory: PageMemory,
    start: Start,
) -> list[GalleryPage]:
    """Write the data files of galleries.

    Args:
        folder: The page's folder.
        galleries: The galleries, grouped by task.
        tests: The tests of pairs of models, for all tasks.
        addresses: By folder of a run, its address as seen from the page, by which the page links to full pictures.
        memory: The memory of the page.
        start: Starts a progress bar.
    """
    pages: list[GalleryPage] = []
    photos = Shelf()
    for gallery in galleries:
        if not pages or pages[-1].task != gallery.task:
            _finish(folder, pages, photos, start)
            pages.append(GalleryPage(gallery.task, gallery.title, page_name(gallery.task)))
            photos = memory.shelf(gallery.task)
        context_tests = [test for test in tests if (test.task, test.context) == (gallery.task, gallery.context)]
        pages[-1].contexts.append(_write_context(folder, gallery, context_tests, photos, addresses, memory, start))
    _finish(folder, pages, photos, start)
    return pages


def _finish(folder: PageFolder, pages: list[GalleryPage], photos: Shelf, start: Start) -> None:
    if pages:
        pages[-1].photos.extend(photos.write(folder, start(f"{pages[-1].task}, data", len(photos))))
        pages[-1].originals = folder.data(photos.write_originals(folder))


def _write_context(
    folder: PageFolder,
    gallery: Gallery,
    tests: Sequence[ModelTest],
    photos: Shelf,
    addresses: Mapping[Path, str],
    memory: PageMemory,
    start: Start,
) -> dict[str, Any]:
    counts = (sum(len(outputs) for outputs in example.outputs.values()) for example in gallery.examples)
    shelf = memory.shelf(gallery.task, gallery.context, max(counts, default=1))
    blocks = []
    for first in range(0, len(gallery.examples), BLOCK):
        examples = gallery.examples[first : first + BLOCK]
        blocks.append(folder.data([_example_fields(example, photos, shelf, addresses) for example in examples]))
    names = [example.example for example in gallery.examples]
    index = {
        "blocks": blocks,
        "block": BLOCK,
        "packs": shelf.write(folder, start(f"{gallery.task} {gallery.context}", len(shelf))),
        "pack": shelf.size,
        "facts": _facts(gallery.examples),
        "lost": _lost_positions(gallery.examples),
        "marked": [at for at, example in enumerate(gallery.examples) if _is_marked(example)],
    }
    return {
        "name": gallery.context,
        "control": MARK in gallery.context,
        "given": _given(gallery.examples),
        "shown": bool(gallery.scores) or any(map(_is_shown, gallery.examples)),
        "models": list(gallery.models),
        "seeds": _seeds(gallery.examples),
        "note": gallery.note,
        "count": len(names),
        "metrics": [
            {
                "name": scores.metric,
                "higher": scores.higher_is_better,
                "values": folder.data(
                    {
                        model: {str(seed): [_value(each.get(name)) for name in names] for seed, each in seeds.items()}
                        for model, seeds in scores.by_model.items()
                    }
                ),
            }
            for scores in gallery.scores
        ],
        "tests": [test_fields(test) for test in tests],
        "ids": folder.data(names),
        "index": folder.data(index),
    }


def _given(examples: Sequence[GalleryExample]) -> dict[str, float]:
    """How much of an example a context gives: means of its pictures and of its characters, spaces apart."""
    pictures = sum(not isinstance(part, str) for example in examples for part in example.prompt)
    characters = sum(
        len("".join(part.split())) for example in examples for part in example.prompt if isinstance(part, str)
    )
    count = max(1, len(examples))
    return {"pictures": pictures / count, "characters": characters / count}


def _lost_positions(examples: Sequence[GalleryExample]) -> dict[str, list[tuple[int, str, list[int]]]]:
    """By model, the outputs that are lacking: the example's position, the outcome, and the seeds ([] for all)."""
    lost: dict[str, list[tuple[int, str, list[int]]]] = {}
    for at, example in enumerate(examples):
        for model, items in example.lost.items():
            lost.setdefault(model, []).extend((at, item.outcome, list(item.seeds)) for item in items)
    return lost


def _is_shown(example: GalleryExample) -> bool:
    """Whether an output has a picture or words; others, such as embeddings, say nothing to a reader."""
    return any(output.picture or output.text for outputs in example.outputs.values() for output in outputs)


def _is_marked(example: GalleryExample) -> bool:
    return any(output.marks for outputs in example.outputs.values() for output in outputs)


def _seeds(examples: Sequence[GalleryExample]) -> list[int]:
    shown = {output.seed for example in examples for outputs in example.outputs.values() for output in outputs}
    lost = {seed for example in examples for items in example.lost.values() for item in items for seed in item.seeds}
    return sorted(shown | lost)


def test_fields(test: ModelTest) -> dict[str, Any]:
    """The fields of a test that the page's JavaScript reads."""
    difference = test.difference
    return {
        "metric": test.metric,
        "models": list(test.models),
        "mean": difference.mean,
        "low": difference.low,
        "high": difference.high,
        "n": difference.n,
        "clusters": difference.clusters,
        "p": test.p,
        "holm": test.p_holm,
        "better": test.better,
    }


def _example_fields(
    example: GalleryExample, photos: Shelf, shelf: Shelf, addresses: Mapping[Path, str]
) -> dict[str, Any]:
    return {
        "prompt": [part if isinstance(part, str) else _photo(part, photos) for part in example.prompt],
        "target": _photo(example.target, photos) if example.target is not None else None,
        "answers": list(dict.fromkeys(example.answers)),
        "facts": {name: value for name, value in example.facts.items() if len(value) <= _LONGEST_FACT},
        "cluster": example.cluster,
        **_lost(example),
        "out": {
            model: [_output_fields(output, shelf, addresses) for output in outputs]
            for model, outputs in example.outputs.items()
        },
    }


def _lost(example: GalleryExample) -> dict[str, Any]:
    """The reasons why models have no output for an example; no field where every model has an output."""
    lost = {
        model: [{"outcome": item.outcome, "seeds": list(item.seeds), "reason": item.reason} for item in items]
        for model, items in example.lost.items()
    }
    return {"lost": lost} if lost else {}


def _photo(picture: PictureFile, photos: Shelf) -> dict[str, Any]:
    return {"id": picture.id, "at": photos.add(picture.file)}


def _output_fields(output: ShownOutput, shelf: Shelf, addresses: Mapping[Path, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {"seed": output.seed}
    if output.picture is not None:
        number = shelf.add(output.picture, output.sha256)
        if number is None:
            fields["gone"] = True
        else:
            fields["at"] = number
            run = next((run for run in addresses if output.picture.is_relative_to(run)), None)
            if run is not None and shelf.is_reduced(number):
                fields["full"] = quote(f"{addresses[run]}/{output.picture.relative_to(run).as_posix()}")
    if output.text is not None:
        fields["text"] = output.text
    if output.marks:
        fields["marks"] = list(output.marks)
    return fields


def _value(value: float | None) -> float | None:
    return float(f"{value:.9g}") if value is not None and math.isfinite(value) else None


def _facts(examples: Sequence[GalleryExample]) -> dict[str, dict[str, Any]]:
    """The facts that a reader can filter by: their few values, and the number of each example's value (-1: none)."""
    names = dict.fromkeys(name for example in examples for name in example.facts)
    facts = {}
    for name in names:
        values = sorted({example.facts[name] for example in examples if name in example.facts})
        if 1 < len(values) <= _MOST_FACT_VALUES and max(map(len, values)) <= _LONGEST_FACT:
            numbers = {value: number for number, value in enumerate(values)}
            facts[name] = {
                "values": values,
                "at": [numbers.get(example.facts.get(name, ""), -1) for example in examples],
            }
    return facts
