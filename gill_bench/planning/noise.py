"""Noise: each sample has randomness of its own, so that order, batches and resuming change nothing.

A sample's noise depends on (seed, task, example id) alone. Model and context do not enter on purpose: they
are compared on the same noise (paired).
"""

from __future__ import annotations

import hashlib

from gill_bench.interfaces import Noise

_DOMAIN = "gill-bench/noise/1"


def example_noise(seed: int, task: str, example: str) -> Noise:
    """The noise of one sample.

    >>> example_noise(0, "vist", "45735") == example_noise(0, "vist", "45735")
    True
    >>> example_noise(0, "vist", "45735") == example_noise(1, "vist", "45735")
    False
    """
    # JSON-free and unambiguous: no part can contain the separator of the next.
    parts = [_DOMAIN, str(seed), task, example]
    message = b"".join(len(part.encode()).to_bytes(8, "big") + part.encode() for part in parts)
    return Noise(int.from_bytes(hashlib.sha256(message).digest()[:8], "big") >> 1)
