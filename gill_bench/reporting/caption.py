"""The sentences under a table, which say what its numbers rest on: counts, seeds, gaps, signatures, sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from gill_bench.reporting.comparability import not_comparable, other_warnings
from gill_bench.reporting.listing import cell_name, cells_of, list_cells
from gill_bench.reporting.own_encoder import own_encoder_notes
from gill_bench.reporting.structure import LEVEL, Column, Line, Table, TableCell
from gill_bench.reporting.text import NO_GAIN, gain
from gill_bench.reporting.trivial import no_better_notes, trivial_notes
from gill_bench.statistics.bootstrap import FEW_CLUSTERS
from gill_bench.storage.digests import digest

# The last of several sentences says "all others" instead of listing more columns, lines or cells than these.
_MOST_LISTED = 3


def notes_of(table: Table, source: str) -> tuple[str, ...]:
    """All sentences under a table, in the order in which a reader needs them.

    Args:
        table: The table, still without notes.
        source: The name of the paper, or "".
    """
    if table.shows_gains:
        how = (*_signatures(table), *own_encoder_notes(table), *_models(table))
        return (*_verdicts(table), *_gains(table), *_incomplete(table), *_counts(table), *how)
    measured = any(cell.rows for line in table.lines for cell in line.cells)
    return (
        *(_comparability(table) if table.compared else ()),
        *_contexts(table),
        *((_scored(table), *_seeds(table)) if measured else ()),
        *_incomplete(table),
        *_best(table),
        *_counts(table),
        *no_better_notes(table),
        *trivial_notes(table),
        *_unread(table),
        *_signatures(table),
        *own_encoder_notes(table),
        *_models(table),
        *(_paper(table, source) if table.compared else ()),
    )


def brief_notes(table: Table) -> tuple[str, ...]:
    """The few sentences that nobody can do without: examples, seeds, gaps, context not read, and why not to compare."""
    measured = any(cell.rows for line in table.lines for cell in line.cells)
    counts = _verdicts(table) if table.shows_gains else (_scored(table), *_seeds(table)) if measured else ()
    against = not_comparable(cell for _, _, cell in cells_of(table))
    no_better = () if table.shows_gains else no_better_notes(table)
    return (*counts, *_incomplete(table), *no_better, *_unread(table), *against, *other_warnings(table))


def signature_ids(table: Table) -> dict[str, str]:
    """The metrics of each signature, by the signature's id: the first eight digits of its SHA-256."""
    return {digest(signature)[:8]: ", ".join(names) for signature, names in _names_of_signatures(table).items()}


def _verdicts(table: Table) -> Iterator[str]:
    """A sentence for each model that says what it gains from its context."""
    for line in table.lines:
        verdicts = [
            f"{verdict} ({column.group or column.task}, {column.title}: {_plain_gain(cell, column)})"
            for other, column, cell in cells_of(table)
            if other is line and cell.interval and (verdict := column.if_above if cell.stands_out else column.if_not)
        ]
        if verdicts:
            yield f"{line.title} {'; '.join(verdicts)}."


def _gains(table: Table) -> Iterator[str]:
    """Sentences that say how the gains were computed."""
    measured = [item for item in cells_of(table) if item[2].interval is not None]
    if not measured:
        return
    pairs = _range(sorted(cell.pairs for _, _, cell in measured))
    clusters = _range(sorted(cell.interval.n for _, _, cell in measured if cell.interval is not None))
    seeds = {seed for _, _, cell in measured for seed in cell.seeds}
    yield (
        "Gain: how much better the metric is in the first context than in the second, above 0 whichever way the metric"
        f" points; the same examples and the same noise in both ({pairs} examples in {clusters} clusters, seeds"
        f" {_names(seeds)})."
    )
    yield (
        "In brackets the 95 % interval over clusters, with what seeds add; p by randomisation over clusters, Holm over"
        f" the {len(measured)} gains of the table. A gain stands out if its interval is above 0 and p is at most"
        f" {LEVEL:g}."
    )
    contexts = {f"{column.title}: {column.context} over {column.over}": None for _, column, _ in measured}
    yield f"Contexts: {'; '.join(contexts)}."


def _plain_gain(cell: TableCell, column: Column) -> str:
    p = "" if cell.p_holm is None else f", p {cell.p_holm:.2g}"
    return f"{gain(cell, column.digits).removesuffix(f' {NO_GAIN}')}{p}"


