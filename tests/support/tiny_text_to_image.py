"""Tiny random pipelines of every class that the stable-diffusion adapter takes, in the published layout."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Gemma2Config,
    Gemma2Model,
    GemmaTokenizer,
    LlamaTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
    UMT5Config,
    UMT5EncoderModel,
)

from tests.support.tiny_pipelines import (
    WORDS,
    _spread,
    _text_config,
    tokenizer,
    write_stable_diffusion,
    write_stable_diffusion_xl,
)

diffusers: Any = import_module("diffusers")
LETTERS = "abcdefghijklmnopqrstuvwxyz.,?!'0123456789"


def t5_words(length: int) -> Any:
    """Make T5's tokenizer with a token for each word of WORDS; other text is split into letters."""
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    words += [(f"▁{word}", -3.0) for word in WORDS] + [(letter, -8.0) for letter in LETTERS if letter != "."]
    words += [(".", -8.0)] if "." not in dict(words) else []
    return T5Tokenizer(vocab=words, extra_ids=0, model_max_length=length)


def _bpe_words(kind: Any, **options: Any) -> Any:
    vocabulary = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<s>": 4, "</s>": 5, "▁": 6}
    merges: list[tuple[str, str]] = []
    for letter in LETTERS:
        vocabulary.setdefault(letter, len(vocabulary))
    for word in WORDS:
        parts = ["▁", *word]
        while len(parts) > 1:
            pair = (parts[0], parts[1])
            if pair not in merges:
                merges.append(pair)
            parts = [pair[0] + pair[1], *parts[2:]]
            vocabulary.setdefault(parts[0], len(vocabulary))
    return kind(vocab=vocabulary, merges=merges, **options)


def _t5(words: Any, kind: Any = (T5Config, T5EncoderModel), width: int = 32) -> Any:
    config, network = kind
    return network(
        config(vocab_size=len(words), d_model=width, d_kv=8, d_ff=32, num_layers=2, num_heads=2, dropout_rate=0.0)
    )


def _decoder() -> Any:
    """A decoder of eight times the latents' side, as the published ones."""
    return diffusers.AutoencoderKL(
        block_out_channels=(4,) * 4,
        norm_num_groups=2,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        mid_block_add_attention=False,
        shift_factor=0.0,
    )


def _clip(kind: Any, width: int = 16) -> tuple[Any, Any]:
    words = tokenizer()
    return kind(_text_config(words, width)), words


def write_sd3(folder: Path, *, t5: bool = True) -> Path:
    """Stable Diffusion 3; with `t5` false as it is often stored, without its third text encoder."""
    first, words = _clip(CLIPTextModelWithProjection)
    second, _ = _clip(CLIPTextModelWithProjection)
    third_words = t5_words(512)
    pipeline = diffusers.StableDiffusion3Pipeline(
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=16,
            patch_size=1,
            in_channels=4,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            joint_attention_dim=32,
            caption_projection_dim=32,
            pooled_projection_dim=32,
            out_channels=4,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_decoder(),
        text_encoder=first,
        tokenizer=words,
        text_encoder_2=second,
        tokenizer_2=tokenizer(),
        text_encoder_3=_t5(third_words) if t5 else None,
        tokenizer_3=third_words if t5 else None,
    )
    return _save(pipeline, folder)


def write_flux(folder: Path, *, guidance: bool = True) -> Path:
    """FLUX.1: dev with guidance, schnell without."""
    first, words = _clip(CLIPTextModel)
    second_words = t5_words(512)
    pipeline = diffusers.FluxPipeline(
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
            guidance_embeds=guidance,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_decoder(),
        text_encoder=first,
        tokenizer=words,
        text_encoder_2=_t5(second_words),
        tokenizer_2=second_words,
    )
    return _save(pipeline, folder)


def write_pixart(folder: Path, kind: str) -> Path:
    """PixArt-Alpha or -Sigma."""
    words = t5_words(512)
    pipeline = getattr(diffusers, kind)(
        transformer=diffusers.PixArtTransformer2DModel(
            sample_size=32,
            num_layers=1,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=3,
            caption_channels=32,
            in_channels=4,
            cross_attention_dim=24,
            out_channels=8,
            attention_bias=True,
            activation_fn="gelu-approximate",
            num_embeds_ada_norm=1000,
            norm_type="ada_norm_single",
            norm_elementwise_affine=False,
            norm_eps=1e-6,
            use_additional_conditions=False,
        ),
        scheduler=diffusers.DDIMScheduler(),
        vae=_decoder(),
        text_encoder=_t5(words),
        tokenizer=words,
    )
    return _save(pipeline, folder)


