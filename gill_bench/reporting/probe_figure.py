"""The result of a probe as a figure: the effect of each part, by its position; open marks where a part is not read."""

from __future__ import annotations

import io
import textwrap

from gill_bench.reporting.figure_style import COLOURS, MARKERS, SETTINGS
from gill_bench.reporting.probe_table import sentences_of
from gill_bench.rundir.probes import ContextProbe

_CHARACTERS = 100


def render_probe_figure(probe: ContextProbe, format: str) -> bytes:
    """Draw the effect of each part against its position, a curve for each kind of parts.

    Args:
        probe: The result.
        format: `svg` or `png`.
    """
    import matplotlib
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    notes = [line for sentence in sentences_of(probe) for line in textwrap.wrap(sentence, _CHARACTERS)]
    title = textwrap.wrap(f"{probe.model} in {probe.task}/{probe.context}: {probe.in_words()}", 78)
    height = 3.6 + 0.145 * len(notes) + 0.2 * len(title)
    with style.context("default"), matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(7.0, height))
        FigureCanvasAgg(figure)
        below = (0.75 + 0.145 * len(notes)) / height
        axes = figure.add_axes((0.11, below, 0.86, 2.6 / height))
        for number, kind in enumerate(dict.fromkeys(part.kind for part in probe.parts)):
            parts = [part for part in probe.parts if part.kind == kind]
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
            axes.plot([part.position for part in parts], [part.effect for part in parts], color=colour, label=kind)
            for part in parts:
                face = {"read": colour, "weakly read": "#cccccc", "not read": "white"}[part.verdict]
                axes.plot(part.position, part.effect, marker=marker, color=colour, markerfacecolor=face, zorder=3)
        axes.set_xlabel("position among the parts of its kind (filled: read; grey: weakly read; open: not read)")
        axes.set_ylabel(f"effect (1 = {probe.unit})")
        axes.set_xticks(range(1, max(part.position for part in probe.parts) + 1))
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        axes.grid(axis="y", color="#dddddd", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        figure.text(0.02, 1 - 0.08 / height, "\n".join(title), va="top", weight="bold", linespacing=1.3)
        figure.text(0.02, 0.08 / height, "\n".join(notes), va="bottom", size=7, linespacing=1.35)
        out = io.BytesIO()
        metadata = {"Date": None, "Creator": "gill-bench"} if format == "svg" else {"Software": "gill-bench"}
        figure.savefig(out, format=format, dpi=200, metadata={"Title": "\n".join(title), **metadata})
    return out.getvalue()
