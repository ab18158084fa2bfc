"""Fréchet distance of two sets of features, and the statistics from which it is computed (FID: Heusel et al. 2017).

Statistics keep the features themselves as long as there are no more samples than dimensions. With more samples they
keep count, mean and scatter matrix in float64, merged by the formula of Chan et al. (1983), which does not cancel
digits. A distance of few samples is therefore computed from the features; the usual product of covariances would lose
half of the digits and fall below zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from gill_bench.errors import InputError

Matrix = NDArray[np.float64]
# Below this ratio of Cholesky pivots, the eigenvalues' square roots lose digits that singular values keep.
_WELL_CONDITIONED = 1e-3


@dataclass(frozen=True, slots=True)
class FeatureStatistics:
    """Statistics of a set of features from which the distance is computed; `merge` joins the statistics of two sets.

    Attributes:
        n: Number of samples.
        mean: Mean feature, (d,).
        rows: Features minus their mean, (n, d), as long as n <= d; else None.
        scatter: Sum of the outer products of features minus their mean, (d, d), once n > d; else None.
    """

    n: int
    mean: Matrix
    rows: Matrix | None
    scatter: Matrix | None

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> FeatureStatistics:
        """Statistics of features (n, d) of any floating type, n >= 1.

        Raises:
            InputError: A feature is not finite.
            ValueError: The features are not a matrix with rows.
        """
        if features.ndim != 2 or not len(features):
            raise ValueError(f"features of shape {features.shape}, expected (n, d) with n of at least 1")
        if not np.isfinite(features).all():
            row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
            raise InputError(f"features of sample {row} are not finite")
        values = features.astype(np.float64)
        mean = values.mean(axis=0)
        values -= mean
        n, width = values.shape
        return cls(n, mean, values, None) if n <= width else cls(n, mean, None, values.T @ values)

    @classmethod
    def stream(cls, batches: Iterable[NDArray[np.floating]]) -> FeatureStatistics:
        """Statistics of features that come in batches (n_i, d); the memory does not grow with the number of batches.

        Raises:
            InputError: A feature is not finite.
            ValueError: There are no features, or the batches are not matrices of one width.
        """
        total: FeatureStatistics | None = None
        held: list[NDArray[np.floating]] = []
        rows = 0

        def added() -> FeatureStatistics:
            part = cls.of(np.concatenate(held))
            return part if total is None else total.merge(part)

        for batch in batches:
            held.append(batch)
            rows += len(batch)
            # The time of a merge grows with d squared, however few rows are merged, so d rows are collected first.
            if rows >= batch.shape[1]:
                total, held, rows = added(), [], 0
        if held:
            total = added()
        if total is None:
            raise ValueError("no features")
        return total

    def merge(self, other: FeatureStatistics) -> FeatureStatistics:
        """Statistics of both sets together.

        Raises:
            ValueError: The dimensions differ.
        """
        if self.mean.shape != other.mean.shape:
            raise ValueError(f"features of {len(self.mean)} and {len(other.mean)} dimensions, expected the same width")
        n = self.n + other.n
        mean = self.mean + (other.mean - self.mean) * (other.n / n)
        if self.rows is not None and other.rows is not None and n <= len(mean):
            rows = np.concatenate([self.rows + (self.mean - mean), other.rows + (other.mean - mean)])
            return FeatureStatistics(n, mean, rows, None)
        delta = other.mean - self.mean
        scatter = self._scatter() + other._scatter() + np.outer(delta, delta) * (self.n * other.n / n)
        return FeatureStatistics(n, mean, None, scatter)

    @property
    def total_variance(self) -> float:
        """Trace of the covariance (divisor n - 1)."""
        if self.rows is not None:
            return float(np.square(self.rows).sum()) / (self.n - 1)
        assert self.scatter is not None
        return float(np.trace(self.scatter)) / (self.n - 1)

    def factor(self) -> tuple[Matrix, bool]:
        """A matrix F with F' F = covariance, and whether F is a well-conditioned triangle (d, d)."""
        if self.rows is not None:
            return self.rows / np.sqrt(self.n - 1), False
        covariance = self._scatter() / (self.n - 1)
        try:
            triangle: Matrix = scipy.linalg.cholesky(covariance)
            pivots = np.diag(triangle)
            return triangle, bool(pivots.min() > _WELL_CONDITIONED * pivots.max())
        except scipy.linalg.LinAlgError:  # constant or dependent dimensions
            values, vectors = scipy.linalg.eigh(covariance)
            # The square root of a zero eigenvalue's rounding error would be wrong in half of the digits.
            real = values > len(values) * np.finfo(np.float64).eps * values[-1]
            return np.sqrt(values[real])[:, None] * vectors.T[real], False

    def _scatter(self) -> Matrix:
        if self.scatter is not None:
            return self.scatter
        assert self.rows is not None
        return self.rows.T @ self.rows


def frechet_distance(first: FeatureStatistics, second: FeatureStatistics) -> float:
    """The Fréchet distance: squared distance of the means, plus tr(C1) + tr(C2) - 2 tr((C1 C2)^(1/2)).

    With C = F' F, the last trace is the sum of the singular values of F1 F2', so no matrix square root is needed. If
    both F are well-conditioned triangles, it is computed faster as a sum of the square roots of eigenvalues.

    Raises:
        InputError: A side has fewer than two samples.
        ValueError: The dimensions differ.

    >>> features = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 1.0]])
    >>> frechet_distance(FeatureStatistics.of(features), FeatureStatistics.of(features + 1))
    2.0
    """
    if min(first.n, second.n) < 2:
        counts = f"{first.n} and {second.n}"
        raise InputError(f"a Fréchet distance needs at least two samples on each side, there are {counts}")
    if first.mean.shape != second.mean.shape:
        raise ValueError(f"features of {len(first.mean)} and {len(second.mean)} dimensions, expected the same width")
    (factor1, is_good1), (factor2, is_good2) = first.factor(), second.factor()
    if is_good1 and is_good2:
        product = factor2 @ factor1.T
        root = float(np.sqrt(np.clip(scipy.linalg.eigvalsh(product.T @ product), 0, None)).sum())
    else:
        root = float(scipy.linalg.svdvals(factor1 @ factor2.T).sum())
    variances = first.total_variance + second.total_variance
    difference = first.mean - second.mean
    # The difference of the traces is never negative; rounding can make it so if both are nearly equal.
    return float(difference @ difference) + max(variances - 2 * root, 0.0)
