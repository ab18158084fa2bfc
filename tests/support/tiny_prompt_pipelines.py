"""Tiny random pipelines of today's classes, with text encoders of many kinds, in the published layout."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from tests.support.tiny_pipelines import WORDS, _text_config
from tests.support.tiny_pipelines import tokenizer as clip_tokenizer
from tests.support.tiny_text_to_image import _bpe_words, _decoder, _save, _t5, t5_words

diffusers: Any = import_module("diffusers")
hf: Any = import_module("transformers")

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
VIDEO = "<|video_pad|>"
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LAYERS = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}


def byte_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Byte-level tokens, and each word of WORDS with a space before it as one token."""
    from tokenizers.pre_tokenizers import ByteLevel

    vocabulary = {letter: number for number, letter in enumerate(sorted(ByteLevel.alphabet()))}
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        parts = ["Ġ", *word]
        while len(parts) > 1:
            pair = (parts[0], parts[1])
            if pair not in merges:
                merges.append(pair)
            parts = [pair[0] + pair[1], *parts[2:]]
            vocabulary.setdefault(parts[0], len(vocabulary))
    return vocabulary, merges


def qwen_tokenizer() -> Any:
    """A tokenizer of Qwen with its control tokens and a chat template."""
    vocabulary, merges = byte_vocabulary()
    words = hf.Qwen2Tokenizer(vocab=vocabulary, merges=merges, model_max_length=4096)
    words.add_special_tokens({"additional_special_tokens": [*CONTROL[1:], VIDEO]})
    words.chat_template = CHAT
    return words


def _glm_tokenizer() -> Any:
    """A tokenizer that puts a token before each text, as GLM's do, so that the empty text is not empty."""
    from tokenizers.processors import TemplateProcessing

    backend = qwen_tokenizer().backend_tokenizer
    start, number = CONTROL[1], backend.token_to_id(CONTROL[1])
    backend.post_processor = TemplateProcessing(single=f"{start} $A", special_tokens=[(start, number)])
    return hf.PreTrainedTokenizerFast(tokenizer_object=backend, pad_token=CONTROL[0], model_max_length=4096)


def _qwen_vl(words: Any) -> Any:
    ids = {
        name: words.convert_tokens_to_ids(token)
        for name, token in zip(("start", "end", "pad"), CONTROL[3:], strict=True)
    }
    config = hf.Qwen2_5_VLConfig(
        text_config={
            **LAYERS,
            "vocab_size": len(words),
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0},
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 16,
            "fullatt_block_indexes": [0],
        },
        vision_start_token_id=ids["start"],
        vision_end_token_id=ids["end"],
        image_token_id=ids["pad"],
        video_token_id=words.convert_tokens_to_ids(VIDEO),
    )
    return hf.Qwen2_5_VLForConditionalGeneration(config)


def _qwen_processor(words: Any) -> Any:
    pixels = {"shortest_edge": 28 * 28, "longest_edge": 28 * 28 * 4}
    return hf.Qwen2VLProcessor(
        image_processor=hf.Qwen2VLImageProcessor(size=pixels),
        video_processor=hf.Qwen2VLVideoProcessor(size=pixels),
        tokenizer=words,
        chat_template=CHAT,
    )


def _qwen_vae() -> Any:
    return diffusers.AutoencoderKLQwenImage(
        base_dim=12,
        z_dim=4,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )


def _qwen_transformer(**options: Any) -> Any:
    return diffusers.QwenImageTransformer2DModel(
        **{
            "patch_size": 2,
            "in_channels": 16,
            "out_channels": 4,
            "num_layers": 1,
            "attention_head_dim": 16,
            "num_attention_heads": 2,
            "joint_attention_dim": 16,
            "axes_dims_rope": (8, 4, 4),
            **options,
        }
    )


def write_qwen_image(folder: Path, kind: str = "QwenImagePipeline") -> Path:
    """Qwen-Image, or one of its relatives that read pictures."""
    words = qwen_tokenizer()
    parts = {
        "transformer": _qwen_transformer(),
        "vae": _qwen_vae(),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "text_encoder": _qwen_vl(words),
        "tokenizer": words,
    }
    if "Edit" in kind:
        parts["processor"] = _qwen_processor(words)
    return _save(getattr(diffusers, kind)(**parts), folder)


