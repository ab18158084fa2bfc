"""Tiny random pipelines that read a list of pictures: FLUX.2, Qwen-Image 2.1 and JoyImage-Edit-Plus."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.support.tiny_prompt_pipelines import (
    CHAT,
    CONTROL,
    LAYERS,
    VIDEO,
    byte_vocabulary,
    flux2_parts,
    qwen_tokenizer,
    write_flux2_klein,
)
from tests.support.tiny_text_to_image import _save

diffusers: Any = import_module("diffusers")
hf: Any = import_module("transformers")

MISTRAL = (
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[IMG]",
    "[IMG_BREAK]",
    "[IMG_END]",
)
MISTRAL_CHAT = (
    "<s>{% for message in messages %}{% set tag = 'SYSTEM_PROMPT' if message['role'] == 'system' else 'INST' %}"
    "[{{ tag }}]{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}[IMG]{% else %}{{ part['text'] }}{% endif %}{% endfor %}[/{{ tag }}]{% endfor %}"
)


def _mistral_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    vocabulary, merges = byte_vocabulary()
    backend = Tokenizer(BPE(vocab=vocabulary, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    words = hf.PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="</s>", model_max_length=10**12
    )
    words.add_special_tokens({"additional_special_tokens": list(MISTRAL[2:])})
    return words


def write_flux2(folder: Path) -> Path:
    """FLUX.2 [dev], whose text encoder is a Mistral 3 of which layers 10, 20 and 30 are read."""
    words = _mistral_tokenizer()
    processor = hf.PixtralProcessor(
        image_processor=hf.PixtralImageProcessor(size={"longest_edge": 28}, patch_size=14),
        tokenizer=words,
        patch_size=14,
        spatial_merge_size=2,
        chat_template=MISTRAL_CHAT,
    )
    config = hf.Mistral3Config(
        text_config={
            "model_type": "mistral",
            **LAYERS,
            "head_dim": 8,
            "num_hidden_layers": 31,
            "vocab_size": len(words),
        },
        vision_config={
            "model_type": "pixtral",
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "head_dim": 8,
            "image_size": 28,
            "patch_size": 14,
        },
        image_token_index=words.convert_tokens_to_ids("[IMG]"),
    )
    pipeline = diffusers.Flux2Pipeline(
        **flux2_parts(guidance=True),
        text_encoder=hf.Mistral3ForConditionalGeneration(config),
        tokenizer=processor,
    )
    return _save(pipeline, folder)


def _qwen3_vl(words: Any) -> Any:
    ids = dict(zip(("start", "end", "pad"), map(words.convert_tokens_to_ids, CONTROL[3:]), strict=True))
    config = hf.Qwen3VLConfig(
        text_config={
            **LAYERS,
            "head_dim": 8,
            "vocab_size": len(words),
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0},
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 16,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        vision_start_token_id=ids["start"],
        vision_end_token_id=ids["end"],
        image_token_id=ids["pad"],
        video_token_id=words.convert_tokens_to_ids(VIDEO),
    )
    return hf.Qwen3VLForConditionalGeneration(config)


def _qwen3_processor(words: Any) -> Any:
    pixels = {"shortest_edge": 32 * 32, "longest_edge": 64 * 64}
    return hf.Qwen3VLProcessor(
        image_processor=hf.Qwen2VLImageProcessor(size=pixels, patch_size=16),
        video_processor=hf.Qwen3VLVideoProcessor(size=pixels),
        tokenizer=words,
        chat_template=CHAT,
    )


def write_qwen_image_21(folder: Path, *, sigmas: list[float] | None = None) -> Path:
    """Qwen-Image 2.1, with the steps that its author chose, if any."""
    words = qwen_tokenizer()
    pipeline = diffusers.QwenImage21Pipeline(
        transformer=diffusers.QwenImage21Transformer2DModel(
            in_channels=4,
            out_channels=4,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            context_in_dim=16,
            axes_dims_rope=(4, 6, 6),
        ),
        vae=diffusers.AutoencoderKLQwenImage21(
            base_dim=4,
            decoder_base_dim=4,
            z_dim=4,
            dim_mult=[1, 1, 1, 1, 1],
            num_res_blocks=1,
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        text_encoder=_qwen3_vl(words),
        processor=_qwen3_processor(words),
        sample_sigmas=sigmas,
    )
    return _save(pipeline, folder)


def write_joy_image(folder: Path) -> Path:
    """JoyImage-Edit-Plus."""
    words = qwen_tokenizer()
    pipeline = diffusers.JoyImageEditPlusPipeline(
        transformer=diffusers.JoyImageEditPlusTransformer3DModel(
            in_channels=4,
            hidden_size=32,
            num_attention_heads=2,
            text_dim=16,
            num_layers=1,
            rope_dim_list=[4, 6, 6],
        ),
        vae=diffusers.AutoencoderKLWan(
            base_dim=4,
            z_dim=4,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        text_encoder=_qwen3_vl(words),
        tokenizer=words,
        processor=_qwen3_processor(words),
    )
    return _save(pipeline, folder)


WRITERS: dict[str, Callable[[Path], Path]] = {
    "Flux2Pipeline": write_flux2,
    "Flux2KleinKVPipeline": lambda folder: write_flux2_klein(folder, "Flux2KleinKVPipeline", distilled=True),
    "QwenImage21Pipeline": write_qwen_image_21,
    "JoyImageEditPlusPipeline": write_joy_image,
}
