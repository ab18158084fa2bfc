"""Networks in every layout of files: they load, and what their loader reads is what their digest is of.

That is shown from its other side: where all files that do not count are gone, the same network loads.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPVisionModel

from gill_bench.cards.find import Cards
from gill_bench.errors import InputError
from gill_bench.planning.resolve import resolve_model
from gill_bench.weights.checkpoints import check_network_files
from gill_bench.weights.find import Weights
from gill_bench.weights.loading import read_network
from gill_bench.weights.network_files import Library
from tests.support.tiny_pipelines import write_stable_diffusion

State = Mapping[str, Tensor]


class Network(NamedTuple):
    """A folder with a network, and how its files are called."""

    folder: Path
    library: Library
    safe: str
    pickled: str

    def load(self, folder: Path | None = None) -> dict[str, Tensor]:
        """Load the weights from the network's folder, or from `folder`."""
        folder = folder or self.folder
        check_network_files(folder, self.library)
        if self.library == "diffusers":
            return dict(read_network(UNet2DConditionModel, folder, torch.float32, "diffusers").state_dict())
        return dict(read_network(CLIPVisionModel, folder, torch.float32).state_dict())

    def take(self) -> dict[str, Tensor]:
        """Read the weights from the network's file, and remove the file."""
        file = self.folder / f"{self.safe}.safetensors"
        state = load_file(file)
        file.unlink()
        return state

    def write(self, name: str, state: State) -> None:
        """Write a file in the format that its name says."""
        if name.endswith(".safetensors"):
            save_file(dict(state), self.folder / name, metadata={"format": "pt"})
        else:
            torch.save(dict(state), self.folder / name)

    def shard(self, index: str, shards: tuple[str, str], state: State) -> None:
        """Write weights in two files, and their index."""
        keys = sorted(state)
        names = {key: shards[number % 2] for number, key in enumerate(keys)}
        for shard in shards:
            self.write(shard, {key: state[key] for key in keys if names[key] == shard})
        (self.folder / index).write_text(json.dumps({"metadata": {}, "weight_map": names}))


def cast(state: State, dtype: torch.dtype) -> State:
    return {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}


def other(state: State) -> State:
    """Weights of the same shapes that must not be loaded."""
    return {key: torch.full_like(value, 7) if value.is_floating_point() else value for key, value in state.items()}


def in_half(it: Network) -> None:
    it.write(f"{it.safe}.fp16.safetensors", cast(it.take(), torch.float16))


def in_bfloat16(it: Network) -> None:
    it.write(f"{it.safe}.bf16.safetensors", cast(it.take(), torch.bfloat16))


def half_pickled(it: Network) -> None:
    it.write(f"{it.pickled}.fp16.bin", cast(it.take(), torch.float16))


def half_of_two_formats(it: Network) -> None:
    state = cast(it.take(), torch.float16)
    it.write(f"{it.safe}.fp16.safetensors", state)
    it.write(f"{it.pickled}.fp16.bin", other(state))


def pickled(it: Network) -> None:
    it.write(f"{it.pickled}.bin", it.take())


def pickled_beside_other_safetensors(it: Network) -> None:
    state = it.take()
    it.write(f"{it.pickled}.bin", state)
    it.write("training_state.safetensors", other(state))


def pickled_beside_half(it: Network) -> None:
    state = it.take()
    it.write(f"{it.pickled}.bin", state)
    it.write(f"{it.safe}.fp16.safetensors", cast(other(state), torch.float16))


def sharded(it: Network) -> None:
    shards = (f"{it.safe}-00001-of-00002.safetensors", f"{it.safe}-00002-of-00002.safetensors")
    it.shard(f"{it.safe}.safetensors.index.json", shards, it.take())


def sharded_in_half(it: Network) -> None:
    shards = (f"{it.safe}.fp16-00001-of-00002.safetensors", f"{it.safe}.fp16-00002-of-00002.safetensors")
    it.shard(f"{it.safe}.safetensors.index.fp16.json", shards, cast(it.take(), torch.float16))