def _range(values: list[int]) -> str:
    return str(values[0]) if values[0] == values[-1] else f"{values[0]} to {values[-1]}"


def _examples(cell: TableCell) -> str:
    scored = _range(sorted(row.n_scored for row in cell.rows))
    return f"{scored} of {_range(sorted(row.n_expected for row in cell.rows))}"


def _scored(table: Table) -> str:
    counts = [(line, column, _examples(cell)) for line, column, cell in cells_of(table)]
    usual, count = Counter(text for _, _, text in counts).most_common(1)[0]
    rest = [item for item in counts if item[2] != usual]
    sentence = f"Examples scored per seed: {usual}"
    sentence = f"{sentence}." if count == len(counts) else f"{sentence}, except {list_cells(table, rest)}."
    limits = {(row.n_expected, row.n_available) for _, _, cell in cells_of(table) for row in cell.rows}
    cut = sorted(available for expected, available in limits if expected < available)
    return f"{sentence} LIMITED: the data has {_range(cut)} examples." if cut else sentence


def _seeds(table: Table) -> Iterator[str]:
    """Sentences that name the seeds of the standard deviations, and say where and why there is no deviation."""
    several: list[tuple[Line, Column, TableCell]] = []
    single: list[tuple[Line, Column, TableCell]] = []
    fixed: list[tuple[Line, Column, TableCell]] = []
    timed: list[tuple[Line, Column, TableCell]] = []
    for column in table.columns:
        cells = [item for item in cells_of(table) if item[1] is column and item[2].seeds]
        over = {seed for _, _, cell in cells if cell.depends_on_seed for seed in cell.seeds}
        for item in cells:
            seconds = (item[2].asks or "").endswith("-seconds")
            kind = (several if len(over) > 1 else single) if item[2].depends_on_seed else timed if seconds else fixed
            kind.append(item)
    seeds = {seed for _, _, cell in several for seed in cell.seeds}
    sentences = [
        (several, f"Mean ± sample standard deviation over {len(seeds)} seeds ({_names(seeds)})"),
        (
            single,
            f"One seed ({_names({seed for _, _, cell in single for seed in cell.seeds})}), hence no standard deviation",
        ),
        (fixed, "The same with every seed, hence no standard deviation"),
        (timed, "Times were taken in one pass, hence no standard deviation"),
    ]
    if not any(cells for cells, _ in sentences):
        yield "No seed could be scored."
    yield from _with_cells(table, sentences)


def _with_cells(table: Table, sentences: list[tuple[list[tuple[Line, Column, TableCell]], str]]) -> Iterator[str]:
    """The sentences that are true of any cells; each names its cells if there is more than one sentence."""
    said = [(cells, sentence) for cells, sentence in sentences if cells]
    for index, (cells, sentence) in enumerate(said):
        where = _where(table, cells) if len(said) > 1 else ()
        last = 0 < index == len(said) - 1
        listed = "all others" if last and len(where) > _MOST_LISTED else " / ".join(where)
        yield f"{sentence}: {listed}." if listed else f"{sentence}."


def _names(seeds: set[int]) -> str:
    return ", ".join(map(str, sorted(seeds)))


def _where(table: Table, cells: list[tuple[Line, Column, TableCell]]) -> tuple[str, ...]:
    """Names for cells: titles of whole columns if they fill these, else of whole lines, else a name for each cell."""
    measured = [item for item in cells_of(table) if item[2].seeds]
    columns = [column for column in table.columns if any(item[1] is column for item in cells)]
    if sum(1 for item in measured if item[1] in columns) == len(cells):
        return tuple(dict.fromkeys(column.group or column.title for column in columns))
    lines = [line for line in table.lines if any(item[0] is line for item in cells)]
    if sum(1 for item in measured if item[0] in lines) == len(cells):
        return tuple(line.title for line in lines)
    shorts = Counter(f"{line.title}, {column.title}" for line, column, _ in cells)
    return tuple(dict.fromkeys(cell_name(table, line, column, shorts) for line, column, _ in cells))


