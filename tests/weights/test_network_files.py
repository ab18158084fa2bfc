"""Selection of the files to read from a repository, on the listings of published repositories."""

from __future__ import annotations

import pytest

from gill_bench.weights.network_files import NetworkFiles, network_files, readable

SD15 = {
    "feature_extractor/preprocessor_config.json",
    "model_index.json",
    "safety_checker/config.json",
    "safety_checker/model.safetensors",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "v1-inference.yaml",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
}
SD15_COPIES = {
    "safety_checker/model.fp16.safetensors",
    "safety_checker/pytorch_model.bin",
    "safety_checker/pytorch_model.fp16.bin",
    "text_encoder/model.fp16.safetensors",
    "text_encoder/pytorch_model.bin",
    "unet/diffusion_pytorch_model.bin",
    "unet/diffusion_pytorch_model.fp16.bin",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.non_ema.bin",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "v1-5-pruned-emaonly.ckpt",
    "v1-5-pruned-emaonly.safetensors",
    "v1-5-pruned.ckpt",
    "v1-5-pruned.safetensors",
    "vae/diffusion_pytorch_model.bin",
}


def test_one_copy_of_each_network_of_stable_diffusion_is_read() -> None:
    assert set(readable(sorted(SD15 | SD15_COPIES))) == SD15


def test_the_only_precision_of_a_repository_is_read() -> None:
    plain = {"unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.bin"}
    of_unet = {name for name in SD15_COPIES if name.startswith("unet/") and "fp16" in name}
    without = {name for name in SD15 | of_unet if name not in plain}
    assert set(readable(without)) == without - {"unet/diffusion_pytorch_model.fp16.bin"}


@pytest.mark.parametrize(
    "copy",
    [
        "flax_model.msgpack",
        "tf_model.h5",
        "rust_model.ot",
        "model.onnx",
        "onnx/decoder_model.onnx",
        "onnx/decoder_model.onnx_data",
        "pytorch_model.bin",
        "pytorch_model-00001-of-00002.bin",
        "pytorch_model.bin.index.json",
        "model.fp16.safetensors",
        "model.fp16-00001-of-00002.safetensors",
        "model.safetensors.index.fp16.json",
        "model.bf16.safetensors",
    ],
)
def test_a_copy_is_left_out_only_beside_what_is_read_instead(copy: str) -> None:
    others = ["config.json", "tokenizer.json"]
    assert readable([*others, "model.safetensors", copy]) == [*others, "model.safetensors"]
    assert readable([*others, "adapter_model.safetensors", copy]) == [*others, "adapter_model.safetensors", copy]


def test_pickles_are_read_beside_safetensors_of_another_library() -> None:
    names = ["model.safetensors", "diffusion_pytorch_model.bin"]
    assert readable(names) == names


def test_a_single_file_beside_the_index_of_a_pipeline_is_never_read() -> None:
    kept = ["model_index.json", "transformer/diffusion_pytorch_model-00001-of-00003.safetensors"]
    assert readable([*kept, "flux1-dev.safetensors", "ae.safetensors", "sd.ckpt"]) == kept
    assert readable(["flux1-dev.safetensors"]) == ["flux1-dev.safetensors"]


def test_files_that_an_index_lists_are_read_whatever_their_names() -> None:
    names = ["model.safetensors.index.json", "part.fp16.safetensors", "part.h5"]
    assert readable(names) == names[:1]
    assert readable(names, listed=names[1:]) == names


def test_each_library_has_names_and_an_order_of_its_own() -> None:
    sharded, whole = "model.safetensors.index.json", "model.safetensors"
    assert network_files({sharded, whole}, "transformers") == NetworkFiles(whole, ".safetensors", "")
    assert network_files({sharded, whole}, "diffusers") is None
    sharded, whole = "diffusion_pytorch_model.safetensors.index.fp16.json", "diffusion_pytorch_model.fp16.safetensors"
    assert network_files({sharded, whole}, "diffusers") == NetworkFiles(sharded, ".safetensors", "fp16")
    assert network_files({whole, "diffusion_pytorch_model.bin"}, "diffusers") == NetworkFiles(
        "diffusion_pytorch_model.bin", ".bin", ""
    )
