"""Samples in the layouts that the judges of other benchmarks read; docs/exchange.md names the revisions.

A run has the prompts of a benchmark if its task reads them with the option `source` (`gill_bench.datasets.prompts`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gill_bench.datasets import Example
from gill_bench.datasets.prompt_sources import ONEIG_FOLDERS
from gill_bench.errors import InputError
from gill_bench.exchange.export_files import Export, ExportFile, grid, picture_file, size_of, text_file
from gill_bench.exchange.exported_cell import ExportedCell
from gill_bench.rundir.records import Sample

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Prepared:
    """The prompts of a benchmark with the samples that are exported.

    Attributes:
        cell: The cell.
        samples: For each example its samples, in the order of the seeds; None for one that is not there.
        out: The folder of the export, for layouts that name files by their whole paths.
    """

    cell: ExportedCell
    samples: Sequence[tuple[Example, Sequence[Sample | None]]]
    out: Path


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The layout of a benchmark.

    Attributes:
        title: The benchmark's name.
        samples: The number of samples of each prompt that the benchmark asks for.
        allowed: The numbers of samples that its judge can read; () for any.
        pictures: Whether only pictures can be judged, and not texts.
        whole: Whether a prompt that lacks some of its samples cannot be judged.
        write: Makes the files.
    """

    title: str
    samples: int
    allowed: tuple[int, ...]
    pictures: bool
    whole: bool
    write: Callable[[Prepared], Export]


def benchmark_export(name: str, cell: ExportedCell, out: Path, *, samples: int = 0, partial: bool = False) -> Export:
    """The files of a cell in the layout of a benchmark.

    Args:
        name: The benchmark, one of `BENCHMARKS`.
        cell: The cell.
        out: The folder of the export.
        samples: The number of samples of each prompt; 0 for as many as the benchmark asks for.
        partial: Whether prompts may lack samples.

    Raises:
        InputError: The run does not have what the layout needs.
    """
    benchmark = BENCHMARKS[name]
    _check_prompts(name, benchmark, cell)
    count = samples or benchmark.samples
    if benchmark.allowed and count not in benchmark.allowed:
        numbers = " or ".join(map(str, benchmark.allowed))
        raise InputError(f"--samples {count}: the judge of {benchmark.title} reads {numbers} samples of each prompt")
    seeds = sorted(cell.spec.seeds if cell.has_pictures else (0,))
    if len(seeds) < count:
        other = (
            f", or export fewer: --samples {len(seeds)}" if len(seeds) in (benchmark.allowed or (len(seeds),)) else ""
        )
        raise InputError(
            f"{cell.key}: {benchmark.title} needs {count} samples of each prompt, and the run has {len(seeds)} seeds\n"
            f"run the same command again with --seeds {count}{other}"
        )
    rows = [(example, [cell.samples.get((example.id, seed)) for seed in seeds[:count]]) for example in cell.examples]
    _check_whole(benchmark, cell, rows, partial)
    stored = [row for row in rows if (all(row[1]) if benchmark.whole else any(row[1]))]
    if not stored:
        needed = "all samples" if benchmark.whole else "a sample"
        raise InputError(f"{cell.key}: no prompt of {benchmark.title} has {needed} with the seeds {seeds[:count]}")
    written = sum(sample is not None for _, samples in stored for sample in samples)
    return benchmark.write(Prepared(cell, stored, out))._replace(samples=written)


def _check_prompts(name: str, benchmark: Benchmark, cell: ExportedCell) -> None:
    data = cell.card.data
    if data.format != "prompts" or data.options.get("source") != name:
        raise InputError(
            f"{cell.key}: the task does not read the prompts of {benchmark.title}, which its judge needs\n"
            f'run a card with format = "prompts" and options = {{ source = "{name}" }} (docs/prompts.md)'
        )
    if benchmark.pictures and not cell.has_pictures:
        raise InputError(f"{cell.key}: its samples are texts; the judge of {benchmark.title} reads pictures")