def _contexts(table: Table) -> tuple[str, ...]:
    """A sentence with the context of each line's numbers, for columns in which lines differ in their context."""
    if all(column.context for column in table.columns):
        return ()
    columns = " / ".join(dict.fromkeys(c.group or c.title for c in table.columns if not c.context))
    lines: dict[str, list[str]] = {}
    for line in table.lines:
        if line.context and not line.published_only:
            lines.setdefault(line.context, []).append(line.title)
    listed = "; ".join(f"{context} ({' / '.join(titles)})" for context, titles in lines.items())
    return (f"Contexts of {columns}: {listed}.",) if listed else ()


def _incomplete(table: Table) -> tuple[str, ...]:
    gaps = [(line, column, ", ".join(cell.gaps)) for line, column, cell in cells_of(table) if cell.gaps]
    return (f"Incomplete: {list_cells(table, gaps)}.",) if gaps else ()


def _best(table: Table) -> tuple[str, ...]:
    """A sentence with the columns in which no best cell is marked, since the counts of samples differ."""
    unmarked = []
    for number, column in enumerate(table.columns):
        cells = [line.cells[number] for line in table.lines]
        if len({n for cell in cells if cell.mean is not None and not cell.gaps for n in cell.n_examples}) > 1:
            unmarked.append(f"{column.title} ({column.metric})")
    return (f"No best is marked where the numbers of examples differ: {', '.join(unmarked)}.",) if unmarked else ()


def _unread(table: Table) -> tuple[str, ...]:
    """A sentence that says which parts of their contexts models read, for cells whose context is not read in full."""
    cells = [(line, column, cell.reads) for line, column, cell in cells_of(table) if cell.reads]
    return (f"Context not read in full, as the probe found: {list_cells(table, cells)}.",) if cells else ()


def _counts(table: Table) -> tuple[str, ...]:
    """Sentences about missing, truncated and flagged samples; samples that failed are named under "Incomplete"."""
    kinds: tuple[tuple[str, Callable[[TableCell], int], Callable[[TableCell], int]], ...] = (
        ("Missing or unreadable data", lambda cell: cell.n_missing, lambda cell: cell.n_expected),
        ("Prompt truncated by the model", lambda cell: cell.n_truncated, lambda cell: cell.n_scored),
        ("Blackened by the safety checker", lambda cell: cell.n_flagged, lambda cell: cell.n_scored),
    )
    sentences = []
    for name, count, total in kinds:
        cells = [
            (line, column, f"{count(cell)} of {total(cell)}") for line, column, cell in cells_of(table) if count(cell)
        ]
        everywhere = len(cells) == sum(1 for _ in cells_of(table)) and len({text for _, _, text in cells}) == 1
        if everywhere:
            sentences.append(f"{name}: {cells[0][2]} samples (examples times seeds) in every cell.")
        elif cells:
            sentences.append(f"{name}, in samples (examples times seeds): {list_cells(table, cells)}.")
    return tuple(sentences)


def _signatures(table: Table) -> Iterator[str]:
    """A sentence for each signature with its metrics."""
    for signature, names in _names_of_signatures(table).items():
        yield f"Signature of {', '.join(names)}: {signature}"


def _names_of_signatures(table: Table) -> dict[str, dict[str, None]]:
    """The metrics of each signature, with their contexts where a metric has several signatures."""
    names_of: dict[str, dict[str, None]] = {}
    for column in table.columns:
        for context, signature in column.signatures.items():
            names_of.setdefault(signature, {})[_signed_name(table, column, context)] = None
    return names_of


def _signed_name(table: Table, column: Column, context: str) -> str:
    """The shortest name of a column's numbers in a context that fits no number with another signature."""

    def names(of: Column, within: str) -> tuple[str, ...]:
        return of.metric, f"{of.metric} ({within})", f"{of.metric} ({of.task}, {within})"

    others = {
        name
        for other in table.columns
        for within, signature in other.signatures.items()
        if signature != column.signatures[context]
        for name in names(other, within)
    }
    own = names(column, context)
    return next((name for name in own if name not in others), own[-1])


def _models(table: Table) -> Iterator[str]:
    """A sentence for each way in which models were run; a model with different settings for its tasks has several."""
    titles_of: dict[str, dict[str, None]] = {}
    for line, column, cell in cells_of(table):
        several = len({other.model_signature for other in line.cells if other.rows}) > 1
        name = f"{line.title}, {column.task}" if several else line.title
        titles_of.setdefault(cell.model_signature, {})[name] = None
    for signature, titles in titles_of.items():
        yield f"{' / '.join(titles)} as run: {signature}"


