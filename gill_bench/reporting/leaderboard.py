"""A leaderboard in every format: for a terminal, as Markdown, CSV or JSON, and as a page."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap
from typing import Any

from gill_bench import __version__
from gill_bench.analysis.leaderboard import Entry, Leaderboard, Ranking
from gill_bench.cards.find import builtin_folder
from gill_bench.errors import InputError, did_you_mean
from gill_bench.storage.json import to_json

COLUMNS = ("rank", "model", "value", "95 % interval", "behind the best", "p", "n", "seeds", "run")
"""The headings of a ranking's columns."""
RULE = (
    "A rank is one more than the number of models that are better: paired over examples, 95 % interval (cluster"
    " bootstrap) without zero, p (approximate randomisation, Holm over all pairs of the ranking) at most 0.05."
    " Models that share a rank do not differ as far as these tests show."
)
_WIDTH = 110  # characters of a line of sentences in a terminal
_LARGE = 10.0  # from this value on, two decimals say as much as four do of smaller values


def render_leaderboard(board: Leaderboard, format: str) -> str:
    """Render as text.

    Args:
        board: The leaderboard.
        format: One of `FORMATS`.

    Raises:
        InputError: There is no such format.
    """
    if format not in _FORMATS:
        raise InputError(f"--format {format}: no such format; {did_you_mean(format, FORMATS)}")
    return _FORMATS[format](board)


def entry_fields(board: Leaderboard) -> Iterator[dict[str, Any]]:
    """Plain values of each entry of each ranking, in full precision: what CSV and a data frame hold."""
    for ranking in board.rankings:
        for entry in ranking.entries:
            interval, behind = entry.interval, entry.behind
            yield {
                "task": ranking.task,
                "context": ranking.context,
                "metric": ranking.metric,
                "higher_is_better": ranking.higher_is_better,
                "rank": entry.rank,
                "model": entry.model,
                "value": entry.value,
                "low": interval.low if interval else None,
                "high": interval.high if interval else None,
                "behind": behind.mean if behind else None,
                "behind_low": behind.low if behind else None,
                "behind_high": behind.high if behind else None,
                "p_holm": entry.p,
                "n": entry.n,
                "seeds": " ".join(map(str, entry.seeds)),
                "gaps": "; ".join(entry.gaps),
                "run": str(entry.run),
                "signature": ranking.signature,
            }


