"""The doctor: it asks a model for three samples of everything that its card claims, and says what is wrong with them.

A run finds some of these faults, late and one at a time. It never finds that results depend on the order of examples,
on their batch, or on what another model left behind.
"""

from __future__ import annotations

from gill_bench.checks.doctor.context import examine_context
from gill_bench.checks.doctor.examination import Finding, examine, load_examined

__all__ = ["Finding", "examine", "examine_context", "load_examined"]
