"""The doctor: three samples of everything that a model claims to do, and what is wrong with what it returns.

A run would find some of it, late and one at a time, and would never find the rest: results that depend on the order of
examples, on their batch, or on what another model left behind.
"""

from __future__ import annotations

from gill_bench.checks.doctor.examination import Finding, examine, load_examined

__all__ = ["Finding", "examine", "load_examined"]
