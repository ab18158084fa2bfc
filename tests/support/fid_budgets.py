"""Allowed relative differences from other packages' numbers on the same features, and why (docs/parity.md)."""

from __future__ import annotations

EXACT = 1e-9
"""Limit against computations in float64 with full-rank covariances: pytorch-fid, torchmetrics' formula, scipy's sqrtm,
and clean-fid and torch-fidelity given float64 features. Measured: up to 3e-14."""

FLOAT32_MEANS = 1e-5
"""Limit against clean-fid and torch-fidelity given float32 features, of which their pipelines take means in float32.
Measured: 6e-8 to 3e-7 in these tests; up to 6e-5 where means are large against the distance."""

RANK_DEFICIENT = 1e-6
"""Limit against every package with fewer samples than dimensions: square roots of eigenvalues that should be zero
keep half of the digits. Measured: 1e-9 to 3e-8; our own value is exact to 1e-12 there."""

KERNEL = 1e-9
"""Limit for KID against clean-fid and torch-fidelity on the same draws of float64 features. Measured: 3e-15."""

KERNEL_FLOAT32 = 1e-5
"""KID against both given float32 features, as their pipelines do: they sum the kernel in float32, and the value is a
small difference of such sums. Measured: 1e-7 to 8e-7."""

STANDARD_ERRORS = 5
"""KID's mean over subsets against the estimate over all samples, in standard errors of that mean."""

NETWORK_PIXELS = 1e-3
"""Inception features against pytorch-fid: it scales pixels to 0..1 before resizing and clean-fid after it: some
units in the last place of each pixel. Against clean-fid itself pixels and features are equal bit for bit."""
