"""The small embedded checkpoints, laid out exactly as the real ones, with random values from a seed.

They show that everything runs, from the same files through the same code. Values are scaled so that different prompts
and pictures give visibly different outputs: libraries' own initialisation gives nearly the same for everything.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gill_bench.mini.bpe import write_clip_tokenizer, write_opt_tokenizer
from gill_bench.mini.scene import BACKGROUNDS, COLOURS, POSITIONS, SHAPES, SIZES

if TYPE_CHECKING:
    from torch import nn

SEED = 0
SIDE = 32  # of pictures, in pixels
CONTEXT = 77  # tokens of CLIP's text encoder, as in the real one
LLM_WIDTH, VISION_WIDTH, DECODER_WIDTH = 96, 64, 48  # 4096, 1024 and 768 in the real ones
RETRIEVAL_WIDTH, MAPPER_WIDTH, VISUAL_TOKENS, IMAGE_TOKENS = 32, 64, 4, 8
_PHRASES = (
    "a {} {} {} is at the {} .",
    "we saw a {} {} {} at the {} .",
    "it moves to the middle on {} . then it went away",
    "Q: is the {} {} in the picture? A: yes, it is. A: no, there is none.",
    "Q: what colour is it? how many are there? where is the {} {}? A: {} A: one A: two",
    "there is a {} {} behind the {} {} and another in front of it",
)


def build_opt(folder: Path, seed: int = SEED) -> int:
    """Write `OPTForCausalLM` with its tokenizer; returns the number of rows of its embedding table."""
    from transformers import OPTConfig, OPTForCausalLM

    folder.mkdir(parents=True)
    # Like OPT-6.7b's table (50265 tokens, 50272 rows) this one has seven more rows than tokens, so that [IMG0..5] fall
    # into rows that exist (protocol 1.2).
    rows = write_opt_tokenizer(folder, _texts(), merges=400) + 7
    configuration = OPTConfig(
        vocab_size=rows,
        hidden_size=LLM_WIDTH,
        word_embed_proj_dim=LLM_WIDTH,
        ffn_dim=4 * LLM_WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=2048,
        do_layer_norm_before=True,
        bos_token_id=2,
        eos_token_id=2,
        pad_token_id=1,
        dropout=0.0,
    )
    model = OPTForCausalLM(configuration)
    _fill(model, seed, {"embed_tokens": 0.3, "embed_positions": 0.1, "_proj": 2.0})
    model.save_pretrained(folder)
    return rows


def build_clip(folder: Path, seed: int = SEED) -> None:
    """Write a full `CLIPModel` (both towers, both projections) with tokenizer and image processor."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    folder.mkdir(parents=True)
    vocabulary = write_clip_tokenizer(folder, _texts(), merges=400, context=CONTEXT)
    common = {"hidden_size": VISION_WIDTH, "intermediate_size": 4 * VISION_WIDTH, "num_attention_heads": 4}
    configuration = CLIPConfig(
        text_config={**common, **_text_ids(vocabulary), "num_hidden_layers": 2, "projection_dim": RETRIEVAL_WIDTH},
        vision_config={
            **common, "num_hidden_layers": 2, "image_size": SIDE, "patch_size": 8, "projection_dim": RETRIEVAL_WIDTH
        },
        projection_dim=RETRIEVAL_WIDTH,
    )  # fmt: skip
    model = CLIPModel(configuration)
    scales = {"class_embedding": 0.05, "patch_embedding": 3.0, "position_embedding": 0.3, "_proj": 2.0}
    _fill(model, seed, scales)
    model.save_pretrained(folder)
    size = {"shortest_edge": SIDE}
    CLIPImageProcessorPil(size=size, crop_size={"height": SIDE, "width": SIDE}).save_pretrained(folder)