def _comparability(table: Table) -> tuple[str, ...]:
    """A sentence that says why numbers beside the paper's may not be compared with them; none if they may."""
    return not_comparable(cell for _, _, cell in cells_of(table) if cell.published)


def _intervals(table: Table) -> Iterator[str]:
    """Sentences about the intervals of our means, and about the words "in" and "out" beside the paper's numbers."""
    compared = [item for item in cells_of(table) if item[2].published and item[2].mean is not None]
    if any(cell.interval for _, _, cell in compared):
        yield from _over(table, compared, "95 % interval of our mean", "No interval")
    known = [cell.published_in_interval is not None for _, _, cell in compared if cell.interval]
    if any(known):
        rest = "" if all(known) else " Neither is said of numbers that are not comparable."
        yield f"in / out: the paper's number lies in the interval of our mean, or not.{rest}"


def _over(table: Table, cells: list[tuple[Line, Column, TableCell]], name: str, without: str) -> Iterator[str]:
    """Sentences on how the intervals of cells are computed; `without` begins the sentence on cells without one."""
    over: dict[str, list[tuple[Line, Column, TableCell]]] = {}
    counts: dict[str, list[int]] = {}
    for line, column, cell in cells:
        kind = cell.interval.over if cell.interval else "nothing"
        over.setdefault(kind, []).append((line, column, cell))
        counts.setdefault(kind, []).append(cell.interval.n if cell.interval else 0)
    n = {kind: _range(sorted(numbers)) for kind, numbers in counts.items()}
    few = min(counts.get("clusters", [FEW_CLUSTERS])) < FEW_CLUSTERS
    method = f"bootstrap (of fewer than {FEW_CLUSTERS}, Student's t)" if few else "bootstrap"
    clusters = (
        f"{name}: {method} over {n.get('clusters')} clusters of examples (such as those of a photo sequence or a"
        " dialog), with what seeds add"
    )
    seeds = f"{name}: Student's t over {n.get('seeds')} seeds"
    sentences = {"clusters": clusters, "seeds": seeds, "nothing": f"{without}, as nothing tells of its spread"}
    yield from _with_cells(table, [(over.get(kind, []), sentence) for kind, sentence in sentences.items()])


def figure_notes(table: Table, left_out: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The sentences under a figure: warnings, and the meaning of its points, bands and hollow marks.

    Args:
        table: The table that is drawn.
        left_out: Titles of models that are not drawn, since they have a single point.
    """
    drawn = [item for item in cells_of(table) if item[1].x is not None and item[2].mean is not None]
    seeds = {seed for _, _, cell in drawn for seed in cell.seeds}
    points = f"Points: mean over {len(seeds)} seeds ({_names(seeds)})" if len(seeds) > 1 else "Points: one seed"
    published = any(cell.published for line in table.lines for cell in line.cells)
    return (
        *table.warnings,
        *(_comparability(table) if table.compared else ()),
        f"{points}. {_scored(table)}",
        *_over(table, drawn, "Band, the 95 % interval of the mean", "No band"),
        *_incomplete(table),
        *_unread(table),
        *(("Hollow: what the paper prints.",) if published else ()),
        *((f"Not drawn, since each has a single point: {len(left_out)} ({'; '.join(left_out)}).",) if left_out else ()),
    )


def _paper(table: Table, source: str) -> tuple[str, ...]:
    """Sentences about the source of the paper's numbers, and how to read these."""
    shown = [cell.published for line in table.lines for cell in line.cells if cell.published]
    if not shown:
        return (f"The paper has no number for this table ({source}).",)
    sentences = [f"Paper: {', '.join(dict.fromkeys(item.source for item in shown))} of {source}."]
    sentences += [f"Of the paper's numbers: {note}" for note in dict.fromkeys(item.note for item in shown) if note]
    if any(cell.difference is not None for _, _, cell in cells_of(table)):
        sentences.append("Difference: ours minus the paper's.")
    known = [line for line in table.lines if any(cell.published for cell in line.cells)]
    sentences += _intervals(table)
    if any(not cell.published and (cell.rows or line.published_only) for line in known for cell in line.cells):
        sentences.append("Blank: the paper has no number.")
    return tuple(sentences)