def _check_whole(
    benchmark: Benchmark,
    cell: ExportedCell,
    rows: Sequence[tuple[Example, Sequence[Sample | None]]],
    partial: bool,
) -> None:
    """Refuse prompts that lack samples, and samples of other prompts than the file has now."""
    lacking = [example.id for example, samples in rows if not all(samples)]
    if lacking and not partial:
        some = ", ".join(lacking[:_SHOWN]) + (", ..." if len(lacking) > _SHOWN else "")
        raise InputError(
            f"{cell.key}: {len(lacking)} of {len(rows)} prompts of {benchmark.title} lack samples: {some}\n"
            "run the same command again without --limit; or export what is there, which is no score of the benchmark:"
            " --partial"
        )
    for example, samples in rows:
        for sample in filter(None, samples):
            text = example.turns[-1].text or next((turn.text for turn in reversed(example.turns) if turn.text), "")
            if not any(text in part for part in sample.details.get("prompt", ()) if isinstance(part, str)):
                raise InputError(
                    f"{cell.key}: example {example.id!r}: its prompt is not the one that the run asked; the prompts of"
                    f" {benchmark.title} have changed, or their end is not in the context {cell.key.context!r}"
                )
    names = {example.id for example, _ in rows}
    others = sorted({name for name, _ in cell.samples} - names)
    if others:
        raise InputError(
            f"{cell.key}: {len(others)} examples are no prompts of {benchmark.title} any more: {others[0]!r}"
        )


def _geneval(prepared: Prepared) -> Export:
    """`<number>/metadata.jsonl` with the line of the prompts' file, and `<number>/samples/<sample>.png`."""
    files: list[ExportFile] = []
    for example, samples in prepared.samples:
        files.append(text_file(f"{example.id}/metadata.jsonl", [example.facts["record"]]))
        files += [
            picture_file(prepared.cell, sample, f"{example.id}/samples/{number:04d}.png")
            for number, sample in enumerate(filter(None, samples))
        ]
    advice = 'python evaluation/evaluate_images.py "DIR" --outfile results.jsonl --model-path DETECTOR'
    return Export(files, (f"in a checkout of GenEval: {advice}",))


def _geneval2(prepared: Prepared) -> Export:
    """`images/<number>.png`, and `image_paths.json` with the path of each prompt's picture."""
    prompts = [example.turns[0].text for example, _ in prepared.samples]
    if len(set(prompts)) < len(prompts):
        twice = next(prompt for prompt in prompts if prompts.count(prompt) > 1)
        raise InputError(
            f"{prepared.cell.key}: the prompt {twice[:80]!r} is there twice, and GenEval 2 knows pictures by it"
        )
    files = [
        picture_file(prepared.cell, samples[0], f"images/{example.id}.png")
        for example, samples in prepared.samples
        if samples[0] is not None
    ]
    paths = {prompt: str(prepared.out.resolve() / file.path) for prompt, file in zip(prompts, files, strict=True)}
    listed = text_file("image_paths.json", [json.dumps(paths, ensure_ascii=False, indent=1)])
    advice = "python evaluation.py --benchmark_data geneval2_data.jsonl --image_filepath_data DIR/image_paths.json"
    moved = "image_paths.json has whole paths: export again instead of moving the folder"
    return Export([*files, listed], (f"in a checkout of GenEval 2: {advice} --method soft_tifa_gm", moved))


