from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gill_bench.errors import InputError
from gill_bench.models import gill as adapter
from gill_bench.models.gill import Settings
from gill_bench.models.gill.decision import DecisionModel, read_decision
from gill_bench.models.gill.model import Gill
from gill_bench.prompt import Prompt
from tests.models.gill.conftest import copied
from tests.models.gill.reference import Reference


def test_decisions_come_from_the_first_image_token(
    gill: Gill, reference: Reference, folder: Path, prompts: list[Prompt]
) -> None:
    state = torch.load(folder / "gill-mini" / "decision_model.pth.tar", weights_only=True)["state_dict"]
    for prompt, decision in zip(prompts, gill.decide(prompts), strict=True):
        generate, retrieve = (
            (reference.image_states(prompt)[0] @ state["1.weight"].T + state["1.bias"]).softmax(0).tolist()
        )
        assert decision.probability == pytest.approx(retrieve, abs=1e-5)
        assert decision.label == ("retrieve" if retrieve > generate else "generate")


def test_equal_probabilities_decide_for_generating() -> None:
    [decision] = DecisionModel(torch.zeros(2, 4), torch.zeros(2))(torch.ones(1, 4))
    assert decision == ("generate", 0.5)


def test_a_decision_model_may_read_the_largest_similarity() -> None:
    weight = torch.zeros(2, 5)
    weight[1, 4] = 10.0
    model = DecisionModel(weight, torch.tensor([0.0, -5.0]))
    decisions = model(torch.ones(2, 4), [0.1, 0.9])
    assert [decision.label for decision in decisions] == ["generate", "retrieve"]
    with pytest.raises(InputError, match="similarity"):
        model(torch.ones(2, 4))


def test_without_a_decision_model_there_are_features_and_no_decision(folder: Path, tmp_path: Path) -> None:
    weights = copied(folder, tmp_path)
    (weights["checkpoint"] / "decision_model.pth.tar").unlink()
    gill = adapter.load(weights, Settings(squash_size=32), "cpu")
    assert gill.decision_features([Prompt(("a",))]).shape == (1, 96)
    with pytest.raises(InputError, match=r"decision_model\.pth\.tar"):
        gill.decide([Prompt(("a",))])


def test_a_decision_model_of_another_width_is_refused(folder: Path, tmp_path: Path) -> None:
    weights = copied(folder, tmp_path)
    file = weights["checkpoint"] / "decision_model.pth.tar"
    torch.save({"state_dict": {"1.weight": torch.zeros(2, 4096), "1.bias": torch.zeros(2)}}, file)
    with pytest.raises(InputError, match=r"decision_model\.pth\.tar: expected 1\.weight \(2, 96\).*found .*4096"):
        adapter.check(weights, Settings())


def test_the_released_decision_model_is_read(real_data: Path) -> None:
    weight, bias = read_decision(real_data / "gill" / "decision_model.pth.tar", 4096)
    assert (weight.shape, bias.shape, weight.device.type) == ((2, 4096), (2,), "cpu")


def test_the_released_model_args_are_read(real_data: Path) -> None:
    from gill_bench.models.gill.arguments import GillArguments
    from gill_bench.models.interleaved.model_args import read_model_args
    from gill_bench.models.interleaved.network_sizes import expected_width

    arguments = read_model_args(real_data / "gill", GillArguments)
    assert (arguments.num_tokens, arguments.num_clip_tokens, arguments.gen_emb_dim) == (8, 77, 768)
    assert expected_width(arguments.opt_version, real_data) == 4096
    assert expected_width(arguments.visual_encoder, real_data) == 1024
