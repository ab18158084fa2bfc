"""LPIPS of two folders against the published way, one pair a call with the lpips package.

    python -m benchmarks.lpips_distance [--pairs 40] [--sizes 256,512] [--batches 1,5,32] [--threads 1]

Both sides use the same AlexNet of real size with random weights; pictures are squashed to 256 x 256 as float
tensors. Aims: no slower at any size; five seeds against the same references at least 1.6 times as fast.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from benchmarks.picture_pairs import Picture, arguments, opened, run
from gill_bench.metrics import lpips
from tests.support.backbones import lpips_of_the_package, squash, write_alex


def main() -> None:
    options = arguments(__doc__)
    model = lpips_of_the_package()

    @torch.no_grad()
    def published(generated: Picture, reference: Picture) -> float:
        return float(model(squash(opened(generated), 256), squash(opened(reference), 256)))

    with tempfile.TemporaryDirectory(prefix="gill-bench-lpips-") as name:
        scorer = lpips.load(write_alex(Path(name) / "alex.pth"), {}, "cpu")
        run(options, Path(name), scorer, {"published": published})


if __name__ == "__main__":
    main()
