from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gill_bench.training import TrainConfig
from gill_bench.training.schedule import ExampleOrder, learning_rate


def config(**values: Any) -> TrainConfig:
    return TrainConfig(data=Path(), llm="x", visual_encoder="y", out=Path(), **values)


def simulated(settings: TrainConfig) -> list[float]:
    """The authors' scheduler with the real StepLR inside: warm-up with multiplier 1, handed over one step late."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=settings.lr)
    after = torch.optim.lr_scheduler.StepLR(
        optimizer, settings.decay_epochs * settings.steps_per_epoch, settings.decay_factor
    )
    count, finished, rates = 0, False, []
    [group] = optimizer.param_groups
    group["lr"] = 0.0
    for _ in range(settings.epochs):
        for batch in range(settings.steps_per_epoch):
            rates.append(float(group["lr"]))
            optimizer.step()
            if batch == settings.steps_per_epoch - 1:
                break
            if finished:
                after.step()
                continue
            count += 1
            finished = count > settings.warmup_steps
            group["lr"] = settings.lr if finished else settings.lr * count / settings.warmup_steps
    return rates


@pytest.mark.parametrize(
    "sizes",
    [
        {"steps_per_epoch": 20, "warmup_steps": 20, "decay_epochs": 5, "epochs": 16},
        {"steps_per_epoch": 7, "warmup_steps": 30, "decay_epochs": 2, "epochs": 20},
        {"steps_per_epoch": 50, "warmup_steps": 3, "decay_epochs": 1, "epochs": 4},
    ],
)
def test_the_learning_rate_is_that_of_the_authors_scheduler(sizes: dict[str, int]) -> None:
    settings = config(**sizes)
    rates = [learning_rate(settings, step) for step in range(settings.total_steps)]
    assert rates == pytest.approx(simulated(settings), rel=1e-9)
    assert rates[0] == 0


def test_the_learning_rate_is_that_of_the_paper() -> None:
    settings = config()
    assert settings.total_steps == 20_000
    assert [learning_rate(settings, step) for step in (0, 1999, 2000, 2001)] == pytest.approx(
        [0, 9.995e-4, 9.995e-4, 1e-3]
    )
    assert learning_rate(settings, 12_006) == pytest.approx(1e-3)
    assert learning_rate(settings, 12_007) == learning_rate(settings, 19_999) == pytest.approx(1e-4)


def test_without_warm_up_the_first_rate_is_the_full_one() -> None:
    assert learning_rate(config(warmup_steps=0), 0) == 1e-3


def test_order_is_a_permutation_an_epoch_and_begins_again_where_data_end() -> None:
    order = ExampleOrder("pairs", 0, examples=10, batch=4, steps_per_epoch=5)
    first = [index for step in range(5) for index in order.indices(step, 0, 1)]
    assert sorted(first[:10]) == sorted(first[10:]) == list(range(10))
    assert first[:10] != first[10:]
    second = [index for step in range(5, 10) for index in order.indices(step, 0, 1)]
    assert first != second


def test_processes_share_the_examples_of_a_step() -> None:
    order = ExampleOrder("pairs", 3, examples=7, batch=6, steps_per_epoch=9)
    for step in range(12):
        shares = order.indices(step, 0, 3) + order.indices(step, 1, 3) + order.indices(step, 2, 3)
        assert shares == order.indices(step, 0, 1)
    assert ExampleOrder("stories", 3, 7, 6, 9).indices(0, 0, 1) != order.indices(0, 0, 1)


def test_a_tiny_set_is_repeated_within_a_step() -> None:
    assert sorted(ExampleOrder("pairs", 0, examples=2, batch=6, steps_per_epoch=1).indices(0, 0, 1)) == [
        0,
        0,
        0,
        1,
        1,
        1,
    ]
