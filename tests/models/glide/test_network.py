from __future__ import annotations

import pytest
import torch

from gill_bench.models.glide.checkpoint import empty_network
from gill_bench.models.glide.files import Name
from gill_bench.models.glide.network import Network
from gill_bench.models.glide.sizes import GlideSizes, NetworkSizes
from gill_bench.models.glide.text_transformer import TextTransformer
from tests.models.glide.tiny import CONTEXT, SIZES, network, reference, tokens

TEXTS = [[5, 80, 256, 7], [], list(range(20, 20 + CONTEXT)), [3]]


def inputs(of: Network, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    generator = torch.Generator().manual_seed(seed)
    side = of.sizes.resolution
    x = torch.randn(len(TEXTS), 3, side, side, generator=generator)
    small = torch.rand(len(TEXTS), 3, side // 2, side // 2, generator=generator) * 2 - 1
    return x, torch.tensor([0, 10, 503, 999]), small if of.upsampler else None


@pytest.mark.parametrize(
    ("name", "keys", "parameters", "blocks"), [("base", 783, 385_030_726, 16), ("upsample", 797, 398_361_286, 18)]
)
def test_the_networks_have_the_official_numbers_of_weights(name: Name, keys: int, parameters: int, blocks: int) -> None:
    unet = empty_network(GlideSizes(), name)
    assert len(unet.state_dict()) == keys
    assert sum(value.numel() for value in unet.state_dict().values()) == parameters
    assert len(unet.input_blocks) == len(unet.output_blocks) == blocks
    with torch.device("meta"):
        text = TextTransformer(GlideSizes().text, 768)
    assert sum(value.numel() for value in text.state_dict().values()) == 76_695_808
    assert set(text.state_dict()) < set(unet.state_dict())


def attended(unet: Network, side: str) -> list[int]:
    names = {name for name in unet.state_dict() if name.startswith(side) and name.endswith("encoder_kv.weight")}
    return sorted(int(name.split(".")[1]) for name in names)


def test_the_networks_have_the_official_keys_and_shapes() -> None:
    base, upsampler = empty_network(GlideSizes(), "base"), empty_network(GlideSizes(), "upsample")
    shapes = {
        "positional_embedding": (128, 512),
        "padding_embedding": (128, 512),
        "token_embedding.weight": (50257, 512),
        "transformer.resblocks.15.attn.c_qkv.weight": (1536, 512),
        "transformer.resblocks.0.attn.c_proj.bias": (512,),
        "transformer.resblocks.0.ln_2.weight": (512,),
        "transformer.resblocks.0.mlp.c_fc.weight": (2048, 512),
        "transformer.resblocks.0.mlp.c_proj.weight": (512, 2048),
        "final_ln.bias": (512,),
        "transformer_proj.weight": (768, 512),
        "time_embed.0.weight": (768, 192),
        "time_embed.2.weight": (768, 768),
        "input_blocks.0.0.weight": (192, 3, 3, 3),
        "input_blocks.5.0.skip_connection.weight": (384, 192, 1, 1),
        "input_blocks.5.0.emb_layers.1.weight": (768, 768),
        "input_blocks.5.1.qkv.weight": (1152, 384, 1),
        "input_blocks.5.1.encoder_kv.weight": (768, 512, 1),
        "input_blocks.5.1.proj_out.weight": (384, 384, 1),
        "middle_block.1.norm.weight": (768,),
        "middle_block.2.out_layers.3.weight": (768, 768, 3, 3),
        "output_blocks.3.2.in_layers.2.weight": (768, 768, 3, 3),
        "output_blocks.11.2.out_layers.0.weight": (384,),
        "out.0.weight": (192,),
        "out.2.weight": (6, 192, 3, 3),
    }
    state = base.state_dict()
    assert {key: tuple(state[key].shape) for key in shapes} == shapes
    assert attended(base, "input_blocks") == [5, 6, 7, 9, 10, 11, 13, 14, 15]
    assert attended(base, "output_blocks") == list(range(12))
    assert upsampler.state_dict()["input_blocks.0.0.weight"].shape == (192, 6, 3, 3)
    assert attended(upsampler, "input_blocks") == [10, 11, 13, 14, 16, 17]
    assert attended(upsampler, "output_blocks") == list(range(9))
    third = {
        name.split(".")[1] for name in upsampler.state_dict() if name.startswith("output_blocks") and ".2.in" in name
    }
    second = {
        name.split(".")[1]
        for name in upsampler.state_dict()
        if name.startswith("output_blocks") and name.split(".")[2:4] == ["1", "in_layers"]
    }
    assert third == {"2", "5", "8"}
    assert second == {"11", "14"}


@pytest.mark.parametrize("upsampler", [False, True])
def test_the_network_gives_the_output_of_the_reference(upsampler: bool) -> None:
    unet = network(upsampler=upsampler)
    x, timesteps, small = inputs(unet)
    with torch.no_grad():
        output = unet(x, timesteps, unet.condition(*tokens(TEXTS)), small)
    slow = reference(unet)
    expected = torch.cat(
        [
            slow(
                x[row : row + 1].double(),
                int(timesteps[row]),
                text,
                None if small is None else small[row : row + 1].double(),
            )
            for row, text in enumerate(TEXTS)
        ]
    )
    assert 0.3 < expected.std() < 3
    assert (output - expected).abs().max() < 1e-5


@pytest.mark.parametrize("upsampler", [False, True])
def test_every_weight_changes_the_output(upsampler: bool) -> None:
    unet = network(upsampler=upsampler)
    x, timesteps, small = inputs(unet)
    unet(x, timesteps, unet.condition(*tokens(TEXTS)), small).square().sum().backward()
    idle = [key for key, value in unet.named_parameters() if value.grad is None or not value.grad.any()]
    assert idle == []


def test_ids_of_padding_do_not_matter() -> None:
    unet = network(upsampler=False)
    ids, mask = tokens(TEXTS)
    with torch.no_grad():
        first, second = unet.condition(ids, mask), unet.condition(ids.where(mask, torch.tensor(0)), mask)
        assert torch.equal(first.projection, second.projection)
        assert all(torch.equal(*pair) for pair in zip(first.texts, second.texts, strict=True))
        nothing = unet.unconditional()
    torch.testing.assert_close(nothing.projection[0], first.projection[1])


def test_conditions_are_taken_and_joined() -> None:
    unet = network(upsampler=False)
    x, timesteps, _ = inputs(unet)
    with torch.no_grad():
        known = unet.condition(*tokens(TEXTS))
        whole = unet(x, timesteps, known)
        order = torch.tensor([2, 0])
        rest = torch.tensor([3, 1])
        some = unet(x[[2, 0, 3, 1]], timesteps[[2, 0, 3, 1]], known.take(order).followed_by(known.take(rest)))
    torch.testing.assert_close(some, whole[[2, 0, 3, 1]], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 0.02), (torch.bfloat16, 0.15)])
