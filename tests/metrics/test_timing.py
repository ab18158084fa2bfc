"""Medians and spread of measured times."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gill_bench.errors import InputError
from gill_bench.metrics import Question, Score, timing
from tests.support.metric_cases import Case

HARNESS = (Case(outputs={"1": {"seconds": 2.0}, "2": {"seconds": 3.0}}, asks="nothing"),)
NOT_COMPARED = "the values are seconds of this machine"


def scores(outputs: dict[str, dict[str, Any]]) -> dict[str, Score]:
    return {score.metric: score for score in timing.scores(outputs, {}, {}, Question("text-seconds", "text", 0))}


def test_timing_reports_the_median_and_the_distance_of_the_quartiles() -> None:
    seconds = [4.0, 1.0, 2.0, 8.0, 16.0, 2.5]
    by_metric = scores({str(index): {"seconds": duration, "tokens": 8} for index, duration in enumerate(seconds)})
    rates = [8 / duration for duration in seconds]
    for metric, values, higher in (("seconds", seconds, False), ("tokens-per-second", rates, True)):
        assert by_metric[metric].value == np.median(values)
        assert by_metric[metric].higher_is_better is higher
        assert by_metric[f"{metric}-spread"].value == pytest.approx(np.subtract(*np.percentile(values, [75, 25])))
        assert not by_metric[f"{metric}-spread"].higher_is_better
    assert {score.scored for score in by_metric.values()} == {6}
    assert by_metric["seconds"].each == {str(index): duration for index, duration in enumerate(seconds)}


def test_tokens_only_where_they_were_counted_and_no_token_is_a_rate_too() -> None:
    assert list(scores({"a": {"seconds": 1.0}})) == ["seconds", "seconds-spread"]
    by_metric = scores({"a": {"seconds": 1.0, "tokens": 0}, "b": {"seconds": 2.0, "tokens": 6}})
    assert (by_metric["tokens-per-second"].value, by_metric["tokens-per-second"].scored) == (1.5, 2)


def test_one_measurement_has_no_spread_and_none_has_nothing() -> None:
    by_metric = scores({"a": {"seconds": 1.0}})
    assert (by_metric["seconds"].value, by_metric["seconds-spread"].value) == (1.0, None)
    assert [(score.value, score.scored) for score in scores({}).values()] == [(None, 0)] * 2


def test_timing_has_no_settings() -> None:
    with pytest.raises(InputError, match="timing: settings: "):
        timing.check(None, {"repeats": 3}, "")