def sharded_and_pickled(it: Network) -> None:
    shards = (f"{it.pickled}-00001-of-00002.bin", f"{it.pickled}-00002-of-00002.bin")
    it.shard(f"{it.pickled}.bin.index.json", shards, it.take())


def shards_of_odd_names(it: Network) -> None:
    it.shard(f"{it.safe}.safetensors.index.json", ("a.fp16.safetensors", "b.non_ema.safetensors"), it.take())


def whole_beside_an_index(it: Network) -> None:
    state = load_file(it.folder / f"{it.safe}.safetensors")
    shards = (f"{it.safe}-00001-of-00002.safetensors", f"{it.safe}-00002-of-00002.safetensors")
    it.shard(f"{it.safe}.safetensors.index.json", shards, other(state))
    if it.library == "diffusers":  # which prefers the shards
        it.shard(f"{it.safe}.safetensors.index.json", shards, state)
        it.write(f"{it.safe}.safetensors", other(state))


def beside_copies(it: Network) -> None:
    state = other(load_file(it.folder / f"{it.safe}.safetensors"))
    it.write(f"{it.pickled}.bin", state)
    it.write(f"{it.pickled}.non_ema.bin", state)
    it.write(f"{it.safe}.fp16.safetensors", state)
    it.write(f"{it.safe}.bf16.safetensors", state)
    it.shard(f"{it.safe}.safetensors.index.fp16.json", ("x.fp16.safetensors", "y.fp16.safetensors"), state)
    for name in ("flax_model.msgpack", "tf_model.h5", "rust_model.ot", "model.onnx", "old.ckpt", "README.md"):
        (it.folder / name).write_bytes(b"copy")


def linked(it: Network) -> None:
    """Make each file a link to a blob, as in the hub's cache."""
    blobs = it.folder.parent / "blobs"
    blobs.mkdir()
    for number, file in enumerate(sorted(it.folder.iterdir())):
        shutil.move(file, blobs / str(number))
        file.symlink_to(blobs / str(number))


LAYOUTS = [
    in_half,
    in_bfloat16,
    half_pickled,
    half_of_two_formats,
    pickled,
    pickled_beside_other_safetensors,
    pickled_beside_half,
    sharded,
    sharded_in_half,
    sharded_and_pickled,
    shards_of_odd_names,
    whole_beside_an_index,
    beside_copies,
    linked,
]


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stable_diffusion(tmp_path_factory.mktemp("sd"), safety_checker=False) / "unet"


@pytest.fixture(params=["transformers", "diffusers"])
def network(request: pytest.FixtureRequest, unet: Path, mini_weights: Path, tmp_path: Path) -> Network:
    folder = tmp_path / "network"
    if request.param == "diffusers":
        shutil.copytree(unet, folder)
        return Network(folder, "diffusers", "diffusion_pytorch_model", "diffusion_pytorch_model")
    shutil.copytree(mini_weights / "clip-mini", folder)
    return Network(folder, "transformers", "model", "pytorch_model")


def largest_difference(first: State, second: State) -> float:
    assert first.keys() == second.keys()
    return max(float((first[key].float() - second[key].float()).abs().max()) for key in first)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: str(layout.__name__))
def test_a_loader_reads_the_files_that_the_digest_counts(
    layout: Callable[[Network], None], network: Network, tmp_path: Path
) -> None:
    plain = network.load()
    layout(network)
    loaded = network.load()
    # Half precision rounds; weights that must not be loaded are far away.
    assert largest_difference(plain, loaded) < 0.05

    weights = Weights("network", network.folder)
    counted = tmp_path / "counted"
    for name, file in weights.read_files().items():
        target = counted / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    assert largest_difference(network.load(counted), loaded) == 0
    assert Weights("network", counted).digest() == weights.digest()


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: str(layout.__name__))
def test_other_weights_in_the_same_layout_have_another_digest(
    layout: Callable[[Network], None], network: Network, tmp_path: Path
) -> None:
    changed = network._replace(folder=tmp_path / "changed" / "network")
    shutil.copytree(network.folder, changed.folder)
    state = load_file(changed.folder / f"{changed.safe}.safetensors")
    key = sorted(state)[-1]
    changed.write(f"{changed.safe}.safetensors", {**state, key: state[key] + 1})
    for written in (network, changed):
        layout(written)
    assert Weights("network", changed.folder).digest() != Weights("network", network.folder).digest()


