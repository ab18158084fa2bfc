"""`gill-bench view`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def view(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory, or a folder of runs.")],
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port on 127.0.0.1.", show_default="a free one")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Also open the address in a browser.")] = False,
    data: Annotated[
        str | None, typer.Option("--data", metavar="DIR", help="Where the run's data is now, for pictures of it.")
    ] = None,
    cards: Annotated[
        list[Path] | None, typer.Option("--cards", metavar="DIR", help="Additional folder of cards. Repeatable.")
    ] = None,
) -> int:
    """Look at a run in a browser while it runs: the page follows it as units arrive, also before anything is scored.

    The page is served on this machine alone, until Ctrl-C, and written to a temporary folder: nothing is written into
    the run. For a page to keep or to pass on: gill-bench report RUN --html. See docs/while-it-runs.md.

    \b
    Examples:
      gill-bench view runs/vist
      gill-bench view runs --port 8000
      gill-bench view runs/vist --open --data /data/vist
    """
    import tempfile

    from gill_bench.cli.serving import serve, until_stopped
    from gill_bench.reporting.view import Library, PageServer
    from gill_bench.storage.files import folder_of
    from gill_bench.storage.paths import refuse_url

    refuse_url(data or "", "--data")
    with until_stopped(), tempfile.TemporaryDirectory(prefix="gill-bench-view-", ignore_cleanup_errors=True) as pages:
        library = Library(folder_of(run), Path(pages), cards or [], data)
        with PageServer(library, port or 0) as server:
            if library.only and (viewed := library.run(library.only)) is not None:
                viewed.open()  # a run that cannot be shown is an error of the command
            serve(server, opened=open_)
    return 0
