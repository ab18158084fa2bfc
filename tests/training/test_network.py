"""A training step against a plain reference: losses, gradients, and the effect of the precision."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch.testing import assert_close

from gill_bench.models.gill.network import GillHeads
from gill_bench.models.gill.sizes import GillSizes
from gill_bench.training import TrainConfig
from gill_bench.training.batches import Batch
from gill_bench.training.network import PASSES, initial_image_embeddings, mapper_shapes, new_heads
from gill_bench.training.setup import Setup, prepare
from gill_bench.training.trainer import coins
from tests.training.conftest import Configure
from tests.training.reference import Reference


def setup_of(config: TrainConfig) -> Setup:
    return prepare(config, Accelerator(cpu=True))


@pytest.fixture(scope="module")
def prepared(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Setup, Batch]:
    configure = TrainConfig(
        data=world / "data",
        llm=world / "weights" / "opt-mini",
        visual_encoder=world / "weights" / "clip-mini",
        out=tmp_path_factory.mktemp("out"),
        ret_emb_dim=16,
        mapper_width=16,
        mapper_layers=1,
        batch_size=6,
        workers=0,
    )
    setup = setup_of(configure)
    return setup, setup.source.batch(setup.plan.items(0))


@pytest.mark.parametrize("packed", list(itertools.product([False, True], repeat=3)))
def test_losses_and_gradients_are_those_of_the_reference(
    world: Path, prepared: tuple[Setup, Batch], packed: tuple[bool, bool, bool]
) -> None:
    setup, batch = prepared
    network = setup.network
    network.zero_grad()
    losses = network(batch, dict(zip(PASSES, packed, strict=True)))
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    gradients = {name: value.grad.clone() for name, value in network.heads.named_parameters() if value.grad is not None}

    network.zero_grad()
    reference = Reference(world / "weights", network.heads, setup.tokens.image_ids)
    expected = reference.losses(batch.captions, 32, batch.pictures, batch.targets, packed)
    torch.stack(list(expected.values())).sum().backward()  # type: ignore[no-untyped-call]
    assert losses.keys() == expected.keys()
    for name, value in losses.items():
        assert_close(value, expected[name], rtol=1e-4, atol=1e-5)
    # The row mask of the authors: of the table's gradient only the [IMG] rows are left.
    assert reference.table.grad is not None
    reference_gradients = {
        name: value.grad for name, value in network.heads.named_parameters() if value.grad is not None
    }
    reference_gradients["input_embeddings.weight"] = reference.table.grad[setup.tokens.image_ids]
    assert gradients.keys() == reference_gradients.keys()
    for name, gradient in gradients.items():
        assert_close(gradient, reference_gradients[name], rtol=2e-3, atol=2e-5, msg=name)


def test_the_paper_objective_squares_and_adds(world: Path, configure: Configure, tmp_path: Path) -> None:
    values = {"packing": 0.0, "seed": 5}
    authors, paper = (
        setup_of(configure(tmp_path, objective=objective, **values)) for objective in ("authors", "paper")
    )
    batch = authors.source.batch(authors.plan.items(0))
    packed = dict.fromkeys(PASSES, False)
    with torch.no_grad():
        first, second = authors.network(batch, packed), paper.network(batch, packed)
    assert_close(second["captioning"], first["captioning"])
    assert_close(second["contrastive"], 2 * first["contrastive"])
    assert second["generation"] > 4 * first["generation"]
    # Only [IMG0]: the loss of all tokens is a mean over about ten of them.
    assert second["generation_tokens"] != first["generation_tokens"]


def test_image_embeddings_get_the_mean_norm_of_the_others(prepared: tuple[Setup, Batch]) -> None:
    setup, _ = prepared
    table = setup.network.language.embed(range(setup.tokens.image_ids[0]))
    setup.network.renormalise()
    norms = setup.network.heads.input_embeddings.weight.norm(dim=-1)
    assert_close(norms, table.norm(dim=-1).mean().expand(8))


def test_the_state_of_a_training_holds_no_frozen_network(prepared: tuple[Setup, Batch]) -> None:
    network = prepared[0].network
    assert set(network.state_dict()) == {f"heads.{key}" for key in network.heads.state_dict()}
    assert len(network.heads.state_dict()) == 137 - 3 * (12 + 18)  # one layer of each stack, not four


def test_initial_image_embeddings_are_rows_that_the_table_has() -> None:
    table = torch.randn(10, 4)
    rows = initial_image_embeddings(table, first=7, count=8, std=0.02, seed=0)
    assert_close(rows[:3], table[7:])
    assert 0.005 < float(rows[3:].std()) < 0.05


def test_coins_are_fair_and_independent() -> None:
    config = TrainConfig(data=Path(), llm="", visual_encoder="", out=Path())
    thrown = [coins(config, step, rank) for step in range(500) for rank in (0, 1)]
    for name in PASSES:
        assert 420 < sum(coin[name] for coin in thrown) < 580
    assert len({tuple(coin.values()) for coin in thrown}) == 8
    assert thrown[0::2] != thrown[1::2]
    assert coins(config, 7, 0) == coins(config, 7, 0)


@pytest.mark.parametrize(
    ("mapper", "parameters"),
    [("gill_mapper", 31_958_784), ("linear", 30_285_024), ("mlp", 27_733_216)],
)
def test_the_mappers_have_the_published_numbers_of_parameters(mapper: str, parameters: int) -> None:
    sizes = GillSizes(4096, 1024, 8, 4, 256, 768, 77, mapper)
    with torch.device("meta"):
        heads = GillHeads(sizes, mapper_shapes(sizes, 512, 4))
    assert sum(value.numel() for value in heads.gen_text_hidden_fcs.parameters()) == parameters
    assert heads.conditioning_width == 768


@pytest.mark.parametrize("mapper", ["gill_mapper", "linear", "mlp", "encoder"])
@pytest.mark.parametrize("num_tokens", [1, 2, 4, 8])
def test_every_mapper_gives_all_vectors(mapper: str, num_tokens: int) -> None:
    sizes = GillSizes(12, 8, num_tokens, 2, 4, 8, 77, mapper)
    heads = new_heads(sizes, torch.zeros(num_tokens, 12), 16, 1, seed=0)
    assert heads.condition(torch.randn(3, num_tokens, 12)).shape == (3, 77, 8)
    again = new_heads(sizes, torch.zeros(num_tokens, 12), 16, 1, seed=0)
    assert all(torch.equal(left, right) for left, right in zip(heads.parameters(), again.parameters(), strict=True))


def test_the_layers_of_the_encoder_begin_differently() -> None:
    heads = new_heads(GillSizes(12, 8, 2, 2, 4, 8, 77, "encoder"), torch.zeros(2, 12), 16, 2, seed=0)
    state = heads.state_dict()
    first, second = (state[f"gen_text_hidden_fcs.0.tfm.layers.{layer}.linear1.weight"] for layer in (0, 1))
    assert not torch.equal(first, second)
