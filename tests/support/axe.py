"""axe-core in a browser: what of a page somebody with a disability could not see, hear or reach."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest

_SERIOUS = """async () => (await axe.run(document, { resultTypes: ['violations'], preload: false })).violations
  .filter((violation) => ['serious', 'critical'].includes(violation.impact))
  .map((violation) => `${violation.id}: ${violation.help}: ${violation.nodes.map((node) => node.target).join(', ')}`)"""


def serious_violations(tab: Any) -> list[str]:
    """What axe-core finds serious or critical in the page that is open: rule, what it asks for, and the elements."""
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python, which has axe-core, is not installed")
    tab.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    violations: list[str] = tab.evaluate(_SERIOUS)
    return violations
