"""CC3M pairs in the form that GILL is trained on: `cc3m_<split>.tsv`, `cc3m/{training,validation}/` (protocol 2.1)."""

from __future__ import annotations

from pathlib import Path

from gill_bench.mini.grammar import caption, double_scene, sequence
from gill_bench.mini.writers._files import rng_of, write_picture

PAIRS = {"train": 6000, "val": 120}
_FOLDERS = {"train": "training", "val": "validation"}
_DOUBLES = 0.2  # the share of pictures with two things


def write_cc3m(folder: Path, seed: int, splits: tuple[str, ...]) -> None:
    """Write captions and pictures: `cc3m_<split>.tsv` (header `caption`, `image`) and the folder `cc3m`."""
    for split in splits:
        rng = rng_of(f"cc3m {split}", seed)
        pictures = folder / "cc3m" / _FOLDERS[split]
        pictures.mkdir(parents=True)
        lines = ["caption\timage"]
        for number in range(PAIRS[split]):
            double = rng.random() < _DOUBLES
            scene = double_scene(rng, split) if double else rng.choice(sequence(rng, split))
            name = f"{split}_{number:06d}.png"
            write_picture(scene, pictures / name)
            lines.append(f"{caption(scene, rng, full=0.75)}\t{name}")
        (folder / f"cc3m_{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
