"""The commands by name, and the help of the program itself."""

from __future__ import annotations

from typing import Annotated

import typer

from gill_bench.cli.annotate import annotate
from gill_bench.cli.check import check
from gill_bench.cli.compare import compare
from gill_bench.cli.convert_embeddings import convert_embeddings
from gill_bench.cli.data import data
from gill_bench.cli.doctor import doctor
from gill_bench.cli.embed import embed
from gill_bench.cli.export import export
from gill_bench.cli.import_outputs import import_outputs
from gill_bench.cli.leaderboard import leaderboard
from gill_bench.cli.list_cards import list_cards
from gill_bench.cli.mini import mini
from gill_bench.cli.probe import probe
from gill_bench.cli.report import ReportCommand, report
from gill_bench.cli.run import run
from gill_bench.cli.score import score
from gill_bench.cli.show_card import show
from gill_bench.cli.status import status
from gill_bench.cli.track import track
from gill_bench.cli.train import train
from gill_bench.cli.verify import verify
from gill_bench.cli.view import view
from gill_bench.cli.weights import weights

_MAP = """How well does a model use the context it is given? The evaluations of GILL (NeurIPS 2023) as a benchmark.

\b
  gill-bench list                      what there is: tasks, models, tables
  gill-bench show vist                 one card, whole
  gill-bench data check vist --data D  what is there of a task's data, what to download from where
  gill-bench data fetch vist --data D  download what can be downloaded without a form or a licence
  gill-bench weights fetch gill --weights W  weights of a model; weights check: are they there and whole
  gill-bench run vist                  generate and score; run it again to resume
  gill-bench status runs/vist          what is done, what failed, how long the rest takes
  gill-bench view runs/vist            its page in a browser, also while it runs
  gill-bench report runs/vist          tables as in the paper
  gill-bench compare A B               is B better than A, sample by sample
  gill-bench annotate RUN              ask people which of two pictures is better, and how far they agree
  gill-bench leaderboard runs          all runs of a folder, ranked, with ties
  gill-bench check RUN --against FILE  is it as good as it was
  gill-bench track RUN --to mlflow     its numbers in W&B, MLflow or TensorBoard
  gill-bench score runs/vist           score stored outputs again, generate nothing
  gill-bench import FOLDER --as NAME   pictures or texts that were made elsewhere, scored like a model's
  gill-bench export RUN --as geneval   its samples for another benchmark's judge, or as a data set
  gill-bench verify runs/vist          is every stored output as it was written
  gill-bench doctor MODEL              does an adapter keep its promises
  gill-bench probe MODEL               which captions, pictures and rounds does a model read
  gill-bench convert-embeddings FILE   the authors' retrieval embeddings as plain files
  gill-bench embed MODEL --images P    retrieval embeddings of your own pictures or checkpoint
  gill-bench train                     train GILL on caption-image pairs

Without --data and --weights everything runs on a small embedded world with small embedded weights.
Each command explains itself with --help. --quiet prints results and errors alone; --verbose says each step; --debug
adds tracebacks.
"""

app = typer.Typer(
    name="gill-bench",
    help=_MAP,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(given: bool) -> None:
    if given:
        from gill_bench import __version__

        typer.echo(f"gill-bench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Options of the program itself."""


_options.__doc__ = _MAP
app.command("list")(list_cards)
app.command("show")(show)
app.command("run")(run)
app.command("status")(status)
app.command("view")(view)
app.command("report", cls=ReportCommand)(report)
app.command("compare")(compare)
app.command("annotate")(annotate)
app.command("leaderboard")(leaderboard)
app.command("check")(check)
app.command("track")(track)
app.command("score")(score)
app.command("import")(import_outputs)
app.command("export")(export)
app.command("verify")(verify)
app.command("train")(train)
app.command("doctor")(doctor)
app.command("probe")(probe)
app.add_typer(data, name="data")
app.add_typer(weights, name="weights")
app.command("convert-embeddings")(convert_embeddings)
app.command("embed")(embed)
app.add_typer(mini, name="mini")