def write_leaderboard_page(board: Leaderboard, path: Path) -> Path:
    """Write the leaderboard as a page: a folder that opens from disk.

    Returns:
        The file to open in a browser.

    Raises:
        InputError: The folder holds something else, or cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from gill_bench.reporting.page.folder import PageFolder

    templates = builtin_folder() / "reports" / "templates"
    environment = Environment(
        loader=FileSystemLoader(templates / "leaderboard"), autoescape=True, undefined=StrictUndefined
    )
    folder = PageFolder(path)
    for file in (templates / "page" / "page.css", templates / "leaderboard" / "leaderboard.css"):
        folder.page(file.name, file.read_text(encoding="utf-8"))
    rankings = [
        (ranking, _arrow(ranking), [_cells(entry, board.folder) for entry in ranking.entries])
        for ranking in board.rankings
    ]
    text = environment.get_template("leaderboard.html").render(
        version=__version__,
        name=board.folder.name or board.folder.resolve().name,
        rankings=rankings,
        columns=COLUMNS,
        rule=RULE,
        not_ranked=[(_below(left.run, board.folder), left.what, left.reason) for left in board.not_ranked],
    )
    folder.page("index.html", text)
    folder.sweep()
    return path / "index.html"


def _arrow(ranking: Ranking) -> str:
    return "↑" if ranking.higher_is_better else "↓"


def _cells(entry: Entry, folder: Path) -> tuple[str, ...]:
    """The printed texts of an entry, one for each of `COLUMNS`; a star marks a value that lacks samples."""
    interval, behind = entry.interval, entry.behind
    return (
        str(entry.rank),
        entry.title,
        _number(entry.value) + ("*" if entry.gaps else ""),
        f"[{_number(interval.low)}, {_number(interval.high)}]" if interval else "",
        f"{_number(behind.mean, '+')} [{_number(behind.low, '+')}, {_number(behind.high, '+')}]" if behind else "",
        "" if entry.p is None else f"{entry.p:.2g}",
        str(entry.n),
        ", ".join(map(str, entry.seeds)),
        _below(entry.run, folder),
    )


def _below(run: Path, folder: Path) -> str:
    """A run as seen from the folder of all runs."""
    return run.relative_to(folder).as_posix() if run != folder else run.name


def _number(value: float, sign: str = "") -> str:
    return f"{value:{sign}z.{2 if abs(value) >= _LARGE else 4}f}"


def _gaps(ranking: Ranking) -> list[str]:
    return [f"* {entry.title}: {'; '.join(entry.gaps)}" for entry in ranking.entries if entry.gaps]


def _terminal(board: Leaderboard) -> str:
    lines: list[str] = []
    for ranking in board.rankings:
        rows = [COLUMNS, *(_cells(entry, board.folder) for entry in ranking.entries)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        lines += [f"{ranking.title} {_arrow(ranking)}"]
        for row in rows:
            cells = [
                text.ljust(width) if heading in ("model", "run") else text.rjust(width)
                for text, width, heading in zip(row, widths, COLUMNS, strict=True)
            ]
            lines.append(f"  {'  '.join(cells)}".rstrip())
        lines += [f"  {sentence}" for sentence in (*_gaps(ranking), *ranking.untested)]
        lines.append("")
    lines += wrap(RULE, _WIDTH)
    for left in board.not_ranked:
        what = f", {left.what}" if left.what else ""
        lines.append(f"not ranked: {_below(left.run, board.folder)}{what}: {left.reason}")
    return "\n".join(lines) + "\n"


def _markdown(board: Leaderboard) -> str:
    from gill_bench.reporting.markdown import escape

    def row(cells: Sequence[str]) -> str:
        return f"| {' | '.join(map(escape, cells))} |"

    lines: list[str] = []
    for ranking in board.rankings:
        lines += [f"### {escape(ranking.title)} {_arrow(ranking)}", "", row(COLUMNS)]
        lines.append(f"| {' | '.join('---' for _ in COLUMNS)} |")
        lines += [row(_cells(entry, board.folder)) for entry in ranking.entries]
        lines += ["", *(f"- {escape(sentence)}" for sentence in (*_gaps(ranking), *ranking.untested)), ""]
    lines.append(RULE)
    if board.not_ranked:
        lines += ["", "### Not ranked", "", row(("run", "number", "reason")), "| --- | --- | --- |"]
        lines += [row((_below(left.run, board.folder), left.what, left.reason)) for left in board.not_ranked]
    return "\n".join(lines) + "\n"


def _csv(board: Leaderboard) -> str:
    rows = list(entry_fields(board))
    buffer = io.StringIO()
    if rows:
        writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return buffer.getvalue()


def _json(board: Leaderboard) -> str:
    rankings = [
        {**asdict(ranking), "entries": [{**asdict(entry), "run": str(entry.run)} for entry in ranking.entries]}
        for ranking in board.rankings
    ]
    not_ranked = [{**asdict(left), "run": str(left.run)} for left in board.not_ranked]
    return to_json({"folder": str(board.folder), "rankings": rankings, "not_ranked": not_ranked}, indent=1) + "\n"


_FORMATS: Mapping[str, Callable[[Leaderboard], str]] = {
    "terminal": _terminal,
    "markdown": _markdown,
    "csv": _csv,
    "json": _json,
}
FORMATS = tuple(_FORMATS)
"""Names of the formats that `render_leaderboard` writes."""
SUFFIXES = {".md": "markdown", ".csv": "csv", ".json": "json"}
"""The name of the format that the ending of a file's name stands for."""
