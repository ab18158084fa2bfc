"""`gill-bench weights`: which of a model's weights are there and whole, and downloading the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gill_bench.cli.data_fetch import DryRun, Mirror, NoChecksums
from gill_bench.cli.options import WEIGHTS_VARIABLE, CardFolders, say_variable
from gill_bench.cli.streams import emit

if TYPE_CHECKING:
    from gill_bench.fetching.weights import ComponentCheck, WeightsCheck, WeightsFetch

weights = typer.Typer(help="Weights: what is there and whole, and downloading the rest.", no_args_is_help=True)
_WIDTH = 9

Names = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL...", help="Models by name or card's path; a task's name for the networks of its metrics."
    ),
]
Folder = Annotated[
    str,
    typer.Option(
        "--weights",
        metavar="DIR",
        help="Folder that holds the weights' folders.",
        envvar=WEIGHTS_VARIABLE,
        callback=say_variable,
    ),
]


@weights.callback()
def _group() -> None:
    """Weights: what is there and whole, and downloading the rest."""


@weights.command("fetch")
def fetch(
    names: Names,
    folder: Folder,
    mirror: Mirror = "",
    dry_run: DryRun = False,
    no_checksums: NoChecksums = False,
    cards: CardFolders = None,
) -> int:
    """Download the weights of models, or of a task's metrics, into the folder where --weights looks.

    Weights of the Hugging Face hub come through its own client (HF_ENDPOINT, HF_TOKEN and its proxies count), at the
    card's revision, and only the files that are read. After an interruption the same command goes on; a second fetch
    downloads nothing. Ends with 0 if everything is there, 4 if a person has to download something.

    \b
    Examples:
      gill-bench weights fetch gill --weights ./weights --dry-run
      gill-bench weights fetch gill stable-diffusion --weights ./weights
      gill-bench weights fetch vist --weights ./weights
    """
    from gill_bench.errors import IncompleteError
    from gill_bench.fetching.web import Web
    from gill_bench.progress import bars, say

    by_hand: list[str] = []
    for weights_fetch in _weights_of(names, folder, cards):
        emit("\n".join(_plan_lines(weights_fetch, dry_run)))
        if dry_run:
            continue
        web = Web(mirror)
        try:
            with bars("MB") as progress:
                weights_fetch.run(web, checksums=not no_checksums, progress=progress)
        finally:
            web.close()
        check = weights_fetch.check()
        if not check.complete:
            emit("\n".join(_lines(check, weights_fetch)))
            by_hand.append(check.name)
    if by_hand:
        raise IncompleteError(f"{', '.join(by_hand)}: not all weights are there, or they do not fit together")
    if not dry_run:
        say("nothing more to download")
    return 0


@weights.command("check")
def check(
    names: Names,
    folder: Folder,
    cards: CardFolders = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, with every file.")] = False,
) -> int:
    """Are a model's weights there, and whole? Every file is named, and the adapter checks them; nothing is loaded.

    Ends with 0 if everything is there, 2 if the model cannot be loaded from what is there.

    \b
    Examples:
      gill-bench weights check gill --weights ./weights
      gill-bench weights check vist --weights ./weights --json
    """
    from gill_bench.errors import InputError
    from gill_bench.storage.json import to_json

    checks = []
    for weights_fetch in _weights_of(names, folder, cards):
        weights_check = weights_fetch.check()
        checks.append(weights_check)
        if not json_:
            emit("\n".join(_lines(weights_check, weights_fetch)))
    if json_:
        emit(to_json({"models": [weights_check.as_json() for weights_check in checks]}, indent=1))
    lacking = [weights_check.name for weights_check in checks if not weights_check.complete]
    if lacking:
        raise InputError(f"{', '.join(lacking)}: cannot be loaded from what is in {folder}")
    return 0


def _weights_of(names: list[str], folder: str, cards: list[Path] | None) -> list[WeightsFetch]:
    from gill_bench.cards.find import Cards
    from gill_bench.errors import InputError
    from gill_bench.fetching.weights import weights_of
    from gill_bench.storage.paths import refuse_url
    from gill_bench.weights.find import MINI

    refuse_url(folder, "--weights")
    if folder == MINI:
        raise InputError("--weights mini: the embedded weights are part of gill-bench; name a folder: --weights DIR")
    all_cards = Cards(cards or ())
    return [weights_of(all_cards, name, Path(folder)) for name in dict.fromkeys(names)]


def _plan_lines(weights_fetch: WeightsFetch, list_files: bool) -> Iterator[str]:
    """The components as they are before the download; with `list_files`, the hub is asked for files and sizes."""
    from gill_bench.fetching.sizes import readable_size

    check = weights_fetch.check()
    yield f"{check.name}, weights in {weights_fetch.folder}"
    if not check.components:
        yield _line("there", "it has no weights")
    for component in check.components:
        if component.state == "complete":
            yield _line("there", f"{component.role}: {component.path}")
            continue
        size = f" ({component.component.size})" if component.component.size else ""
        yield _line("by hand" if component.way == "by hand" else "download", f"{component.role}{size}")
        yield _line("", f"from {component.source}")
        yield _line("", f"to   {weights_fetch.place(component.component)}")
        if component.component.licence:
            yield _line("", f"licence: {component.component.licence}")
        if list_files:
            for name, count in weights_fetch.sizes(component):
                yield _line("", f"  {name}  {readable_size(count) if count else 'size unknown'}")


def _lines(check: WeightsCheck, weights_fetch: WeightsFetch) -> Iterator[str]:
    """The check of a card's weights, for people."""
    yield f"{check.name}, weights in {weights_fetch.folder}: {'complete' if check.complete else 'not complete'}"
    for component in check.components:
        yield from _component_lines(component, weights_fetch)
    if check.problem:
        first, *more = check.problem.splitlines()
        yield _line("problem", first)
        yield from (_line("", line) for line in more)


def _component_lines(component: ComponentCheck, weights_fetch: WeightsFetch) -> Iterator[str]:
    from gill_bench.errors import command
    from gill_bench.fetching.sizes import readable_size

    if component.path is None:
        size = f" ({component.component.size})" if component.component.size else ""
        yield _line("missing", f"{component.role}{size}: {weights_fetch.place(component.component)}")
        if component.way == "by hand":
            yield _line("", f"a person has to bring it: {component.source}")
        else:
            words = ("weights", "fetch", weights_fetch.card.name, "--weights", weights_fetch.folder)
            yield _line("", command(*words))
        return
    yield _line(component.state, f"{component.role}: {component.path}")
    for file in component.files:
        yield _line(
            "", f"  {file.name}  {readable_size(file.size)}" + (f"  {file.problem}" if file.problem else "  whole")
        )


def _line(label: str, text: str) -> str:
    return f"  {label:<{_WIDTH}}  {text}"
