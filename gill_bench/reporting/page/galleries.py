"""Galleries as data files: what a browser needs to sort and filter at once, everything else in blocks on demand."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from gill_bench.analysis.gallery_records import Gallery, GalleryExample, ModelTest, PictureFile, ShownOutput
from gill_bench.reporting.page.folder import PageFolder, Shelf
from gill_bench.storage.digests import digest

Start = Callable[[str, int], Callable[[int], None]]
"""Starts a progress bar, given its label and total."""

BLOCK = 50
"""Examples whose texts are in one file."""

_MOST_FACT_VALUES = 40
_LONGEST_FACT = 60  # characters; longer ones, such as lists, are for metrics and not for readers
_FACT = re.compile(r"(?P<metric>[^/]+)/(?P<fact>[^/]+)/(?P<value>.+)")


@dataclass(frozen=True)
class GalleryPage:
    """One task's gallery, its data written.

    Attributes:
        file: Of the page.
        contexts: What a browser needs to know of each: models, metrics, tests, and the name of its index.
        photos: Names that load the data's pictures, as many in each as on a `Shelf`.
    """

    task: str
    title: str
    file: str
    contexts: list[dict[str, Any]] = field(default_factory=list)
    photos: list[str] = field(default_factory=list)

    def link(self, context: str, metric: str, model: str) -> str | None:
        """Where the samples behind a number are shown; None if nothing of its context is."""
        found = next((one for one in self.contexts if one["name"] == context), None)
        if found is None or model not in found["models"]:
            return None
        shown = {"context": context, "metric": metric, "a": model}
        part = _FACT.fullmatch(metric)
        if part:
            shown |= {"metric": part["metric"], "fact": f"{part['fact']}:{part['value']}"}
        return f"{self.file}#{urlencode(shown, quote_via=quote)}"


def page_name(task: str) -> str:
    """The file of a task's gallery.

    >>> page_name("vist"), page_name("a/b")
    ('gallery-vist.html', 'gallery-a-b-c0ff64d6.html')
    """
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", task)
    return f"gallery-{plain}.html" if plain == task else f"gallery-{plain}-{digest(task)[:8]}.html"


def write_galleries(
    folder: PageFolder, galleries: Iterable[Gallery], tests: Sequence[ModelTest], inside: Path | None, start: Start
) -> list[GalleryPage]:
    """Write the data of galleries.

    Args:
        folder: Of the page.
        galleries: Those of a task one after another.
        tests: Of all tasks.
        inside: The run's folder, if the page lies in it: full pictures are then linked to.
        start: Shows progress.
    """
    found: list[GalleryPage] = []
    photos = Shelf()
    for gallery in galleries:
        if not found or found[-1].task != gallery.task:
            _finish(folder, found, photos, start)
            found.append(GalleryPage(gallery.task, gallery.title, page_name(gallery.task)))
            photos = Shelf()
        own = [one for one in tests if (one.task, one.context) == (gallery.task, gallery.context)]
        found[-1].contexts.append(_write_context(folder, gallery, own, photos, inside, start))
    _finish(folder, found, photos, start)
    return found


def _finish(folder: PageFolder, found: list[GalleryPage], photos: Shelf, start: Start) -> None:
    if found:
        found[-1].photos.extend(photos.write(folder, start(f"{found[-1].task}, data", len(photos))))


def _write_context(
    folder: PageFolder,
    gallery: Gallery,
    tests: Sequence[ModelTest],
    photos: Shelf,
    inside: Path | None,
    start: Start,
) -> dict[str, Any]:
    at_once = max((sum(len(made) for made in one.outputs.values()) for one in gallery.examples), default=1)
    shelf = Shelf(at_once)
    blocks = []
    for first in range(0, len(gallery.examples), BLOCK):
        examples = gallery.examples[first : first + BLOCK]
        blocks.append(folder.data([_example_fields(one, photos, shelf, folder.path, inside) for one in examples]))
    names = [one.example for one in gallery.examples]
    index = {
        "ids": names,
        "blocks": blocks,
        "block": BLOCK,
        "packs": shelf.write(folder, start(f"{gallery.task} {gallery.context}", len(shelf))),
        "pack": shelf.size,
        "facts": _facts(gallery.examples),
    }
    return {
        "name": gallery.context,
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
        "tests": [test_fields(one) for one in tests],
        "index": folder.data(index),
    }


def _seeds(examples: Sequence[GalleryExample]) -> list[int]:
    shown = {output.seed for one in examples for made in one.outputs.values() for output in made}
    lost = {seed for one in examples for each in one.lost.values() for item in each for seed in item.seeds}
    return sorted(shown | lost)


def test_fields(test: ModelTest) -> dict[str, Any]:
    """A test as the pages read it."""
    found = test.difference
    return {
        "metric": test.metric,
        "models": list(test.models),
        "mean": found.mean,
        "low": found.low,
        "high": found.high,
        "n": found.n,
        "clusters": found.clusters,
        "p": test.p,
        "holm": test.p_holm,
        "better": test.better,
    }


def _example_fields(
    one: GalleryExample, photos: Shelf, shelf: Shelf, page: Path, inside: Path | None
) -> dict[str, Any]:
    return {
        "prompt": [part if isinstance(part, str) else _photo(part, photos) for part in one.prompt],
        "target": _photo(one.target, photos) if one.target is not None else None,
        "answers": list(dict.fromkeys(one.answers)),
        "facts": {name: value for name, value in one.facts.items() if len(value) <= _LONGEST_FACT},
        "cluster": one.cluster,
        **_lost(one),
        "out": {model: [_shown(each, shelf, page, inside) for each in made] for model, made in one.outputs.items()},
    }


def _lost(one: GalleryExample) -> dict[str, Any]:
    """What has no output, by model; nothing where all has."""
    told = {
        model: [{"outcome": each.outcome, "seeds": list(each.seeds), "reason": each.reason} for each in lost]
        for model, lost in one.lost.items()
    }
    return {"lost": told} if told else {}


def _photo(picture: PictureFile, photos: Shelf) -> dict[str, Any]:
    return {"id": picture.id, "at": photos.add(picture.file)}


def _shown(shown: ShownOutput, shelf: Shelf, page: Path, inside: Path | None) -> dict[str, Any]:
    found: dict[str, Any] = {"seed": shown.seed}
    if shown.picture is not None:
        number = shelf.add(shown.picture, shown.sha256)
        if number is None:
            found["gone"] = True
        else:
            found["at"] = number
            if inside is not None and shelf.is_reduced(number) and shown.picture.is_relative_to(inside):
                found["full"] = quote(Path(os.path.relpath(shown.picture, page)).as_posix())
    if shown.text is not None:
        found["text"] = shown.text
    if shown.marks:
        found["marks"] = list(shown.marks)
    return found


def _value(value: float | None) -> float | None:
    return float(f"{value:.9g}") if value is not None and math.isfinite(value) else None


def _facts(examples: Sequence[GalleryExample]) -> dict[str, dict[str, Any]]:
    """Facts with few values, to filter by: the values, and which one each example has (-1: none)."""
    names = dict.fromkeys(name for one in examples for name in one.facts)
    found = {}
    for name in names:
        values = sorted({one.facts[name] for one in examples if name in one.facts})
        if 1 < len(values) <= _MOST_FACT_VALUES and max(map(len, values)) <= _LONGEST_FACT:
            place = {value: number for number, value in enumerate(values)}
            found[name] = {"values": values, "at": [place.get(one.facts.get(name, ""), -1) for one in examples]}
    return found
