"""`gill-bench data`: which of the tasks' data is there, and how to get the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gill_bench.cli.data_fetch import fetch
from gill_bench.cli.options import DATA_VARIABLE, CardFolders, Split, say_variable
from gill_bench.cli.streams import emit

if TYPE_CHECKING:
    from gill_bench.checks.data import DataCheck, PictureCount
    from gill_bench.checks.downloads import Needed

data = typer.Typer(help="The tasks' data: what is there, what to download from where.", no_args_is_help=True)
_SHOWN = 3
_WIDTH = 10


@data.callback()
def _group() -> None:
    """The tasks' data: what is there, what to download from where."""


@data.command("check")
def check(
    tasks: Annotated[list[str], typer.Argument(metavar="TASK...", help="Tasks by name, a task card's path, or all.")],
    folder: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="DIR|mini",
            help="Folder of the official files, which may be empty, or the mini world.",
            envvar=DATA_VARIABLE,
            callback=say_variable,
        ),
    ] = "mini",
    split: Split = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="TASK.KEY=VALUE", help="A setting of a task's card; repeatable."),
    ] = None,
    cards: CardFolders = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, with all ids of missing pictures.")] = False,
) -> int:
    """Is a task's data complete? What is missing or broken, where to download it, in which place to put it.

    Every picture is decoded once; no model is loaded and no weights are needed. Ends with 0 if everything is there,
    4 if a part is missing or broken, 2 if the task cannot run with what is there.

    \b
    Examples:
      gill-bench data check vist --data ./data
      gill-bench data check vist --data ./data --split test
      gill-bench data check visdial coco-fid --data ./data --json
      gill-bench data check all --data ./data
    """
    from gill_bench.cards.find import Cards
    from gill_bench.checks.data import check_data
    from gill_bench.errors import InputError
    from gill_bench.planning.selection import parse_settings
    from gill_bench.progress import bars, say
    from gill_bench.storage.json import to_json
    from gill_bench.storage.paths import refuse_url
    from gill_bench.weights.find import MINI

    refuse_url(folder, "--data")
    all_cards = Cards(cards or ())
    every = tasks == ["all"]
    chosen = all_cards.tasks() if every else [all_cards.task(name) for name in dict.fromkeys(tasks)]
    values = parse_settings(settings or (), [card.name for card in chosen])
    if folder == MINI:
        say("embedded data (mini): a small synthetic world; what to download of the real data is said with --data DIR")
    data_checks = []
    for card in chosen:
        if every and folder == MINI and card.mini is None:
            say(f"{card.name}: left out: its card has no mini data")
            continue
        with bars("pictures") as progress:
            data_check = check_data(
                card, data=folder, split=split, settings=values.get(card.name, {}), progress=progress
            )
        data_checks.append(data_check)
        if not json_:
            emit("\n".join(_lines(data_check)))
    if json_:
        emit(to_json({"tasks": [data_check.as_json() for data_check in data_checks]}, indent=1))
    if not data_checks:
        raise InputError("none of the tasks has mini data; name a folder: --data DIR")
    _conclude(data_checks, every)
    return 0


data.command("fetch")(fetch)


def _conclude(data_checks: Sequence[DataCheck], every: bool) -> None:
    """Raise the error whose exit code tells a script the result; with TASK all, one task that can run is enough."""
    from gill_bench.errors import IncompleteError, InputError

    unusable = [data_check.task for data_check in data_checks if data_check.state == "unusable"]
    if unusable and (not every or len(unusable) == len(data_checks)):
        raise InputError(f"{', '.join(unusable)}: cannot run with this data")
    lacking = [data_check.task for data_check in data_checks if data_check.state != "complete"]
    if lacking:
        raise IncompleteError(f"{', '.join(lacking)}: not everything is there")


def _lines(data_check: DataCheck) -> Iterator[str]:
    """The data check of a task, for people."""
    verdict = {"complete": "everything is there", "incomplete": "not everything is there", "unusable": "cannot run"}
    yield f"{data_check.task}, split {data_check.split}, in {data_check.folder}: {verdict[data_check.state]}"
    for download in data_check.downloads:
        yield from _download_lines(download)
    if data_check.examples:
        yield _line(
            "examples", f"{data_check.examples}; usable: {_usable_text(data_check.usable or {}, data_check.examples)}"
        )
    for name, count in (data_check.pictures or {}).items():
        yield from _picture_lines(name, count)
    if data_check.refuses_broken and any(count.broken for count in (data_check.pictures or {}).values()):
        yield _line(
            "", "a run stops at broken pictures: download them again, delete them, or leave their examples out:"
        )
        yield _line("", f"--set {data_check.task}.unreadable=count")
    for warning in data_check.warnings:
        yield _line("warning", warning.removeprefix(f"{data_check.task}: "))
    if data_check.problem:
        first, *more = data_check.problem.splitlines()
        yield _line("problem", first)
        yield from (_line("", line) for line in more)


def _download_lines(download: Needed) -> Iterator[str]:
    slash = "/" if download.pictures else ""
    if download.state == "there":
        yield _line("there", f"{download.what}: {download.path}{slash}")
        return
    lacking = f": {download.lacking} of them are missing" if download.lacking else ""
    yield _line(download.state, f"{download.what}{lacking}")
    yield _line("", f"from {download.url}" + (f" ({download.size})" if download.size else ""))
    yield _line("", f"to   {download.path or download.expected}{slash}")
    if download.hint:
        yield _line("", download.hint)


def _picture_lines(name: str, count: PictureCount) -> Iterator[str]:
    of = "pictures" if name == "examples" else name
    if count.there == count.total:
        yield _line(of, f"all {count.total} are there")
        return
    yield _line(of, f"{count.there} of {count.total} are there")
    if count.missing:
        yield _line("", f"{len(count.missing)} missing: {_some(count.missing)}")
    if count.broken:
        yield _line("", f"{len(count.broken)} broken:")
        yield from (_line("", f"  {picture.file}: {picture.reason}") for picture in count.broken[:_SHOWN])
        if len(count.broken) > _SHOWN:
            yield _line("", f"  and {len(count.broken) - _SHOWN} more, which --json lists")


def _usable_text(usable: Mapping[str, int], examples: int) -> str:
    """The numbers of usable examples, each with the contexts that have this number."""
    by_count: dict[int, list[str]] = {}
    for context, count in usable.items():
        by_count.setdefault(count, []).append(context)
    named = {count: "every context" if len(by_count) == 1 else ", ".join(names) for count, names in by_count.items()}
    return "; ".join(f"{'all' if count == examples else count or 'none'} in {where}" for count, where in named.items())


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _line(label: str, text: str) -> str:
    return f"  {label:<{_WIDTH}}  {text}"
