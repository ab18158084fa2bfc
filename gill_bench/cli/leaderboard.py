"""`gill-bench leaderboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gill_bench.cli.options import listed
from gill_bench.cli.streams import emit


def leaderboard(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="A folder with runs, at any depth.")],
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="Only this metric; repeatable.", show_default="all")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", help="terminal, markdown, csv or json. By default as --out is named, else terminal."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write this file, not stdout.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="DIR", help="Write the leaderboard as a page, as a folder.")
    ] = None,
    cards: Annotated[
        list[Path] | None, typer.Option("--cards", metavar="DIR", help="Additional folder of cards. Repeatable.")
    ] = None,
) -> int:
    """Rank the models of all runs below a folder, with ties where paired tests show no difference.

    One ranking for each task, context and metric, of numbers with the same split, examples and recipe of the metric; a
    model that runs ran in different ways is ranked once for each, named after the settings that differ. What cannot be
    compared is listed with the reason. See docs/comparing.md.

    \b
    Examples:
      gill-bench leaderboard runs
      gill-bench leaderboard runs --metric clip-similarity --out leaderboard.md
      gill-bench leaderboard runs --html leaderboard
    """
    from gill_bench.analysis.leaderboard import leaderboard
    from gill_bench.cards.find import Cards
    from gill_bench.errors import InputError
    from gill_bench.reporting.leaderboard import SUFFIXES, render_leaderboard, write_leaderboard_page
    from gill_bench.storage.files import folder_of, write_atomic
    from gill_bench.storage.paths import refuse_url

    for option, value in (("--out", out), ("--html", html)):
        refuse_url(value or "", option)
    if json_ and format not in (None, "json"):
        raise InputError(f"--json and --format {format} contradict each other; give one of them")
    if html is not None and (out is not None or format is not None or json_):
        raise InputError("--html writes a folder of its own; leave --out, --format and --json out")
    if out is not None and not json_ and format is None and out.suffix not in SUFFIXES:
        raise InputError(f"--out {out}: its ending names no format; end it in {', '.join(SUFFIXES)}, or give --format")
    chosen = "json" if json_ else format or SUFFIXES.get(out.suffix if out else "", "terminal")
    board = leaderboard(folder_of(folder), Cards(cards or []), listed(metric) if metric else ())
    if html is not None:
        emit(str(write_leaderboard_page(board, html)))
        return 0
    text = render_leaderboard(board, chosen).encode()
    if out is None:
        emit(text, nl=False)
        return 0
    try:
        write_atomic(out, text)
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror}") from error
    return 0
