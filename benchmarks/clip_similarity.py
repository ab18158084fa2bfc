"""CLIP similarity of two folders against the published way, one pair a call with transformers' CLIPModel.

    python -m benchmarks.clip_similarity [--pairs 40] [--sizes 256,512] [--batches 1,5,32] [--threads 1]

Both sides use the same weights. The vision tower is so small that reading, resizing and calls take nearly all the
time; a tower of real size would take the same time on both sides. The published way is measured with transformers'
PIL-backed image processor, which gives the same values as gill-bench, and with the default processor of transformers 5,
which rounds pixels differently. Aims: with the same processor no slower at any size, and five seeds against the same
references at least 1.8 times as fast.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPImageProcessor, CLIPImageProcessorPil, CLIPModel

from benchmarks.picture_pairs import Pair, Picture, arguments, opened, run
from gill_bench.metrics import clip_similarity
from tests.support.backbones import write_clip


def published(model: Any, processor: Any) -> Pair:
    """Score a pair as the authors' script does: the processor and the network called twice, then a cosine."""

    @torch.no_grad()
    def pair(generated: Picture, reference: Picture) -> float:
        features = []
        for picture in (generated, reference):
            pixels = processor(images=opened(picture), return_tensors="pt")["pixel_values"]
            features.append(model.get_image_features(pixels).pooler_output)
        return float(torch.cosine_similarity(*features))

    return pair


def main() -> None:
    options = arguments(__doc__)
    with tempfile.TemporaryDirectory(prefix="gill-bench-clip-") as name:
        folder = Path(name)
        weights = write_clip(folder / "clip", side=224)
        model = CLIPModel.from_pretrained(weights)
        peers = {
            "published, PIL processor": CLIPImageProcessorPil.from_pretrained(weights),
            "published, torchvision processor": CLIPImageProcessor.from_pretrained(weights),
        }
        pairs = {label: published(model, processor) for label, processor in peers.items()}
        run(options, folder, clip_similarity.load(weights, {}, "cpu"), pairs)


if __name__ == "__main__":
    main()
