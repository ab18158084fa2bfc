"""`gill-bench annotate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gill_bench.cli.options import listed
from gill_bench.cli.streams import emit

if TYPE_CHECKING:
    from gill_bench.analysis.annotation.material import StudyMaterial


def annotate(
    source: Annotated[
        str, typer.Argument(metavar="RUN|FOLDER", help="A run, or a folder with two folders of pictures.")
    ],
    task: Annotated[
        str,
        typer.Option(metavar="TASK", help="The task that the texts are of.", show_default="the only one of the run"),
    ] = "",
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--models",
            metavar="A,B",
            help="Two models of the run, or two folders; one model: what it retrieved against what it generated.",
            show_default="the only two",
        ),
    ] = None,
    context: Annotated[
        str, typer.Option(metavar="NAME", help="The context of the outputs.", show_default="the only one")
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="The seed of generated pictures.")] = 0,
    limit: Annotated[int, typer.Option(min=0, help="At most so many examples.", show_default="all")] = 0,
    data: Annotated[
        str | None,
        typer.Option(metavar="DIR|mini", help="Where the task's data is.", show_default="that of the run; mini"),
    ] = None,
    cards: Annotated[
        list[Path] | None, typer.Option("--cards", metavar="DIR", help="Additional folder of cards. Repeatable.")
    ] = None,
    votes: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where votes are kept.", show_default="annotations/ in the run or folder"),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port on 127.0.0.1.", show_default="a free one")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Also open the address in a browser.")] = False,
    static: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the page as a folder for annotators elsewhere.")
    ] = None,
    import_: Annotated[
        list[Path] | None,
        typer.Option("--import", metavar="FILE", help="Add the votes of a file that an annotator sent. Repeatable."),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the votes as the released PartiPrompts files.")
    ] = None,
    agreement: Annotated[bool, typer.Option("--agreement", help="Print how far annotators agree.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="With --agreement, print JSON.")] = False,
) -> int:
    """Ask people which of two pictures is more relevant to a text, and which is more realistic (paper App. F).

    The page is served on this machine alone, until Ctrl-C, to as many annotators as there are; each gives a name, and
    goes on later under it. Order and sides are drawn by chance for each annotator, and nothing on the page says whose a
    picture is. A vote is on disk before the next pair is shown. For annotators elsewhere: --static, then --import. Two
    models are compared by their votes with: gill-bench compare RUN:A RUN:B --human. See docs/annotation.md.

    \b
    Examples:
      gill-bench annotate runs/vist --models stable-diffusion,gill --context 5-captions
      gill-bench annotate pictures --task partiprompts --data /data/partiprompts --models retrieved,generated
      gill-bench annotate runs/vist --models stable-diffusion,gill --context 5-captions --static to-send
      gill-bench annotate runs/vist --import votes-Ann.json
      gill-bench annotate runs/vist --agreement
      gill-bench annotate pictures --export my-partiprompts
    """
    from gill_bench.errors import InputError
    from gill_bench.storage.files import folder_of

    actions = {"--static": static, "--import": import_, "--export": export, "--agreement": agreement or None}
    given = [name for name, value in actions.items() if value]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)}: one at a time")
    if json_ and not agreement:
        raise InputError("--json: goes with --agreement")
    kept_in = votes or folder_of(source)
    if import_:
        return _import(kept_in, task, import_)
    if export:
        return _export(kept_in, task, export)
    if agreement:
        return _agreement(kept_in, task, as_json=json_)

    from gill_bench.analysis.annotation.study import open_study, study_folder
    from gill_bench.analysis.annotation.votes import VoteBook, only_writer

    material = _material(
        folder_of(source), task, listed(models) if models else (), context, seed, limit, data, cards or []
    )
    folder = votes or study_folder(material.study, folder_of(source))
    study = open_study(folder, material.study)
    material = material.with_study(study)
    if static:
        from gill_bench.reporting.annotate import write_static_folder

        emit(str(write_static_folder(static, material)))
        return 0

    from gill_bench.cli.serving import serve, until_stopped
    from gill_bench.progress import say
    from gill_bench.reporting.annotate import AnnotationServer

    sides = " and ".join(side.name for side in study.sides)
    with (
        until_stopped(),
        only_writer(folder),
        AnnotationServer(material, VoteBook(folder, study), port or 0) as server,
    ):
        say(f"{len(study.items)} examples of {study.task}, pictures of {sides}; votes are kept in {folder}")
        serve(server, opened=open_)
    return 0


def _material(
    source: Path,
    task: str,
    models: tuple[str, ...],
    context: str,
    seed: int,
    limit: int,
    data: str | None,
    cards: list[Path],
) -> StudyMaterial:
    from gill_bench.analysis.annotation.from_folder import material_of_folder
    from gill_bench.analysis.annotation.from_run import material_of_run
    from gill_bench.cards.find import Cards
    from gill_bench.errors import InputError
    from gill_bench.planning.resolve import resolve_task
    from gill_bench.rundir.records import SPEC
    from gill_bench.storage.paths import refuse_url
    from gill_bench.weights.find import MINI

    refuse_url(data or "", "--data")
    if len(models) > 2:
        raise InputError(f"--models {','.join(models)}: two pictures are shown at a time; name two models")
    if (source / SPEC).is_file():
        return material_of_run(source, task, models, context=context, seed=seed, data=data, limit=limit)
    if not task:
        raise InputError(f"{source}: not a run; for a folder of pictures name the task of their texts with --task")
    if context:
        raise InputError("--context: goes with a run; pictures in a folder have no context")
    card = resolve_task(Cards(cards).task(task), data=data or MINI, split=None, settings={})
    return material_of_folder(source, card, data or MINI, models, limit, seed)


def _import(source: Path, task: str, files: list[Path]) -> int:
    from gill_bench.analysis.annotation.returned import add_returned
    from gill_bench.analysis.annotation.study import find_study, read_study
    from gill_bench.analysis.annotation.votes import VoteBook, only_writer

    folder = find_study(source, task)
    study = read_study(folder)
    with only_writer(folder):
        book = VoteBook(folder, study)
        for file in files:
            annotator, count = add_returned(file, study, book)
            kept = len(book.votes(annotator))
            emit(f"{annotator}: {count} new votes, {kept} of {len(study.items)} examples in all")
    return 0


def _export(source: Path, task: str, target: Path) -> int:
    from gill_bench.analysis.annotation.partiprompts_files import write_partiprompts_files
    from gill_bench.analysis.annotation.study import find_study, read_study
    from gill_bench.analysis.annotation.votes import read_votes

    folder = find_study(source, task)
    study = read_study(folder)
    for file in write_partiprompts_files(target, study, read_votes(folder, study)):
        emit(str(file))
    return 0


def _agreement(source: Path, task: str, *, as_json: bool) -> int:
    from dataclasses import asdict

    from gill_bench.analysis.annotation.study import find_study, read_study
    from gill_bench.analysis.annotation.tally import tally
    from gill_bench.analysis.annotation.votes import read_votes
    from gill_bench.reporting.agreement import render_tally
    from gill_bench.storage.json import to_json

    folder = find_study(source, task)
    study = read_study(folder)
    counted = tally(study, read_votes(folder, study))
    emit(to_json(asdict(counted), indent=1) if as_json else render_tally(counted))
    return 0
