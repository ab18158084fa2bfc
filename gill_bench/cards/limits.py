"""The greatest whole numbers that a command, a card or a call may give. Nothing heavy is imported."""

from __future__ import annotations

from gill_bench.errors import InputError

MOST: dict[str, int] = {
    "seeds": 10_000,
    "limit": 10**9,
    "batch_size": 65_536,
    "threads": 1024,
    "workers": 4096,
    "max_failures": 10**9,
    "parts": 10**6,
}
"""The greatest value of each option, far above any use so far; a greater value is taken for a typing error."""
LARGEST = 2**63 - 1
"""The greatest whole number of a card or of `--set`, as TOML says: 64 bits with a sign."""


def check_count(name: str, value: object) -> None:
    """Check a number that a call from Python gives; 0 means the default.

    Raises:
        InputError: The value is no whole number, negative, or above `MOST`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST[name]:
        text = repr(value) if not isinstance(value, int) or abs(value) <= LARGEST else "a number of more than 64 bits"
        raise InputError(f"{name} = {text}: expected a whole number from 0 to {MOST[name]}")