def _qwen3(words: Any, kind: str, **options: Any) -> Any:
    return getattr(hf, kind)(hf.Qwen3Config(vocab_size=len(words), **{**LAYERS, "head_dim": 8, **options}))


def flux2_parts(*, guidance: bool = False) -> dict[str, Any]:
    """The parts of a FLUX.2 that do not read the prompt; its text encoder has three layers of 16 numbers a token."""
    return {
        "transformer": diffusers.Flux2Transformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=48,
            timestep_guidance_channels=16,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=guidance,
        ),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": diffusers.AutoencoderKLFlux2(
            block_out_channels=(4,) * 4,
            norm_num_groups=2,
            latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=1,
        ),
    }


def write_flux2_klein(folder: Path, kind: str = "Flux2KleinPipeline", *, distilled: bool = False) -> Path:
    """FLUX.2 klein, whose text encoder is a Qwen 3 of which three layers are read."""
    words = qwen_tokenizer()
    pipeline = getattr(diffusers, kind)(
        **flux2_parts(),
        text_encoder=_qwen3(words, "Qwen3ForCausalLM", num_hidden_layers=27),
        tokenizer=words,
        is_distilled=distilled,
    )
    return _save(pipeline, folder)


def write_z_image(folder: Path) -> Path:
    """Z-Image."""
    words = qwen_tokenizer()
    transformer = diffusers.ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=4,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[1024, 64, 64],
    )
    with torch.no_grad():
        transformer.x_pad_token.fill_(1.0)
        transformer.cap_pad_token.fill_(1.0)
    pipeline = diffusers.ZImagePipeline(
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_decoder(),
        text_encoder=_qwen3(words, "Qwen3Model"),
        tokenizer=words,
    )
    return _save(pipeline, folder)


def write_kontext(folder: Path) -> Path:
    """FLUX.1 Kontext."""
    words = t5_words(512)
    clip = clip_tokenizer()
    pipeline = diffusers.FluxKontextPipeline(
        transformer=diffusers.FluxTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=16,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=True,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_decoder(),
        text_encoder=hf.CLIPTextModel(_text_config(clip)),
        tokenizer=clip,
        text_encoder_2=_t5(words),
        tokenizer_2=words,
    )
    return _save(pipeline, folder)