def test_a_narrow_torso_is_near(dtype: torch.dtype, tolerance: float) -> None:
    unet = network(upsampler=True)
    x, timesteps, small = inputs(unet)
    with torch.no_grad():
        exact = unet(x, timesteps, unet.condition(*tokens(TEXTS)), small)
        unet.set_torso(dtype)
        output = unet(x, timesteps, unet.condition(*tokens(TEXTS)), small)
    wide = {key for key, value in unet.state_dict().items() if value.dtype == torch.float32}
    assert "time_embed.0.weight" in wide
    assert "out.2.weight" in wide
    assert "final_ln.weight" in wide
    assert "input_blocks.1.0.in_layers.0.weight" in wide
    narrow = {key for key, value in unet.state_dict().items() if value.dtype == dtype}
    assert narrow | wide == set(unet.state_dict())
    assert {"positional_embedding", "padding_embedding", "token_embedding.weight", "middle_block.1.qkv.bias"} < narrow
    assert output.dtype == torch.float32
    assert 0 < (output - exact).abs().max() < tolerance


def test_small_pictures_are_for_the_upsampler() -> None:
    base, upsampler = network(upsampler=False), network(upsampler=True)
    x, timesteps, small = inputs(upsampler)
    with pytest.raises(ValueError, match="it alone"):
        upsampler(x, timesteps, upsampler.condition(*tokens(TEXTS)))
    with pytest.raises(ValueError, match="it alone"):
        base(x[..., :8, :8], timesteps, base.condition(*tokens(TEXTS)), small)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"multipliers": ()}, "multipliers is empty"),
        ({"resolution": 10}, "resolution = 10 is no multiple"),
        ({"channels": 9, "norm_groups": 1, "head_width": 1}, "channels = 9 is no multiple"),
        ({"attention": (2, 3)}, "attention = 3"),
        ({"norm_groups": 3}, "no multiple of norm_groups = 3"),
        ({"head_width": 16}, "no multiple of head_width = 16"),
    ],
)
def test_sizes_that_do_not_fit_together_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkSizes.model_validate({**SIZES.base.model_dump(), **change})