OWN = """
from pydantic import BaseModel

class Settings(BaseModel):
    pass

def check(weights, settings):
    pass

def load(weights, settings, device):
    pass
"""


@pytest.mark.parametrize("suffix", ["ckpt", "npy", "bin", "fp16.safetensors"])
def test_weights_of_a_users_own_adapter_count_whole(suffix: str, mini_weights: Path, tmp_path: Path) -> None:
    """A file that our loaders would pass over may be what somebody else's adapter reads."""
    (tmp_path / "painter.py").write_text(OWN)
    (tmp_path / "painter.toml").write_text(
        'schema = 1\nname = "painter"\ntitle = "Painter"\nadapter = "painter.py"\ncapabilities = ["image-generator"]\n'
        'inputs = ["text"]\n[weights.network]\nfolder = "network"\n[settings]\n'
    )
    shutil.copytree(mini_weights / "clip-mini", tmp_path / "network")
    digests = set()
    for content in (b"old", b"new"):
        (tmp_path / "network" / f"net.{suffix}").write_bytes(content)
        card = Cards().model(str(tmp_path / "painter.toml"))
        digests.add(resolve_model(card, weights=str(tmp_path), settings={}).digests["network"])
    assert len(digests) == 2


def test_weights_under_names_that_no_loader_reads_are_named(network: Network) -> None:
    state = network.take()
    network.write(f"{network.safe}.non_ema.safetensors", state)
    with pytest.raises(InputError) as raised:
        check_network_files(network.folder, network.library)
    assert f"expected {network.safe}.safetensors" in str(raised.value)
    assert f"no loader reads {network.safe}.non_ema.safetensors under this name" in str(raised.value)


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_a_pointer_of_git_lfs_is_named_as_one(network: Network, suffix: str) -> None:
    network.take()
    file = network.folder / ((network.safe if suffix == ".safetensors" else network.pickled) + suffix)
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(
        InputError, match=r"a Git LFS pointer in the place of the file; fetch it with 'git lfs pull'"
    ) as raised:
        network.load()
    assert str(raised.value).startswith(f"{file}: ")


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.complex64], ids=str)
@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_tensors_that_hold_no_floating_point_numbers_are_refused(
    network: Network, suffix: str, dtype: torch.dtype
) -> None:
    state: dict[str, Any] = network.take()
    # The vision tower of a whole CLIP: what is of the other tower is not read.
    key = next(key for key in sorted(state) if key.startswith(("vision_model.", "conv_in")))
    state[key] = state[key].to(dtype)
    name = (network.safe if suffix == ".safetensors" else network.pickled) + suffix
    network.write(name, state)
    with pytest.raises(InputError) as raised:
        network.load()
    kind = str(dtype).removeprefix("torch.")
    shown = {"int64": "I64", "uint8": "U8", "bool": "BOOL", "complex64": "C64"}[kind] if suffix != ".bin" else kind
    assert str(raised.value).startswith(f"{network.folder / name}: {key} is of type {shown}, expected floating-point")


def test_an_adapter_beside_the_weights_is_refused(network: Network) -> None:
    (network.folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(InputError, match=r"adapter_config\.json: an adapter \(PEFT\) .*merge it into the weights"):
        network.load()


def test_weights_that_the_config_names_are_refused(network: Network) -> None:
    config = network.folder / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "transformers_weights": "model.fp16.safetensors"}))
    with pytest.raises(InputError, match=r"config\.json: transformers_weights = 'model\.fp16\.safetensors'"):
        network.load()