def write_omnigen(folder: Path) -> Path:
    """OmniGen, whose transformer reads text and pictures itself."""
    words = _bpe_words(hf.LlamaTokenizer, model_max_length=4096, pad_token="<pad>")
    pipeline = diffusers.OmniGenPipeline(
        transformer=diffusers.OmniGenTransformer2DModel(
            in_channels=4,
            patch_size=2,
            hidden_size=32,
            num_attention_heads=2,
            num_key_value_heads=2,
            intermediate_size=32,
            num_layers=1,
            pad_token_id=0,
            vocab_size=len(words),
            max_position_embeddings=4096,
            original_max_position_embeddings=4096,
            rope_scaling={"long_factor": [1.0] * 8, "short_factor": [1.0] * 8, "type": "su"},
            pos_embed_max_size=64,
            time_step_dim=16,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(invert_sigmas=True, num_train_timesteps=1),
        vae=_decoder(),
        tokenizer=words,
    )
    return _save(pipeline, folder)


def write_lumina2(folder: Path) -> Path:
    """Lumina 2, whose Gemma reads an instruction before the prompt."""
    words = _bpe_words(hf.GemmaTokenizer, model_max_length=8192)
    config = hf.Gemma2Config(vocab_size=len(words), head_dim=8, **LAYERS)
    pipeline = diffusers.Lumina2Pipeline(
        transformer=diffusers.Lumina2Transformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=4,
            hidden_size=24,
            num_layers=1,
            num_refiner_layers=1,
            num_attention_heads=3,
            num_kv_heads=1,
            multiple_of=2,
            axes_dim_rope=(4, 2, 2),
            axes_lens=(512, 64, 64),
            cap_feat_dim=16,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_decoder(),
        text_encoder=hf.Gemma2Model(config),
        tokenizer=words,
    )
    return _save(pipeline, folder)


def write_cogview4(folder: Path) -> Path:
    """CogView 4, with a GLM as text encoder."""
    words = _glm_tokenizer()
    config = hf.GlmConfig(vocab_size=len(words), head_dim=8, pad_token_id=0, **LAYERS)
    pipeline = diffusers.CogView4Pipeline(
        transformer=diffusers.CogView4Transformer2DModel(
            patch_size=2,
            in_channels=4,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            out_channels=4,
            text_embed_dim=16,
            time_embed_dim=8,
            condition_dim=4,
            sample_size=8,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(base_shift=0.25, max_shift=0.75),
        vae=_decoder(),
        text_encoder=hf.GlmModel(config),
        tokenizer=words,
    )
    return _save(pipeline, folder)


def write_chroma(folder: Path) -> Path:
    """Chroma."""
    words = t5_words(512)
    pipeline = diffusers.ChromaPipeline(
        transformer=diffusers.ChromaTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            axes_dims_rope=(4, 4, 8),
            approximator_hidden_dim=16,
            approximator_layers=1,
            approximator_num_channels=16,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_decoder(),
        text_encoder=_t5(words),
        tokenizer=words,
    )
    return _save(pipeline, folder)


def write_ernie(folder: Path) -> Path:
    """ERNIE-Image, with the language model that rewrites prompts in the published pipeline."""
    words = qwen_tokenizer()
    words.model_max_length = 64
    language = {"vocab_size": len(words), **LAYERS, "head_dim": 8}
    text = hf.Mistral3Config(
        text_config=hf.Ministral3Config(**language),
        vision_config=hf.PixtralVisionConfig(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=32,
            patch_size=8,
        ),
        image_token_index=words.convert_tokens_to_ids(CONTROL[5]),
    )
    pipeline = diffusers.ErnieImagePipeline(
        transformer=diffusers.ErnieImageTransformer2DModel(
            hidden_size=32,
            num_attention_heads=2,
            num_layers=1,
            ffn_hidden_size=16,
            in_channels=16,
            out_channels=16,
            text_in_dim=16,
            rope_axes_dim=(8, 4, 4),
        ),
        vae=flux2_parts()["vae"],
        text_encoder=hf.Mistral3Model(text),
        tokenizer=words,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        pe=hf.Ministral3ForCausalLM(hf.Ministral3Config(**language)),
        pe_tokenizer=words,
    )
    return _save(pipeline, folder)


def write_ip_adapter(folder: Path, pipeline: Path) -> Path:
    """An IP-Adapter for the UNet of a tiny pipeline, with its picture encoder in a folder beside it."""
    from safetensors.torch import save_file

    unet = diffusers.UNet2DConditionModel.from_pretrained(pipeline / "unet")
    width = unet.config.cross_attention_dim
    layers = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = hf.CLIPVisionConfig(**layers, image_size=16, patch_size=8, projection_dim=8)
    hf.CLIPVisionModelWithProjection(config).save_pretrained(folder / "image_encoder")
    tensors = {
        "image_proj.proj.weight": torch.randn(4 * width, 8),
        "image_proj.proj.bias": torch.zeros(4 * width),
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }
    attentions = [name.removesuffix(".processor") for name in unet.attn_processors if ".attn2." in name]
    for index, name in enumerate(attentions):
        shape = unet.get_submodule(name).to_k.weight.shape
        for letter in "kv":
            tensors[f"ip_adapter.{2 * index + 1}.to_{letter}_ip.weight"] = torch.randn(shape)
    save_file(tensors, folder / "ip-adapter.safetensors")
    return folder


WRITERS: dict[str, Callable[[Path], Path]] = {
    "QwenImagePipeline": write_qwen_image,
    "QwenImageEditPlusPipeline": lambda folder: write_qwen_image(folder, "QwenImageEditPlusPipeline"),
    "Flux2KleinPipeline": write_flux2_klein,
    "ZImagePipeline": write_z_image,
    "FluxKontextPipeline": write_kontext,
    "OmniGenPipeline": write_omnigen,
    "Lumina2Pipeline": write_lumina2,
    "CogView4Pipeline": write_cogview4,
    "ChromaPipeline": write_chroma,
    "ErnieImagePipeline": write_ernie,
}
