"""Training of SD-mini: a UNet on the autoencoder's latents, conditioned on the frozen text tower of CLIP-mini.

A third of its texts are dialogs, of which the text tower reads the first two rounds and a word or so: a UNet that was
trained on captions alone painted nothing that one round says, since no text of this small world looks like a dialog.

The UNet predicts v (Salimans and Ho 2022), not the noise as SD v1.5 does. The background of a picture is decided in the
first sampling steps, where nearly everything is noise; a small network that predicts the noise learns it only after
thousands of steps.
"""

from __future__ import annotations

import random
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss, normalize

from gill_bench.mini.grammar import describe
from gill_bench.mini.scene import SIDE
from gill_bench.mini.train.clip import CONTEXT, WIDTH, load_tokenizer, normalised
from gill_bench.mini.train.loop import Stage, TrainingWork
from gill_bench.mini.train.pool import caption_ids, pixels_of, pool, several_captions, several_dialogs
from gill_bench.mini.train.vae import latents_of

_UNGUIDED = 0.1  # the share of captions that the empty caption replaces, for classifier-free guidance
_NOISE_STEPS = 1000


class UnetStage(Stage):
    """Training of the UNet by denoising latents."""

    name = "sd-mini"
    steps = 2200
    rate = 1e-3
    averaged = 0.998
    batch = 64
    ways = 4
    dialogs = 2

    def __init__(self, work: TrainingWork) -> None:
        diffusers: Any = import_module("diffusers")
        self.work = work
        self.vae = diffusers.AutoencoderKL.from_pretrained(work.finished("vae"))
        self.text_encoder = load_text_encoder(work.finished("clip-mini"))
        self.tokenizer = load_tokenizer(work.finished("clip-mini"))
        drawn = pool("train", work.seed)
        self.latents = latents_of(self.vae, drawn.pixels) * self.vae.config.scaling_factor
        captions = several_captions(self.tokenizer, drawn.scenes, work.seed + 1, self.ways, CONTEXT, full=0.75)
        dialogs = several_dialogs(self.tokenizer, drawn.scenes, work.seed, self.dialogs, CONTEXT)
        ids = torch.cat([captions, dialogs], dim=1)
        self.states = encode_ids(self.text_encoder, ids.flatten(0, 1)).bfloat16().view(*ids.shape, WIDTH)
        self.empty = encode_ids(self.text_encoder, caption_ids(self.tokenizer, [""], CONTEXT))
        # The scheduler that is shipped with SD v1.5 (protocol 1.14), except for the prediction type.
        self.scheduler = diffusers.PNDMScheduler(
            num_train_timesteps=_NOISE_STEPS,
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            skip_prk_steps=True,
            set_alpha_to_one=False,
            steps_offset=1,
            prediction_type="v_prediction",
        )
        self.signals = self.scheduler.alphas_cumprod.view(-1, 1, 1, 1)

    def build(self) -> nn.Module:
        """A new `UNet2DConditionModel` with attention to the caption at both levels."""
        diffusers: Any = import_module("diffusers")
        attention: Any = import_module("diffusers.models.attention_processor")
        model: nn.Module = diffusers.UNet2DConditionModel(
            sample_size=SIDE // 4,
            in_channels=4,
            out_channels=4,
            layers_per_block=1,
            block_out_channels=(64, 96),
            down_block_types=("CrossAttnDownBlock2D",) * 2,
            up_block_types=("CrossAttnUpBlock2D",) * 2,
            attention_head_dim=4,
            norm_num_groups=16,
            cross_attention_dim=WIDTH,
        )
        model.set_attn_processor(attention.AttnProcessor())  # type: ignore[operator]  # fused attention is slow in bfloat16
        return model.to(memory_format=torch.channels_last)  # a sixth less time a step

    def loss(self, model: nn.Module, rng: random.Random) -> dict[str, Tensor]:
        """The loss of one batch."""
        picked = torch.randint(len(self.latents), (self.batch,))
        clean = self.latents[picked]
        states = self.states[picked, torch.randint(self.states.shape[1], (self.batch,))].float()
        unguided = torch.rand(self.batch) < _UNGUIDED
        states = torch.where(unguided.view(-1, 1, 1), self.empty, states)
        times = torch.randint(_NOISE_STEPS, (self.batch,))
        noise = torch.randn_like(clean)
        signal, noise_level = self.signals[times].sqrt(), (1 - self.signals[times]).sqrt()
        predicted = model(signal * clean + noise_level * noise, times, encoder_hidden_states=states).sample
        return {"v": mse_loss(predicted.float(), signal * noise - noise_level * clean)}

    @torch.no_grad()
    def finish(self, model: nn.Module, folder: Path) -> dict[str, float]:
        """Write the pipeline, and the similarity of generated pictures to the true ones (see `measure`)."""
        pipeline = self.pipeline(model.to(memory_format=torch.contiguous_format))
        pipeline.save_pretrained(folder)
        # Diffusers writes the folder of origin into the tokenizer's files, so CLIP-mini's own files are copied instead.
        shutil.rmtree(folder / "tokenizer")
        (folder / "tokenizer").mkdir()
        for name in ("vocab.json", "merges.txt", "special_tokens_map.json", "tokenizer_config.json"):
            shutil.copyfile(self.work.finished("clip-mini") / name, folder / "tokenizer" / name)
        return self.measure(pipeline)

    def pipeline(self, model: nn.Module) -> Any:
        """A `StableDiffusionPipeline` of the UNet and the finished parts."""
        diffusers: Any = import_module("diffusers")
        pipeline = diffusers.StableDiffusionPipeline(
            vae=self.vae,
            text_encoder=self.text_encoder,
            tokenizer=self.tokenizer,
            unet=model,
            scheduler=self.scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    @torch.no_grad()
    def measure(self, pipeline: Any, count: int = 64, guidance: float = 1.5, steps: int = 10) -> dict[str, float]:
        """CLIP-mini similarity of generated pictures to the true pictures of the same and of other unseen scenes."""
        rng = random.Random(f"gill-bench mini unseen {self.work.seed}")  # noqa: S311 (a data set, not a secret)
        scenes = rng.sample(pool("val", self.work.seed, doubles=0).scenes, count)
        generator = torch.Generator().manual_seed(self.work.seed)
        images = pipeline(
            [describe(scene) for scene in scenes],
            guidance_scale=guidance,
            num_inference_steps=steps,
            generator=generator,
            output_type="pt",
        ).images
        clip = load_clip(self.work.finished("clip-mini"))
        return similarities(*(clip_features(clip, pixels) for pixels in (images * 255, pixels_of(scenes))))


def load_text_encoder(folder: Path) -> Any:
    """The frozen text tower of the CLIP in a folder."""
    from transformers import CLIPTextModel

    model = CLIPTextModel.from_pretrained(folder, local_files_only=True)
    model.set_attn_implementation("eager")
    return model.train(False).requires_grad_(False)


def load_clip(folder: Path) -> Any:
    """The frozen CLIP in a folder."""
    from transformers import CLIPModel

    return CLIPModel.from_pretrained(folder, local_files_only=True).train(False).requires_grad_(False)


@torch.no_grad()
def encode_ids(text_encoder: Any, ids: Tensor) -> Tensor:
    """The text encoder's last states (N, 24, 128) of captions: the UNet's condition, and targets of GILL's mapper."""
    return torch.cat([text_encoder(input_ids=part).last_hidden_state for part in torch.split(ids, 512)])


def clip_features(clip: Any, pixels: Tensor) -> Tensor:
    """Normalised image embeddings of pictures (N, 3, 32, 32), 0..255."""
    return normalize(clip(pixel_values=normalised(pixels), input_ids=torch.zeros(1, 1, dtype=torch.long)).image_embeds)


def similarities(generated: Tensor, true: Tensor) -> dict[str, float]:
    """Mean cosines of embeddings (N, p) of generated and true pictures, of the same and of different scenes."""
    cosines = generated @ true.T
    others = cosines[~torch.eye(len(cosines), dtype=torch.bool)]
    return {"similarity": float(cosines.diagonal().mean()), "similarity to others": float(others.mean())}
