"""`gill-bench report`: tables and figures like the paper's from the results of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from gill_bench.cli.options import Names
from gill_bench.cli.streams import emit


class ReportCommand(TyperCommand):
    """The command `report`, in which `--html` may stand without a folder, and then means `--html=`.

    Typer has no options whose value may be left out.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words after `gill-bench report`."""
        following = [*args[1:], "--"]
        words = [
            "--html=" if word == "--html" and after.startswith("-") else word
            for word, after in zip(args, following, strict=True)
        ]
        return super().parse_args(ctx, words)


def report(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN", help="Folders of runs; several are taken together.")
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(
            "--table",
            metavar="NAME",
            help="Only this table or figure, by name or path; repeatable. By default all that fit.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="terminal, markdown, latex, html, csv, json or parquet; svg or png of a figure, such as --table"
            " figure-6. By default as --out is named, else terminal.",
        ),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            "--compare",
            metavar="paper",
            help="Show the paper's numbers, the differences, and whether each lies in our 95 % interval.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write this file, not stdout.")] = None,
    names: Names = None,
    cards: Annotated[
        list[Path] | None, typer.Option("--cards", metavar="DIR", help="Additional folder of cards. Repeatable.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
    pictures: Annotated[
        Path | None,
        typer.Option("--pictures", metavar="FILE.png", help="Also draw a grid: context, truth, each model's picture."),
    ] = None,
    examples: Annotated[int, typer.Option("--examples", min=1, max=1000, help="Rows of that grid.")] = 8,
    html: Annotated[
        str | None,
        typer.Option(
            "--html",
            metavar="[DIR]",
            help="Write a page with tables, figures and galleries, as a folder; by default `page` in the first run.",
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="DIR", help="Where the run's data is now, for pictures of it.")
    ] = None,
    notes: Annotated[
        bool,
        typer.Option(
            "--notes", help="In the terminal, also print all notes, whole signatures, and how each model was run."
        ),
    ] = False,
) -> None:
    """Write tables and figures like the paper's from the results of runs.

    A model that several runs ran in different ways has a line for each, named after the settings that differ, or as
    --as says. Every table says how many examples, which seeds and which signature stand behind its numbers. The
    terminal shows the few notes that nobody can do without; files, and --notes, have all.

    For example:

      gill-bench report runs/first

      gill-bench report runs/first runs/second --compare paper

      gill-bench report --as "GILL, first try=runs/first:gill" --as "GILL, second try=runs/second:gill"

      gill-bench report runs/first --table table-1 --out table-1.tex

      gill-bench report runs/first --table figure-6 --out figure-6.svg

      gill-bench report runs/first --html

      gill-bench report runs/first --pictures grid.png --examples 12
    """
    import sys

    from gill_bench.analysis.intervals import StoredIntervals
    from gill_bench.analysis.named import given_names, named_runs
    from gill_bench.cards.find import Cards
    from gill_bench.cli.screen import print_tables
    from gill_bench.errors import InputError
    from gill_bench.progress import say
    from gill_bench.reporting import FORMATS, render_file, tables_for
    from gill_bench.storage.files import folder_of, write_atomic
    from gill_bench.storage.paths import refuse_url

    if compare not in (None, "paper"):
        raise InputError(f"--compare {compare}: expected 'paper'")
    for option, value in (("--out", out), ("--pictures", pictures), ("--html", html), ("--data", data)):
        refuse_url(value or "", option)
    chosen = _format(format, json, out)
    if out is not None and not out.parent.is_dir():
        raise InputError(f"--out {out}: the folder {out.parent} does not exist; create it first")

    runs = [folder_of(run) for run in runs or ()]
    given = given_names(names or ())
    if html is not None:
        from gill_bench.reporting.page.gather import write_report_page

        if out is not None or format is not None or json:
            raise InputError("--html writes a folder of its own; leave --out, --format and --json out")
        page = write_report_page(runs, Path(html) if html else None, cards or [], table or [], data, given)
        emit(str(page))
        return
    if pictures is not None:
        _draw(runs, pictures, examples, data)
    readers, all_cards = named_runs(runs, given, Cards(cards or []))
    tables = tables_for(readers, all_cards, table or None, compare == "paper", StoredIntervals(readers))
    if out is not None:
        try:
            write_atomic(out, render_file(tables, chosen))
        except OSError as error:
            raise InputError(f"--out {out}: {error.strerror}") from error
        return
    if chosen == "terminal":
        print_tables(tables, notes=notes)
        if not notes:
            say("\nall notes, whole signatures, and how each model was run: --notes")
        return
    if chosen not in FORMATS and sys.stdout.isatty():
        raise InputError(f"--format {chosen}: is not for a terminal; write it to a file with --out FILE")
    emit(render_file(tables, chosen), nl=False)


def _format(format: str | None, json: bool, out: Path | None) -> str:
    """The format that an option names, or that the suffix of the file of `--out` stands for."""
    from gill_bench.errors import InputError, did_you_mean
    from gill_bench.reporting import FILE_FORMATS, SUFFIXES

    if json and format not in (None, "json"):
        raise InputError(f"--json and --format {format} contradict each other; give one of them")
    if out is not None and not json and format is None and out.suffix not in SUFFIXES:
        raise InputError(f"--out {out}: its ending names no format; end it in {', '.join(SUFFIXES)}, or give --format")
    chosen = "json" if json else format or SUFFIXES.get(out.suffix if out else "", "terminal")
    if chosen not in FILE_FORMATS:
        raise InputError(f"--format {chosen}: no such format; {did_you_mean(chosen, FILE_FORMATS)}")
    return chosen


def _draw(runs: list[Path], file: Path, count: int, data: str | None) -> None:
    """Draw the grid of one run's pictures (`--pictures`)."""
    import io

    from gill_bench.analysis.galleries import picture_sheet
    from gill_bench.errors import InputError
    from gill_bench.evaluate import cells_of
    from gill_bench.reporting.grid import GridRow, draw_grid
    from gill_bench.storage.files import write_atomic

    if len(runs) != 1:
        raise InputError(f"--pictures draws one run, {len(runs)} were given")
    if not file.parent.is_dir():
        raise InputError(f"--pictures {file}: the folder {file.parent} does not exist; create it first")
    cells = cells_of(runs[0], data)
    examples = picture_sheet(runs[0], [cell for cell in cells if cell.task is cells[0].task], count)
    if not examples:
        raise InputError(f"{runs[0]}: no example has a picture from every model in every context yet")
    headings = [
        *(f"context {turn}" for turn in range(1, len(examples[0].turns))),
        "truth",
        *(f"{model} {context}" for model, context in examples[0].outputs),
    ]
    rows = [
        GridRow(
            [
                *((picture, text) for text, picture in example.turns[:-1]),
                (example.target, example.turns[-1][0]),
                *((picture, "") for picture in example.outputs.values()),
            ]
        )
        for example in examples
    ]
    buffer = io.BytesIO()
    draw_grid(headings, rows).save(buffer, "PNG")
    try:
        write_atomic(file, buffer.getvalue())
    except OSError as error:
        raise InputError(f"--pictures {file}: cannot be written ({error.strerror})") from error
