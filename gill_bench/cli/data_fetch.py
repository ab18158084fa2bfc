"""`gill-bench data fetch`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from gill_bench.cli.options import DATA_VARIABLE, CardFolders, Split, say_variable
from gill_bench.cli.streams import emit

if TYPE_CHECKING:
    from gill_bench.cards.find import TaskCard
    from gill_bench.fetching.task import DataItem, TaskFetch
    from gill_bench.fetching.web import Web

Mirror = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar="GILL_BENCH_MIRROR",
        callback=say_variable,
        help="Stands in the place of scheme and host of every address: URL/zips/val2017.zip.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List files, sizes and places; download nothing.")]
NoChecksums = Annotated[
    bool, typer.Option("--no-checksums", help="Take files of other sizes and checksums than the cards say.")
]
_WIDTH = 10


def fetch(
    tasks: Annotated[list[str], typer.Argument(metavar="TASK...", help="Tasks by name, a task card's path, or all.")],
    folder: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Folder of the data; made if needed.",
            envvar=DATA_VARIABLE,
            callback=say_variable,
        ),
    ],
    split: Split = None,
    mirror: Mirror = "",
    dry_run: DryRun = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try pictures again that failed for good (gone, no picture).")
    ] = False,
    no_checksums: NoChecksums = False,
    cards: CardFolders = None,
) -> int:
    """Download what a task lacks into the places that data check names: files, archives, pictures from lists.

    What needs a login, a form or a licence is named, with its site and its place. After an interruption the same
    command goes on; a second fetch downloads nothing. Pictures that fail are recorded, with the reason, in
    failed-pictures-SPLIT.jsonl. Ends with 0 if everything is there, 4 if something is lacking, 1 if a download failed.

    \b
    Examples:
      gill-bench data fetch visdial --data ./data --dry-run
      gill-bench data fetch visdial coco-captions --data ./data
      gill-bench data fetch vist --data ./data --split test
      gill-bench data fetch vist --data ./data --retry-failed
      gill-bench data fetch coco-captions --data ./data --mirror http://mirror.example:8000
    """
    from gill_bench.cards.find import Cards
    from gill_bench.errors import GillBenchError, IncompleteError, InputError, command
    from gill_bench.fetching.web import Web
    from gill_bench.progress import bars, say
    from gill_bench.storage.paths import refuse_url
    from gill_bench.weights.find import MINI

    refuse_url(folder, "--data")
    if folder == MINI:
        raise InputError("--data mini: the embedded world needs no download; name a folder: --data DIR")
    all_cards = Cards(cards or ())
    chosen = all_cards.tasks() if tasks == ["all"] else [all_cards.task(name) for name in dict.fromkeys(tasks)]
    fetches = [_fetch_of(card, folder, split) for card in chosen]
    lacking: list[str] = []
    failed: list[GillBenchError] = []
    for card, task in zip(chosen, fetches, strict=True):
        web = Web(mirror)
        emit("\n".join(_lines(card.name, split or card.data.split, task, web)))
        if dry_run:
            continue
        try:
            with bars("MB") as progress:
                task.run(web, checksums=not no_checksums, retry_failed=retry_failed, progress=progress)
        except GillBenchError as error:
            if len(chosen) == 1:
                raise
            say(f"{card.name}: {error}")  # the data of other tasks may be had
            failed.append(error)
        finally:
            web.close()
        if result := list(_result(card.name, task)):
            emit("\n".join(result))
        if any(item.way != "there" for item in task.items()):
            lacking.append(card.name)
    if dry_run:
        return 0
    check = command("data", "check", *tasks, "--data", folder, *(["--split", split] if split else []))
    if failed:
        raise GillBenchError(f"{len(failed)} of {len(chosen)} tasks: a download failed; the same command goes on")
    if lacking:
        raise IncompleteError(f"{', '.join(lacking)}: not everything is there; {check} says what is")
    say(f"nothing more to download; to check every picture: {check}")
    return 0


def _fetch_of(card: TaskCard, folder: str, split: str | None) -> TaskFetch:
    from gill_bench.fetching.task import TaskFetch
    from gill_bench.planning.resolve import resolve_task

    return TaskFetch(resolve_task(card, data=folder, split=split, settings={}), folder, card.data.split)


def _lines(task: str, split: str, fetch: TaskFetch, web: Web) -> Iterator[str]:
    """The files and folders of a task, as they are before the download."""
    yield f"{task}, split {split}, in {fetch.folder}"
    items = fetch.items()
    for item in items:
        yield from _item_lines(item, web)
    if not items:
        yield _line("nothing", "its card names nothing to download, as [[data.downloads]] would (docs/fetching.md)")


def _item_lines(item: DataItem, web: Web) -> Iterator[str]:
    needed = item.needed
    slash = "/" if needed.pictures else ""
    if item.way in ("there", "not offered"):
        without = f", without {item.lacking} that the archive does not have" if item.lacking else ""
        yield _line("there", f"{needed.what}: {needed.path}{slash}{without}")
        return
    size = f" ({item.size})" if item.size else ""
    ways = {"file": "download", "list": "one by one", "by hand": "by hand"}
    yield _line(ways[item.way], f"{needed.what}{size}")
    if item.way == "list":
        yield _line("", "from the addresses in the data's files")
    elif item.file is not None:
        yield _line("", f"from {item.file.url}")
        if web.mirror:
            yield _line("", f"at   {web.address(item.file.url)}")
    else:
        served = f"for {', '.join(item.splits)} alone" if item.splits else "for nobody: it may ask for a login or form"
        yield _line("", f"a person has to: gill-bench knows an address to download it from {served}")
        yield _line("", f"from {needed.url}")
    yield _line("", f"to   {needed.expected}{slash}")


def _result(task: str, fetch: TaskFetch) -> Iterator[str]:
    """Lines on the files and pictures that are lacking after the download."""
    from gill_bench.fetching.pictures import summary

    record = fetch.record
    if record.failed:
        gone = sum(failure.permanent for failure in record.failed.values())
        yield f"{task}: {len(record.failed)} pictures could not be downloaded: {summary(record)}"
        yield f"  {gone} of them for good, which --retry-failed tries again; each with its reason in {record.file}"
    for item in fetch.items():
        if item.way == "not offered":
            yield f"{task}: {item.lacking} pictures are not in the archive of {item.needed.url}"
        elif item.way == "by hand":
            yield f"{task}: to be downloaded by hand: {item.needed.what}, from {item.needed.url}"
            yield f"  to {item.needed.expected}"


def _line(label: str, text: str) -> str:
    return f"  {label:<{_WIDTH}}  {text}"
