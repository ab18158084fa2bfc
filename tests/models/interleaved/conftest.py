"""The reader that the adapters share is tested within the small GILL of the adapter's own tests."""

from __future__ import annotations

from tests.models.gill.conftest import edit, folder, gill, prompts, reference, settings, weights

__all__ = ["edit", "folder", "gill", "prompts", "reference", "settings", "weights"]