def write_sana(folder: Path) -> Path:
    """Sana, whose Gemma reads an instruction before the prompt."""
    words = _bpe_words(GemmaTokenizer, model_max_length=8192)
    config = Gemma2Config(
        vocab_size=len(words),
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=4,
    )
    pipeline = diffusers.SanaPipeline(
        transformer=diffusers.SanaTransformer2DModel(
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=4,
            num_cross_attention_heads=2,
            cross_attention_head_dim=4,
            cross_attention_dim=8,
            caption_channels=8,
            sample_size=32,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
        vae=diffusers.AutoencoderDC(
            in_channels=3,
            latent_channels=4,
            attention_head_dim=2,
            encoder_block_types=("ResBlock",) * 5 + ("EfficientViTBlock",),
            decoder_block_types=("ResBlock",) * 5 + ("EfficientViTBlock",),
            encoder_block_out_channels=(4,) * 5 + (8,),
            decoder_block_out_channels=(4,) * 5 + (8,),
            encoder_qkv_multiscales=((),) * 5 + ((5,),),
            decoder_qkv_multiscales=((),) * 5 + ((5,),),
            encoder_layers_per_block=(1,) * 6,
            decoder_layers_per_block=[1] * 6,
            downsample_block_type="conv",
            upsample_block_type="interpolate",
            decoder_norm_types="rms_norm",
            decoder_act_fns="silu",
        ),
        text_encoder=Gemma2Model(config),
        tokenizer=words,
    )
    return _save(pipeline, folder)


def write_kandinsky3(folder: Path) -> Path:
    """Kandinsky 3."""
    words = t5_words(512)
    pipeline = diffusers.Kandinsky3Pipeline(
        unet=diffusers.Kandinsky3UNet(
            in_channels=4,
            time_embedding_dim=4,
            groups=2,
            attention_head_dim=4,
            layers_per_block=3,
            block_out_channels=(32, 64),
            cross_attention_dim=4,
            encoder_hid_dim=32,
        ),
        scheduler=diffusers.DDPMScheduler(beta_start=0.00085, beta_end=0.02, clip_sample=False),
        movq=diffusers.VQModel(
            block_out_channels=[32, 64],
            down_block_types=["DownEncoderBlock2D", "AttnDownEncoderBlock2D"],
            in_channels=3,
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=8,
            norm_type="spatial",
            num_vq_embeddings=12,
            out_channels=3,
            up_block_types=["AttnUpDecoderBlock2D", "UpDecoderBlock2D"],
            vq_embed_dim=4,
        ),
        text_encoder=_t5(words),
        tokenizer=words,
    )
    return _save(pipeline, folder)


def write_hunyuan_dit(folder: Path) -> Path:
    """HunyuanDiT, with a BERT and a T5."""
    bert_words = BertTokenizer(
        vocab={
            name: index
            for index, name in enumerate(
                [
                    "[PAD]",
                    "[UNK]",
                    "[CLS]",
                    "[SEP]",
                    "[MASK]",
                    *WORDS,
                    *LETTERS[1:],
                    *(f"##{letter}" for letter in LETTERS),
                ]
            )
        },
        model_max_length=77,
    )
    bert = BertModel(
        BertConfig(
            vocab_size=len(bert_words),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=77,
        )
    )
    words = t5_words(256)
    pipeline = diffusers.HunyuanDiTPipeline(
        transformer=diffusers.HunyuanDiT2DModel(
            sample_size=128,
            num_layers=2,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=3,
            in_channels=4,
            cross_attention_dim=16,
            cross_attention_dim_t5=32,
            pooled_projection_dim=16,
            hidden_size=24,
            activation_fn="gelu-approximate",
        ),
        scheduler=diffusers.DDPMScheduler(),
        vae=_decoder(),
        text_encoder=bert,
        tokenizer=bert_words,
        text_encoder_2=_t5(words),
        tokenizer_2=words,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return _save(pipeline, folder)


def write_aura_flow(folder: Path) -> Path:
    """AuraFlow."""
    words = _bpe_words(LlamaTokenizer, model_max_length=512, pad_token="<pad>")
    pipeline = diffusers.AuraFlowPipeline(
        transformer=diffusers.AuraFlowTransformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=4,
            num_mmdit_layers=1,
            num_single_dit_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_projection_dim=32,
            joint_attention_dim=32,
            out_channels=4,
            pos_embed_max_size=4096,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_decoder(),
        text_encoder=_t5(words, (UMT5Config, UMT5EncoderModel)),
        tokenizer=words,
    )
    return _save(pipeline, folder)


def write_lcm(folder: Path) -> Path:
    """Latent consistency."""
    encoder, words = _clip(CLIPTextModel)
    pipeline = diffusers.LatentConsistencyModelPipeline(
        vae=_decoder(),
        text_encoder=encoder,
        tokenizer=words,
        unet=diffusers.UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(8, 16),
            norm_num_groups=4,
            layers_per_block=1,
            cross_attention_dim=16,
            attention_head_dim=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            time_cond_proj_dim=32,
        ),
        scheduler=diffusers.LCMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return _save(pipeline, folder)


def _save(pipeline: Any, folder: Path) -> Path:
    for network in pipeline.components.values():
        if isinstance(network, torch.nn.Module):
            # Networks as they are initialised give nearly the same output for all inputs; some last layers are zeros.
            for parameter in network.parameters():
                if parameter.ndim > 1 and not parameter.any():
                    torch.nn.init.normal_(parameter, std=0.1)
            _spread(network, 1.5)
    pipeline.save_pretrained(folder)
    return folder


WRITERS: dict[str, Callable[[Path], Path]] = {
    "AuraFlowPipeline": write_aura_flow,
    "FluxPipeline": write_flux,
    "HunyuanDiTPipeline": write_hunyuan_dit,
    "Kandinsky3Pipeline": write_kandinsky3,
    "LatentConsistencyModelPipeline": write_lcm,
    "PixArtAlphaPipeline": lambda folder: write_pixart(folder, "PixArtAlphaPipeline"),
    "PixArtSigmaPipeline": lambda folder: write_pixart(folder, "PixArtSigmaPipeline"),
    "SanaPipeline": write_sana,
    "StableDiffusion3Pipeline": write_sd3,
    "StableDiffusionPipeline": write_stable_diffusion,
    "StableDiffusionXLPipeline": write_stable_diffusion_xl,
}
