"""CLIP similarity of two folders against the published way, one pair a call with transformers' CLIPModel.

    python -m benchmarks.clip_similarity [--pairs 40] [--sizes 256,512] [--batches 1,5,32] [--threads 1]

The weights are the same on both sides: a tower so small that what is measured is everything else (reading, resizing,
calls), since a real one takes the same time either way. The peer uses transformers' PIL-backed image processor, which
has our values, and transformers 5's default, which rounds pixels otherwise. Aims: with the same processor no slower at
any size, and five seeds against the same references at least 1.8 times as fast.
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
    """Two calls of the processor and the network and a cosine, as in the authors' script."""

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
