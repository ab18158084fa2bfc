"""Tiny random vision-language models of real classes, with their processors, in the published layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers

hf: Any = transformers  # transformers has no types that a checker can follow
SIDE = 28  # pixels
CHAT = (
    "{% for message in messages %}{{ '<|start|>' + message['role'] + '\n' }}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ PICTURE }}"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{{ '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant\n' }}"
    "{% if enable_thinking is not defined or enable_thinking %}{{ '<think>' }}{% endif %}{% endif %}"
)
TEXT = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": 2048,
}
_BART = {"layers": 1, "attention_heads": 2, "ffn_dim": 32}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": 14,
}


def chat(picture: str) -> str:
    """A chat template with a placeholder for pictures, a system message, and thinking unless it is switched off."""
    return CHAT.replace("PICTURE", repr(picture))


def tokenizer(**special: str) -> Any:
    """A tokenizer of bytes; `special` names further tokens, which the tokenizer has as attributes."""
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    names = ["<pad>", "<s>", "</s>", "<unk>"]
    model = tokenizers.models.BPE(vocab={token: i for i, token in enumerate([*names, *alphabet])}, merges=[])
    backend = tokenizers.Tokenizer(model)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    words = hf.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=special,
    )
    words.add_special_tokens(
        {"additional_special_tokens": ["<|start|>", "<|end|>"]}, replace_extra_special_tokens=False
    )
    return words


def token_ids(words: Any) -> dict[str, Any]:
    """The ids of a tokenizer's tokens, as a network's configuration has them."""
    ids = {name: getattr(words, f"{name}_token_id") for name in ("pad", "bos", "eos")}
    return {"vocab_size": len(words) + 8, **{f"{name}_token_id": value for name, value in ids.items()}}


def _square(kind: str = "CLIPImageProcessor") -> Any:
    size = {"height": SIDE, "width": SIDE}
    return getattr(hf, kind)(size=size, do_center_crop=False, crop_size=size)


def _llava() -> tuple[Any, Any]:
    words = tokenizer(image_token="<image>")
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**VISION),
        text_config=hf.LlamaConfig(**TEXT, **token_ids(words)),
        image_token_id=words.image_token_id,
        image_seq_length=4,
    )
    processor = hf.LlavaProcessor(
        image_processor=_square(),
        tokenizer=words,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat("<image>\n"),
    )
    return hf.LlavaForConditionalGeneration(config), processor


def _llava_onevision() -> tuple[Any, Any]:
    words = tokenizer(image_token="<image>", video_token="<video>")
    config = hf.LlavaOnevisionConfig(
        vision_config=hf.SiglipVisionConfig(**VISION, vision_use_head=False),
        text_config=hf.Qwen2Config(**TEXT, **token_ids(words)),
        image_token_id=words.image_token_id,
        video_token_id=words.video_token_id,
        image_grid_pinpoints=[[SIDE, SIDE], [SIDE, 2 * SIDE]],
    )
    processor = hf.LlavaOnevisionProcessor(
        image_processor=hf.LlavaOnevisionImageProcessor(
            size={"height": SIDE, "width": SIDE}, image_grid_pinpoints=[[SIDE, SIDE], [SIDE, 2 * SIDE]]
        ),
        video_processor=hf.LlavaOnevisionVideoProcessor(size={"height": SIDE, "width": SIDE}),
        tokenizer=words,
        num_image_tokens=4,
        vision_feature_select_strategy="full",
        chat_template=chat("<image>\n"),
    )
    return hf.LlavaOnevisionForConditionalGeneration(config), processor


def _qwen(name: str) -> tuple[Any, Any]:
    words = tokenizer(
        image_token="<|image_pad|>",
        video_token="<|video_pad|>",
        vision_bos_token="<|vision_start|>",
        vision_eos_token="<|vision_end|>",
    )
    vision: dict[str, Any] = {
        "depth": 2,
        "hidden_size": 16,
        "num_heads": 2,
        "intermediate_size": 32,
        "out_hidden_size": 16,
    }
    if name == "Qwen3VL":
        vision |= {"patch_size": 14, "deepstack_visual_indexes": [0], "num_position_embeddings": 16}
        rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "mrope_interleaved": True}
    else:
        vision |= {"fullatt_block_indexes": [1], "window_size": 56}
        rope = {"rope_type": "default", "mrope_section": [2, 1, 1]}
    config = getattr(hf, f"{name}Config")(
        vision_config=vision,
        text_config={**TEXT, **token_ids(words), "rope_parameters": {**rope, "rope_theta": 10000.0}},
        image_token_id=words.image_token_id,
        video_token_id=words.video_token_id,
        vision_start_token_id=words.vision_bos_token_id,
        vision_end_token_id=words.vision_eos_token_id,
    )
    pixels = {"shortest_edge": 28 * 28, "longest_edge": 28 * 28 * 16}
    processor = getattr(hf, f"{name}Processor")(
        image_processor=hf.Qwen2VLImageProcessor(size=pixels, patch_size=14),
        video_processor=getattr(hf, "Qwen3VLVideoProcessor" if name == "Qwen3VL" else "Qwen2VLVideoProcessor")(),
        tokenizer=words,
        chat_template=chat("<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return getattr(hf, f"{name}ForConditionalGeneration")(config), processor


def _smolvlm() -> tuple[Any, Any]:
    words = tokenizer(
        image_token="<image>", fake_image_token="<fake_token_around_image>", global_image_token="<global-img>"
    )
    config = hf.Idefics3Config(
        vision_config={**VISION, "image_size": 2 * SIDE},
        text_config=hf.LlamaConfig(**TEXT, **token_ids(words)),
        image_token_id=words.image_token_id,
        scale_factor=2,
        pad_token_id=words.pad_token_id,
    )
    processor = hf.Idefics3Processor(
        image_processor=hf.Idefics3ImageProcessor(
            size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": 2 * SIDE}
        ),
        tokenizer=words,
        image_seq_len=4,
        chat_template=chat("<image>"),
    )
    return hf.Idefics3ForConditionalGeneration(config), processor


def _gemma3() -> tuple[Any, Any]:
    words = tokenizer(image_token="<image_soft_token>", boi_token="<start_of_image>", eoi_token="<end_of_image>")
    config = hf.Gemma3Config(
        vision_config=hf.SiglipVisionConfig(**VISION, vision_use_head=False),
        text_config=hf.Gemma3TextConfig(**TEXT, **token_ids(words), sliding_window=64, query_pre_attn_scalar=8),
        image_token_index=words.image_token_id,
        boi_token_index=words.boi_token_id,
        eoi_token_index=words.eoi_token_id,
        mm_tokens_per_image=4,
    )
    processor = hf.Gemma3Processor(
        image_processor=hf.Gemma3ImageProcessor(size={"height": SIDE, "width": SIDE}),
        tokenizer=words,
        image_seq_length=4,
        chat_template="{{ bos_token }}" + chat("<start_of_image>"),
    )
    return hf.Gemma3ForConditionalGeneration(config), processor


def _internvl() -> tuple[Any, Any]:
    words = tokenizer(
        start_image_token="<img>", end_image_token="</img>", context_image_token="<IMG_CONTEXT>", video_token="<video>"
    )
    config = hf.InternVLConfig(
        vision_config=hf.InternVLVisionConfig(**VISION),
        text_config=hf.Qwen2Config(**TEXT, **token_ids(words)),
        image_token_id=words.context_image_token_id,
        image_seq_length=1,
    )
    processor = hf.InternVLProcessor(
        image_processor=hf.GotOcr2ImageProcessor(
            size={"height": SIDE, "width": SIDE}, crop_to_patches=True, max_patches=2
        ),
        video_processor=hf.InternVLVideoProcessor(size={"height": SIDE, "width": SIDE}),
        tokenizer=words,
        image_seq_length=1,
        chat_template=chat("<IMG_CONTEXT>\n"),
    )
    return hf.InternVLForConditionalGeneration(config), processor


def _paligemma() -> tuple[Any, Any]:
    words = tokenizer(image_token="<image>")
    config = hf.PaliGemmaConfig(
        vision_config=hf.SiglipVisionConfig(**VISION, vision_use_head=False, projection_dim=16),
        text_config=hf.GemmaConfig(**TEXT, **token_ids(words)),
        image_token_index=words.image_token_id,
        projection_dim=16,
        hidden_size=16,
    )
    images = hf.SiglipImageProcessor(size={"height": SIDE, "width": SIDE})
    images.image_seq_length = 4
    return hf.PaliGemmaForConditionalGeneration(config), hf.PaliGemmaProcessor(images, words)


def _blip2() -> tuple[Any, Any]:
    words = tokenizer()
    words.add_tokens(["<image>"], special_tokens=True)
    text = {"hidden_size": 16, "word_embed_proj_dim": 16, "ffn_dim": 32, "num_hidden_layers": 2}
    config = hf.Blip2Config(
        vision_config=hf.Blip2VisionConfig(**VISION),
        qformer_config=hf.Blip2QFormerConfig(
            **{key: TEXT[key] for key in ("hidden_size", "intermediate_size", "num_attention_heads")},
            num_hidden_layers=2,
            encoder_hidden_size=16,
            vocab_size=8,
        ),
        text_config=hf.OPTConfig(**text, num_attention_heads=2, **token_ids(words)),
        num_query_tokens=3,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    images = hf.BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    return hf.Blip2ForConditionalGeneration(config), hf.Blip2Processor(images, words, num_query_tokens=3)


def _words() -> Any:
    letters = [
        *"abcdefghijklmnopqrstuvwxyz0123456789.,?:!",
        *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz0123456789"),
    ]
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters])}
    return hf.BertTokenizer(vocab=vocabulary)


def _git() -> tuple[Any, Any]:
    words = _words()
    config = hf.GitConfig(
        vision_config=VISION,
        **{key: TEXT[key] for key in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")},
        vocab_size=len(words),
        max_position_embeddings=512,
        bos_token_id=words.cls_token_id,
        eos_token_id=words.sep_token_id,
        pad_token_id=words.pad_token_id,
    )
    return hf.GitForCausalLM(config), hf.GitProcessor(_square(), words)


def _blip() -> tuple[Any, Any]:
    words = _words()
    text = {key: TEXT[key] for key in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")}
    ids = {"bos_token_id": words.cls_token_id, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    config = hf.BlipConfig(
        vision_config=VISION,
        text_config={
            **text,
            **ids,
            "vocab_size": len(words),
            "encoder_hidden_size": 16,
            "max_position_embeddings": 512,
        },
        projection_dim=16,
    )
    images = hf.BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    return hf.BlipForConditionalGeneration(config), hf.BlipProcessor(images, words)


def _kosmos2() -> tuple[Any, Any]:
    words = tokenizer()
    words.add_tokens([f"<image_{n}>" for n in range(64)], special_tokens=False)
    config = hf.Kosmos2Config(
        vision_config=VISION,
        text_config={
            "embed_dim": 16,
            "layers": 2,
            "ffn_dim": 32,
            "attention_heads": 2,
            **token_ids(words),
            "vocab_size": len(words) + 40,
        },
        latent_query_num=64,  # the processor's own number
    )
    processor = hf.Kosmos2Processor(_square(), words, num_patch_index_tokens=4)
    return hf.Kosmos2ForConditionalGeneration(config), processor


def _janus() -> tuple[Any, Any]:
    words = tokenizer(image_token="<image_placeholder>", boi_token="<begin_of_image>", eoi_token="<end_of_image>")
    small = {"num_res_blocks": 1, "projection_dim": 16, "image_token_embed_dim": 16, "num_patches": 4}
    vision = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": SIDE, "patch_size": 14}
    config = hf.JanusConfig(
        text_config=hf.LlamaConfig(**TEXT, **token_ids(words)),
        vision_config={**vision, "mlp_ratio": 2.0, "projection_dim": 16},
        vq_config={"embed_dim": 4, "num_embeddings": 8, "base_channels": 32, "channel_multiplier": [1, 1], **small},
        image_token_id=words.image_token_id,
    )
    images = hf.JanusImageProcessor(size={"height": SIDE, "width": SIDE}, min_size=14)
    placeholder = chat("<image_placeholder>")
    processor = hf.JanusProcessor(images, words, chat_template=placeholder, num_image_tokens=4)
    return hf.JanusForConditionalGeneration(config), processor


def _florence2() -> tuple[Any, Any]:
    words = tokenizer(image_token="<image>")
    layers = {f"{side}_{what}": value for side in ("encoder", "decoder") for what, value in _BART.items()}
    vision = {"embed_dim": [8, 16], "depths": [1, 1], "patch_size": [7, 3], "patch_stride": [4, 2], "num_heads": [2, 2]}
    config = hf.Florence2Config(
        text_config=hf.BartConfig(
            **layers, **token_ids(words), d_model=16, max_position_embeddings=512, decoder_start_token_id=2
        ),
        vision_config={
            **vision,
            "patch_padding": [3, 1],
            "patch_prenorm": [False, True],
            "num_groups": [2, 2],
            "window_size": 4,
            "projection_dim": 16,
            "max_position_embeddings": 8,
            "max_temporal_embeddings": 4,
        },
        image_token_id=words.image_token_id,
    )
    images = _square()
    images.image_seq_length = 17
    return hf.Florence2ForConditionalGeneration(config), hf.Florence2Processor(images, words)


BUILDERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "llava": _llava,
    "llava-onevision": _llava_onevision,
    "qwen2.5-vl": lambda: _qwen("Qwen2_5_VL"),
    "qwen3-vl": lambda: _qwen("Qwen3VL"),
    "idefics3": _smolvlm,
    "gemma3": _gemma3,
    "internvl": _internvl,
    "paligemma": _paligemma,
    "blip-2": _blip2,
    "git": _git,
    "blip": _blip,
    "kosmos-2": _kosmos2,
    "janus": _janus,
    "florence-2": _florence2,
}


def write_vision_language(name: str, folder: Path) -> Path:
    """Write the model of a name in `BUILDERS`, with values of which different prompts give different texts."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, processor = BUILDERS[name]()
        for key, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.data.normal_(0, 0.5 if "embed" in key or "head" in key else 2 * parameter.shape[-1] ** -0.5)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