def _dpg(prepared: Prepared) -> Export:
    """`<model>/<item id>.png`: the samples of a prompt as one picture, two by two; one sample stands alone."""
    cell, model = prepared.cell, prepared.cell.key.model
    count = len(prepared.samples[0][1])
    width, height = size_of(cell, next(filter(None, prepared.samples[0][1])))
    if width != height:
        raise InputError(f"{cell.key}: pictures of {width} x {height} pixels; the judge of DPG-Bench cuts out squares")
    if dotted := next((example.id for example, _ in prepared.samples if "." in example.id), None):
        raise InputError(f"{cell.key}: the item id {dotted!r} has a dot; the judge of DPG-Bench reads ids up to a dot")
    files = list(_grids(cell, prepared.samples, lambda example: f"{model}/{example.id}.png", "PNG", width))
    advice = f"PIC_NUM={count} bash dpg_bench/dist_eval.sh DIR/{model} {width}"
    return Export(files, (f"in a checkout of ELLA: {advice}",))


def _oneig(prepared: Prepared) -> Export:
    """`images/<category>/<model>/<id>.webp`: one sample, or four as one picture, two by two; gaps are black."""
    cell, model = prepared.cell, prepared.cell.key.model

    def path(example: Example) -> str:
        return f"images/{ONEIG_FOLDERS[example.facts['category']]}/{model}/{example.facts['id']}.webp"

    side = 2 if len(prepared.samples[0][1]) > 1 else 1
    files = list(_grids(cell, prepared.samples, path, "WEBP"))
    settings = f"--image_dirname DIR/images --model_names {model} --image_grid {side},{side}"
    return Export(files, (f"in the scripts of OneIG-Bench: {settings}",))


def _opening(prepared: Prepared) -> Export:
    """`<model>_output/<uid>.json`: the instance with the model's output, and `<model>_output/<uid>-o-0.png`."""
    cell, folder = prepared.cell, f"{prepared.cell.key.model}_output"
    files: list[ExportFile] = []
    for example, samples in prepared.samples:
        sample = samples[0]
        assert sample is not None
        record: dict[str, Any] = json.loads(example.facts["record"])
        name = f"{example.id}-o-0.png" if sample.image else None
        record["conversations"][1]["output"] = [{"text": sample.output.get("text", ""), "image": name}]
        files.append(text_file(f"{folder}/{example.id}.json", [json.dumps(record, ensure_ascii=False, indent=4)]))
        if name is not None:
            files.append(picture_file(cell, sample, f"{folder}/{name}"))
    advice = f"put {folder} where the scripts of OpenING look for outputs, and name {cell.key.model} among the models"
    return Export(files, (advice,))


def _grids(
    cell: ExportedCell,
    rows: Sequence[tuple[Example, Sequence[Sample | None]]],
    path: Callable[[Example], str],
    form: str,
    side_of_all: int = 0,
) -> Iterator[ExportFile]:
    """One file for each prompt; with `side_of_all`, every picture must have this width and height."""
    for example, samples in rows:
        side = 1 if len(samples) == 1 else 2
        stored = [picture_file(cell, sample, "").size for sample in samples if sample is not None]
        yield ExportFile(path(example), partial(_grid, cell, samples, side, form, side_of_all), 2 * sum(stored))


def _grid(cell: ExportedCell, samples: Sequence[Sample | None], side: int, form: str, side_of_all: int) -> bytes:
    first = next(filter(None, samples))
    if side_of_all and size_of(cell, first) != (side_of_all, side_of_all):
        raise InputError(
            f"{cell.key}: the pictures of example {first.example!r} are not {side_of_all} x {side_of_all} pixels, as"
            " the others are; the judge of DPG-Bench is told one size"
        )
    return grid(cell, samples, side, form)


BENCHMARKS: Mapping[str, Benchmark] = {
    "geneval": Benchmark("GenEval", 4, (), True, False, _geneval),
    "geneval2": Benchmark("GenEval 2", 1, (1,), True, True, _geneval2),
    "dpg": Benchmark("DPG-Bench", 4, (1, 2, 3, 4), True, True, _dpg),
    "oneig": Benchmark("OneIG-Bench", 4, (1, 4), True, False, _oneig),
    "opening": Benchmark("OpenING", 1, (1,), False, True, _opening),
}
"""The layout of each benchmark."""
