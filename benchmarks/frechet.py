"""Fréchet distance of features of 2,048 dimensions, statistics included, compared with the packages that users have.

    python benchmarks/frechet.py [--rounds 1] [--dimensions 2048] [--packages gill_bench,scipy_sqrtm,...]

Each round times all packages in turn in one thread, in seconds of processor time, on the same features: once with more
samples than dimensions and once with fewer. Aims: at least 4 times as fast as scipy's sqrtm with more samples and at
least 100 times with fewer, exact to 1e-9, and no negative distance. Errors are measured from the analytic distance of a
set and its double; the distance of a set to itself is 0.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import cleanfid.fid
import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray
from pytorch_fid.fid_score import calculate_frechet_distance
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.image.fid import _compute_fid

from gill_bench.metrics.functional.frechet import FeatureStatistics, frechet_distance

Features = NDArray[np.float32]


def gill_bench(x: Features, y: Features) -> float:
    return frechet_distance(FeatureStatistics.of(x), FeatureStatistics.of(y))


def moments(x: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = x.astype(np.float64)
    return values.mean(axis=0), np.cov(values, rowvar=False)


def scipy_sqrtm(x: Features, y: Features) -> float:
    (mean, c), (other, e) = moments(x), moments(y)
    root = np.trace(scipy.linalg.sqrtm(c @ e)).real
    return float(np.square(mean - other).sum() + np.trace(c) + np.trace(e) - 2 * root)


def pytorch_fid(x: Features, y: Features) -> float:
    return float(calculate_frechet_distance(*moments(x), *moments(y)))


def clean_fid(x: Features, y: Features) -> float:
    return float(cleanfid.fid.fid_from_feats(x, y))


def torch_fidelity(x: Features, y: Features) -> float:
    first, second = (fid_features_to_statistics(torch.from_numpy(side)) for side in (x, y))
    return float(fid_statistics_to_metric(first, second, False)["frechet_inception_distance"])


def torchmetrics(x: Features, y: Features) -> float:
    return float(_compute_fid(*map(torch.from_numpy, (*moments(x), *moments(y)))))


PACKAGES: tuple[Callable[[Features, Features], float], ...] = (
    gill_bench,
    scipy_sqrtm,
    pytorch_fid,
    clean_fid,
    torch_fidelity,
    torchmetrics,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--packages", default=",".join(package.__name__ for package in PACKAGES))
    options = parser.parse_args()
    packages = [package for package in PACKAGES if package.__name__ in ("gill_bench", *options.packages.split(","))]
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    d = options.dimensions
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(d, d)) / np.sqrt(d)
    for n in (5 * d // 2, d // 4):
        x = np.abs(rng.normal(size=(n, d)) @ mixing).astype(np.float32)
        mean, covariance = moments(x)
        exact = float(np.square(mean).sum() + np.trace(covariance))
        seconds: dict[str, list[float]] = {package.__name__: [] for package in packages}
        values = {}
        for _ in range(options.rounds):
            for package in packages:
                start = time.process_time()
                values[package.__name__] = package(x, 2 * x)
                seconds[package.__name__].append(time.process_time() - start)
        gill_bench_seconds = min(seconds["gill_bench"])
        print(f"{n} samples, {d} dimensions", flush=True)
        for package in packages:
            name, best = package.__name__, min(seconds[package.__name__])
            ratio, error = best / gill_bench_seconds, abs(values[name] / exact - 1)
            line = f"  {name:14} {best:7.3f} s  {ratio:6.1f} times gill_bench  error {error:.0e}"
            print(line, f" to itself {package(x, x):+.0e}", flush=True)


if __name__ == "__main__":
    main()
