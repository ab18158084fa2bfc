"""Time from two folders of pictures to their Fréchet distance, compared with the packages that users have.

    python benchmarks/fid.py [--pictures 500] [--rounds 3]

The inputs are 500 + 500 PNGs of 256 x 256 pixels, in batches of 32, without worker processes. All packages use one
feature network that costs next to nothing (means of 4 x 4 fields), so the time is that of reading, resizing and passing
on the pictures. "decode only" reads every picture with PIL and does nothing else; no single thread can be faster. Each
round times all packages in turn; rates are the best of the rounds, per second and per second of processor time, which
other work on the machine disturbs less. Aims: at least 0.95 of "decode only" with one thread, and faster than every
package.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import cleanfid.fid
import numpy as np
import pytorch_fid.fid_score
import torch
import torch_fidelity
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torchmetrics.image.fid import FrechetInceptionDistance

from gill_bench.metrics.backbones.pipeline import features_of
from gill_bench.metrics.functional.frechet import FeatureStatistics, frechet_distance

CPU = torch.device("cpu")
BATCH = 32
DIM = 48
STEP = 16  # between the pixels that are looked at, so that the network's own time stays far below that of reading


def fields(pixels: torch.Tensor) -> torch.Tensor:
    """Return the features (N, 48) of pixels (N, 3, H, W)."""
    return pooled(pixels[:, :, ::STEP, ::STEP])


def pooled(pixels: torch.Tensor) -> torch.Tensor:
    return nn.functional.adaptive_avg_pool2d(pixels.float(), 4).flatten(1)


class Fields:
    """The network for gill-bench."""

    name, dim = "fields", DIM

    def __call__(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        pixels = torch.from_numpy(np.stack([np.asarray(image)[::STEP, ::STEP] for image in images]))
        return pooled(pixels.permute(0, 3, 1, 2)).numpy()


class FidelityFields(FeatureExtractorBase):  # type: ignore[misc]
    """The network for torch-fidelity."""

    def __init__(self, name: str, features_list: list[str], **_: object) -> None:
        super().__init__(name, features_list)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return ("fields",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return "fields"

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (fields(pixels),)


class ModuleFields(nn.Module):
    """The network as a torch module, for torchmetrics."""

    num_features = DIM

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return fields(pixels)


class PytorchFidFields(ModuleFields):
    """The network for pytorch-fid, which expects a list of feature maps."""

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:  # type: ignore[override]
        return [fields(pixels)[:, :, None, None]]


def decode_only(folders: Sequence[Path]) -> float:
    for folder in folders:
        for file in sorted(folder.iterdir()):
            Image.open(file).convert("RGB")
    return 0.0


def with_clean_fid(folders: Sequence[Path]) -> float:
    distance = cleanfid.fid.compute_fid(
        *map(str, folders),
        custom_feat_extractor=fields,
        device=CPU,
        num_workers=0,
        batch_size=BATCH,
        verbose=False,
    )
    return float(distance)


def with_torch_fidelity(folders: Sequence[Path]) -> float:
    metrics = torch_fidelity.calculate_metrics(
        input1=str(folders[0]),
        input2=str(folders[1]),
        fid=True,
        feature_extractor="fields",
        batch_size=BATCH,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )
    return float(metrics["frechet_inception_distance"])


def with_pytorch_fid(folders: Sequence[Path]) -> float:
    pytorch_fid.fid_score.tqdm = lambda batches: batches
    network = PytorchFidFields()
    moments = [
        pytorch_fid.fid_score.calculate_activation_statistics(sorted(folder.iterdir()), network, BATCH, DIM, CPU, 0)
        for folder in folders
    ]
    return float(pytorch_fid.fid_score.calculate_frechet_distance(*moments[0], *moments[1]))


def with_torchmetrics(folders: Sequence[Path]) -> float:
    metric = FrechetInceptionDistance(feature=ModuleFields())
    for folder, real in zip(folders, (True, False), strict=True):
        files = sorted(folder.iterdir())
        for start in range(0, len(files), BATCH):
            pictures = [np.asarray(Image.open(file).convert("RGB")) for file in files[start : start + BATCH]]
            metric.update(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2), real=real)
    return float(metric.compute())


def write(folder: Path, count: int, seed: int) -> None:
    """Write PNGs of coarse colours with fine noise, of about 145 kB each, as photographs have."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 240 + 8 * seed, (40, 40, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((256, 256), Image.Resampling.BICUBIC)).astype(np.int16)
        pixels = np.clip(smooth + rng.integers(-12, 13, smooth.shape), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=500, help="in each of the two folders")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    torch_fidelity.register_feature_extractor("fields", FidelityFields)

    def with_gill_bench(folders: Sequence[Path]) -> float:
        first, second = (FeatureStatistics.of(features_of(sorted(folder.iterdir()), Fields())) for folder in folders)
        return frechet_distance(first, second)

    ways: dict[str, Callable[[Sequence[Path]], float]] = {
        "decode only": decode_only,
        "gill-bench": with_gill_bench,
        "clean-fid": with_clean_fid,
        "torch-fidelity": with_torch_fidelity,
        "pytorch-fid": with_pytorch_fid,
        "torchmetrics": with_torchmetrics,
    }
    with tempfile.TemporaryDirectory(prefix="gill-bench-fid-") as name:
        folders = [Path(name) / "one", Path(name) / "other"]
        for seed, folder in enumerate(folders):
            write(folder, options.pictures, seed)
        seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(options.rounds):
            for way, run in ways.items():
                start, processor = time.perf_counter(), time.process_time()
                run(folders)
                seconds[way].append((time.perf_counter() - start, time.process_time() - processor))
    floor = [min(column) for column in zip(*seconds["decode only"], strict=True)]
    print(f"{'pictures a second':24}   elapsed  of floor   processor  of floor")
    for way, times in seconds.items():
        best = [min(column) for column in zip(*times, strict=True)]
        cells = [f"{2 * options.pictures / b:10.0f}  {f / b:8.2f}" for b, f in zip(best, floor, strict=True)]
        print(f"{way:24}", "  ".join(cells))


if __name__ == "__main__":
    main()
