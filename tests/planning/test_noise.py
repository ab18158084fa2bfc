"""Noise: fixed for all time, different where it must be, the same for all models and contexts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gill_bench.planning.noise import example_noise

texts = st.text(max_size=20)


def test_the_derivation_never_changes() -> None:
    # A change of these numbers makes every stored run irreproducible.
    assert example_noise(0, "vist", "45735").seed == 8238379727132367361
    assert example_noise(4, "vist", "45735").seed == 3346629549809315358


@given(st.integers(0, 1000), texts, texts)
def test_seeds_fit_a_torch_generator(seed: int, task: str, example: str) -> None:
    assert 0 <= example_noise(seed, task, example).seed < 2**63


@given(st.tuples(st.integers(0, 9), texts, texts), st.tuples(st.integers(0, 9), texts, texts))
def test_different_samples_have_different_noise(first: tuple[int, str, str], second: tuple[int, str, str]) -> None:
    assert (example_noise(*first) == example_noise(*second)) == (first == second)


def test_parts_cannot_run_into_one_another() -> None:
    assert example_noise(1, "1a", "b") != example_noise(11, "a", "b")
    assert example_noise(1, "a", "bc") != example_noise(1, "ab", "c")
