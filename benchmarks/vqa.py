"""VQA accuracy of as many answers as VQAv2 has: once with answers that repeat as real ones do, once with none repeated.

    python benchmarks/vqa.py [--questions 200000]

A text that repeats is normalised once, so the second case is the slowest possible: each question has eleven texts that
were not seen before. Aim: each case in under 10 s.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from itertools import accumulate

from gill_bench.metrics.functional.vqa import vqa_accuracy

SHAPES = (
    "{}",
    "a {}",
    "The {}.",
    "{}, left",
    "two {}s",
    "{}-like thing",
    "{} isnt it?",
    "1,000 {}",
    "{}/door",
    "it's {}",
)
ANNOTATORS = 10
Question = tuple[str, list[str]]


def answers_that_repeat(number: int, generator: random.Random) -> Iterator[Question]:
    """Return answers: three plausible ones per question, from 30,000 words with frequencies that fall as 1 / rank."""
    words = ["yes", "no", "2", "white", *(generator.choice(SHAPES).format(f"word{rank}") for rank in range(4, 30_000))]
    weights = list(accumulate(1 / (rank + 1) for rank in range(len(words))))
    for _ in range(number):
        plausible = generator.choices(words, cum_weights=weights, k=3)
        drawn = generator.choices(plausible, (0.7, 0.2, 0.1), k=ANNOTATORS + 1)
        yield drawn[0], drawn[1:]


def answers_that_never_repeat(number: int, generator: random.Random) -> Iterator[Question]:
    for question in range(number):
        texts = [generator.choice(SHAPES).format(f"q{question}x{annotator}") for annotator in range(ANNOTATORS + 1)]
        yield texts[0], texts[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=200_000)
    number = parser.parse_args().questions
    for name, make in (("answers that repeat", answers_that_repeat), ("none twice", answers_that_never_repeat)):
        questions = list(make(number, random.Random(0)))
        start, cpu = time.perf_counter(), time.process_time()
        total = sum(vqa_accuracy(answer, references) for answer, references in questions)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        print(
            f"{name}: {number:,} questions in {wall:.1f} s ({cpu:.1f} s CPU), "
            f"{number / wall:,.0f} a second, mean {total / number:.4f}"
        )


if __name__ == "__main__":
    main()