def build_sd(folder: Path, seed: int = SEED) -> None:
    """Write a `StableDiffusionPipeline`: 32x32 pictures, autoencoder of factor 4, the scheduler of SD v1.5."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    # Not an import statement, because diffusers has no types that a checker can follow.
    diffusers: Any = import_module("diffusers")

    tokenizer_folder = folder / "tokenizer"
    tokenizer_folder.mkdir(parents=True)
    vocabulary = write_clip_tokenizer(tokenizer_folder, _texts(), merges=400, context=CONTEXT)
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            **_text_ids(vocabulary),
            hidden_size=DECODER_WIDTH,
            intermediate_size=4 * DECODER_WIDTH,
            num_attention_heads=4,
            num_hidden_layers=2,
            projection_dim=DECODER_WIDTH,
        )
    )
    _fill(text_encoder, seed, {"token_embedding": 1.0, "position_embedding": 0.3})
    unet = diffusers.UNet2DConditionModel(
        sample_size=SIDE // 4,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=4,
        norm_num_groups=8,
        cross_attention_dim=DECODER_WIDTH,
    )
    _fill(unet, seed, {"attn2": 3.0})
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=SIDE,
    )
    _fill(vae, seed, {})
    # These are the values that SD v1.5 is shipped with (protocol 1.14).
    scheduler = diffusers.PNDMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="epsilon",
    )
    pipeline = diffusers.StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=CLIPTokenizer.from_pretrained(tokenizer_folder),
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    # Files that the pipeline writes name the folder that it was read from, so the shipped files stay.
    shutil.rmtree(tokenizer_folder)
    tokenizer_folder.mkdir()
    write_clip_tokenizer(tokenizer_folder, _texts(), merges=400, context=CONTEXT)


def build_gill(folder: Path, rows: int, seed: int = SEED) -> None:
    """Write GILL's own files: `model_args.json`, the 137 trained tensors and the decision model (protocol 1.6-1.8).

    Args:
        folder: Folder into which the weights are written.
        rows: Rows of the language model's embedding table; the ids of [IMG0..7] follow from it.
        seed: Seed of the random values.
    """
    import torch

    from gill_bench.models.gill.network import GillHeads
    from gill_bench.models.gill.sizes import GillSizes

    folder.mkdir(parents=True)
    ids = [rows - 6 + number for number in range(IMAGE_TOKENS)]
    arguments = {
        "opt_version": "../opt-mini",
        "freeze_lm": True,
        "visual_encoder": "../clip-mini",
        "freeze_vm": True,
        "n_visual_tokens": VISUAL_TOKENS,
        "ret_emb_dim": RETRIEVAL_WIDTH,
        "gen_emb_dim": DECODER_WIDTH,
        "text_emb_layers": [-1],
        "text_fc_mode": "gill_mapper",
        "ret_text_fc_mode": "linear",
        "num_tokens": IMAGE_TOKENS,
        "num_clip_tokens": CONTEXT,
        "share_ret_gen": True,
        "norm_image_embed": "none",
        "retrieval_token_idx": ids,
        "gen_token_idx": ids,
    }
    (folder / "model_args.json").write_text(json.dumps(arguments, indent=4) + "\n", encoding="utf-8", newline="\n")
    heads = GillHeads(
        GillSizes(
            llm_width=LLM_WIDTH,
            vision_width=VISION_WIDTH,
            num_tokens=IMAGE_TOKENS,
            n_visual_tokens=VISUAL_TOKENS,
            ret_emb_dim=RETRIEVAL_WIDTH,
            gen_emb_dim=DECODER_WIDTH,
            num_clip_tokens=CONTEXT,
        ),
        {"gen_text_hidden_fcs.0.fc.weight": (MAPPER_WIDTH, LLM_WIDTH)},
    )
    _fill(heads, seed, {"input_embeddings": 0.3, "multihead_attn": 4.0, "query_embs": 1.0})
    with torch.no_grad():
        heads.logit_scale.fill_(math.log(1 / 0.07))
    state = {f"model.{key}": value for key, value in sorted(heads.state_dict().items())}
    torch.save({"state_dict": state}, folder / "pretrained_ckpt.pth.tar")
    decision = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(LLM_WIDTH, 2))
    _fill(decision, seed, {})
    torch.save({"state_dict": dict(decision.state_dict())}, folder / "decision_model.pth.tar")


def _texts() -> list[str]:
    """Sentences with every word of the mini world, and the words of questions and answers."""
    lists = [list(table) for table in (SIZES, COLOURS, SHAPES, POSITIONS, BACKGROUNDS)]
    turns = math.prod(len(names) for names in lists[:3])
    filled = [[names[turn % len(names)] for names in lists] for turn in range(turns)]
    return [phrase.format(*words) for words in filled for phrase in _PHRASES]


def _text_ids(vocabulary: int) -> dict[str, Any]:
    special = {"bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1, "pad_token_id": vocabulary - 1}
    return {"vocab_size": vocabulary, "max_position_embeddings": CONTEXT, **special}


def _fill(module: nn.Module, seed: int, scales: dict[str, float]) -> None:
    """Fill a module's parameters from a seed, each from a generator of its own: none depends on another's size.

    Matrices have variance 1 / fan-in; tables, and vectors with a scale, have variance 1; all times the square of the
    first scale whose key is in the name. Norms stay the identity, biases 0.
    """
    import torch

    for name, parameter in module.named_parameters():
        scale = next((value for part, value in scales.items() if part in name), None)
        if parameter.ndim < 2 and scale is None:
            values = torch.full_like(parameter, 1.0 if name.endswith("weight") else 0.0)
        else:
            key = hashlib.sha256(f"{seed} {name}".encode()).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(key[:7]))
            values = torch.randn(parameter.shape, generator=generator)
            if "embed" not in name.rsplit(".", 2)[-2] or "patch" in name:
                values /= math.sqrt(math.prod(parameter.shape[1:]))
            values *= scale or 1.0
        parameter.data.copy_(values)
