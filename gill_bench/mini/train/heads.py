"""Training of GILL-mini, its variants and FROMAGe-mini with `gill_bench.training`, on caption pairs and on prompts.

The recipe departs from the paper's: half of each batch are interleaved prompts of the tasks' kinds, whose target is the
full description of the picture that they are about; the learning rate falls earlier; sizes are small.
"""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from gill_bench.mini.documents import Alternative
from gill_bench.mini.scene import Scene
from gill_bench.mini.train.clip import normalised
from gill_bench.mini.train.loop import TrainingWork, bfloat16_is_fast
from gill_bench.mini.train.pool import pool
from gill_bench.mini.train.prompts import FILE, write_prompts
from gill_bench.mini.writers.cc3m import write_cc3m
from gill_bench.models.interleaved.tokens import LanguageTokens, load_tokens
from gill_bench.storage.files import write_atomic
from gill_bench.training.config import Mapper, TrainConfig
from gill_bench.weights.checkpoints import quiet_loading

PROMPTS = 8000
BATCH = 64
PROMPT_SHARE = 0.5
STEPS = 1500
"""The number of optimizer steps of each variant: all have the same, so that they can be compared."""
CAPTIONING = 4.0
"""The factor of the captioning loss, which is about a tenth of the generation loss: with 1, as in the paper, the
projection of pictures followed the generation loss, and answers about a picture were as bad as without it."""
_DATA = "training-data"
_PICTURES_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Variant:
    """One GILL that is trained, or one FROMAGe, which is a GILL with one token and without a generation head.

    Attributes:
        name: The name of the stage and of its folder.
        mapper: The kind of the generation head (Table 3).
        num_tokens: The number of [IMG] tokens, r (Table 4).
        visual_tokens: The number of input embeddings of a picture, k.
        steps: The number of optimizer steps.
        retrieval: Whether the retrieval head is trained.
        generation: Whether the generation head is trained. If not, the variant is a FROMAGe, and is shipped without it.
    """

    name: str
    mapper: Mapper = "gill_mapper"
    num_tokens: int = 8
    visual_tokens: int = 4
    steps: int = STEPS
    retrieval: bool = True
    generation: bool = True


VARIANTS = (
    Variant("gill-mini"),
    Variant("gill-mini-linear", mapper="linear"),
    Variant("gill-mini-mlp", mapper="mlp"),
    Variant("gill-mini-encoder", mapper="encoder"),
    Variant("gill-mini-r1", num_tokens=1),
    Variant("gill-mini-r2", num_tokens=2),
    Variant("gill-mini-r4", num_tokens=4),
    Variant("gill-mini-generation-only", retrieval=False),
    Variant("fromage-mini", mapper="linear", num_tokens=1, visual_tokens=1, generation=False),
    Variant("fromage-mini-vis4", mapper="linear", num_tokens=1, generation=False),
)


def train_heads(variant: Variant, work: TrainingWork) -> bool:
    """Train one variant, or resume its training; its folder appears when it is finished."""
    folder = work.folder / variant.name
    if folder.is_dir():
        return True
    from gill_bench.training import train

    trained = work.folder / ".states" / variant.name
    # Where bfloat16 is fast, fused attention is not. autocast must not cache weights: its cache lives as long as the
    # context, so steps would see old weights.
    fast = bfloat16_is_fast()
    attention = sdpa_kernel(SDPBackend.MATH) if fast else nullcontext()
    with attention, torch.autocast("cpu", torch.bfloat16, enabled=fast, cache_enabled=False):
        result = train(configuration(variant, work, trained))
    temporary = work.folder / f".{variant.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(result.last, temporary)
    temporary.rename(folder)
    return True


def configuration(variant: Variant, work: TrainingWork, out: Path) -> TrainConfig:
    """The trainer's configuration for one variant."""
    data = training_data(work)
    clip = work.finished("clip-mini")
    epoch = variant.steps // 6
    return TrainConfig(
        data=data,
        llm=work.finished("opt-mini"),
        visual_encoder=clip,
        out=out,
        llm_name="../opt-mini",
        visual_encoder_name="../clip-mini",
        initial=initial_projection(work, variant.visual_tokens),
        text_encoder=clip,  # CLIP-mini's text tower is SD-mini's text encoder
        mapper=variant.mapper,
        num_tokens=variant.num_tokens,
        n_visual_tokens=variant.visual_tokens,
        ret_emb_dim=64,
        mapper_width=128,
        mapper_layers=2,
        max_len=40,
        cap_loss_scale=CAPTIONING,
        ret_loss_scale=float(variant.retrieval),
        gen_loss_scale=float(variant.generation),
        epochs=6,
        steps_per_epoch=epoch,
        steps=variant.steps,
        batch_size=BATCH,
        lr=1e-3,
        warmup_steps=min(200, epoch),
        decay_epochs=4,
        precision="mixed" if bfloat16_is_fast() else "fp32",
        device="cpu",
        seed=work.seed,
        workers=0,
        cache=True,
        stories=data / FILE,
        story_share=PROMPT_SHARE,
        validate_first=False,
        validation_limit=64,
        save_every=200,
    )


def training_data(work: TrainingWork) -> Path:
    """The folder of caption pairs and interleaved prompts, which is written at the first call."""
    from gill_bench.training.targets import write_targets

    folder = work.folder / _DATA
    if folder.is_dir():
        return folder
    temporary = work.folder / f".{_DATA}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    write_cc3m(temporary, work.seed, ("train", "val"))
    # The trainer writes only targets that are missing, from the text that follows, which may be an answer.
    write_targets(write_prompts(temporary, work.seed, PROMPTS), work.finished("clip-mini"))
    temporary.rename(folder)
    return folder


def initial_projection(work: TrainingWork, slots: int) -> Path:
    """The file with the initial projection of pictures, which is written at the first call.

    The projection is the linear map of CLIP's features of the training pictures to the input embeddings that stand in
    their places in the language model's texts, by least squares. All variants of as many visual tokens start from it.
    """
    from transformers import CLIPVisionModel, OPTForCausalLM

    file = work.folder / ".states" / f"projection-{slots}.safetensors"
    if file.is_file():
        return file
    tokens = load_tokens(work.finished("opt-mini"), 1)
    language = OPTForCausalLM.from_pretrained(work.finished("opt-mini"), dtype=torch.float32)
    table = language.get_input_embeddings().weight
    with quiet_loading():
        vision = CLIPVisionModel.from_pretrained(work.finished("clip-mini"), dtype=torch.float32)
    scenes = pool("train", work.seed)
    with torch.inference_mode():
        parts = torch.split(normalised(scenes.pixels), _PICTURES_AT_ONCE)
        features = torch.cat([vision(part).pooler_output for part in parts]).double()
        wanted = torch.stack([_embeddings(tokens, table, scene, slots) for scene in scenes.scenes]).double()
        inputs = torch.cat([features, torch.ones(len(features), 1, dtype=torch.float64)], dim=1)
        solution = torch.linalg.lstsq(inputs, wanted).solution.float()
    values = {"visual_embeddings.weight": solution[:-1].T.contiguous(), "visual_embeddings.bias": solution[-1].clone()}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, save(values))
    return file


def _embeddings(tokens: LanguageTokens, table: Tensor, scene: Scene, slots: int) -> Tensor:
    """The embeddings (slots x e) in the place of a picture, as one row."""
    groups = [tokens.encode(group) for group in Alternative(scene).groups(slots)]
    return torch.cat([table[ids].sum(dim=0) for ids in groups])
