"""PartiPrompts with the votes of five annotators, and the label that follows from the votes (protocol 3.11).

Most annotators prefer retrieval for a prompt that leaves much open, because many pictures fit, and generation for a
full description; some prompts are undecided, and each vote is random with a small probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gill_bench.datasets.partiprompts import label_of
from gill_bench.mini.grammar import caption, double_scene, sequence
from gill_bench.mini.writers._files import rng_of

PROMPTS, VOTES = 300, 5
_STRAY = 0.2


def write_partiprompts(folder: Path, seed: int) -> None:
    """Write both files of votes and the file of labels."""
    folder.mkdir(parents=True)
    rng = rng_of("partiprompts", seed)
    rows: list[tuple[str, str, str, str]] = []
    leanings: list[str] = []
    while len(rows) < PROMPTS:
        full = rng.random() < 0.6
        scene = double_scene(rng, "test") if full and rng.random() < 0.3 else rng.choice(sequence(rng, "test"))
        prompt = caption(scene, rng, full=1.0 if full else 0.0)
        category = "Two Things" if scene.other is not None else "One Thing"
        rows.append((prompt, category, "Fine-grained Detail" if full else "Basic", "synthetic"))
        leanings.append("same" if rng.random() < 0.2 else "gen" if full else "ret")
    header = "Prompt\tCategory\tChallenge\tNote"
    for kind in ("Alignment", "Realism"):
        votes = [
            [rng.choice(("gen", "ret", "same")) if rng.random() < _STRAY else leaning for _ in range(VOTES)]
            for leaning in leanings
        ]
        lines = ["\t".join([*row, ",".join(cast)]) for row, cast in zip(rows, votes, strict=True)]
        _write(folder / f"PartiPromptsAllDecisions_{kind}.tsv", f"{header}\tDecisions", lines)
        if kind == "Alignment":
            labels = ["\t".join([*row, label_of(cast)]) for row, cast in zip(rows, votes, strict=True)]
            _write(folder / "PartiPromptsDecisionsConfident.tsv", f"{header}\tDecision", labels)


def _write(file: Path, header: str, lines: Sequence[str]) -> None:
    file.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8", newline="\n")
