"""`gill-bench export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, scored or not.")],
    layout: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="LAYOUT",
            help="geneval, geneval2, dpg, oneig, opening, hf-dataset or folder.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A folder that is empty or does not exist.")],
    task: Annotated[str, typer.Option(metavar="NAME", help="Which task, if the run has several.")] = "",
    model: Annotated[str, typer.Option(metavar="NAME", help="Which model, if the run has several.")] = "",
    context: Annotated[str, typer.Option(metavar="NAME", help="Which context, if the run has several.")] = "",
    samples: Annotated[
        int | None,
        typer.Option(
            min=1, max=1000, help="Samples of each prompt, the first seeds.", show_default="as the benchmark asks for"
        ),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Export although prompts of the benchmark lack samples.")
    ] = False,
    data: Annotated[
        str | None, typer.Option(metavar="DIR", help="Where the run's data is now.", show_default="where it was")
    ] = None,
) -> int:
    """Write a run's pictures or texts in the layout that another benchmark's judge reads, or as a data set.

    geneval, geneval2, dpg, oneig and opening need a run whose task reads the prompts of that benchmark (a card with
    format = "prompts" and its source). hf-dataset is read by load_dataset("imagefolder"); folder has plain files and a
    list, which gill-bench import reads. The folder is written whole or not at all.

    \b
    Examples:
      gill-bench export runs/geneval --as geneval --out exported/geneval
      gill-bench export runs/vist --as folder --model gill --context 5-captions --out pictures
      gill-bench export runs/vist --as hf-dataset --model gill --context 5-captions --out dataset
    """
    from gill_bench.exchange.exports import export_run
    from gill_bench.progress import say
    from gill_bench.storage.files import folder_of
    from gill_bench.storage.paths import refuse_url

    refuse_url(out, "--out")
    exported = export_run(
        folder_of(run),
        layout,
        out,
        task=task,
        model=model,
        context=context,
        samples=samples or 0,
        partial=partial,
        data=data,
    )
    say(f"exported {exported.samples} samples in {exported.files} files: {out}")
    for sentence in exported.advice:
        say(sentence.replace("DIR", str(out)))
    return 0
