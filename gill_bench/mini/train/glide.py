"""GLIDE-mini: both networks of `gill_bench.models.glide`, on pixels, from single captions.

Both predict the noise, as the real ones; their errors are weighed as if they predicted v, since a small network that
only predicts the noise learns the ground of a picture last (see `unet`). The variance is learnt as by Nichol and
Dhariwal (2021), but between the steps that are sampled, not between neighbours of the thousand.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, normalize

from gill_bench.mini.bpe import write_gpt2_tokenizer
from gill_bench.mini.grammar import caption, describe
from gill_bench.mini.scene import SIDE, Scene
from gill_bench.mini.train.clip import normalised
from gill_bench.mini.train.loop import Stage, TrainingWork
from gill_bench.mini.train.pool import pixels_of, pool
from gill_bench.mini.train.unet import load_clip
from gill_bench.mini.train.vae import scaled
from gill_bench.models.glide.network import COLOURS, Network
from gill_bench.models.glide.sampling import PictureNoise, Sampler, eight_bits, sample_base
from gill_bench.models.glide.schedule import TRAINED, linear, spaced, squared_cosine, steps
from gill_bench.models.glide.sizes import GlideSizes, NetworkSizes, TextSizes
from gill_bench.models.glide.tokenizer import GlideTokenizer

CONTEXT, MERGES = 24, 2000  # as CLIP-mini's text tower: any caption fits, a story of five does not
STEPS, UPSAMPLE_STEPS, GUIDANCE = 25, 10, 3.0  # with which it is measured
_WAYS = 4  # captions of a picture
_UNGUIDED = 0.15  # of the captions are replaced by none, for classifier-free guidance
_LEAST_SIGNAL = 0.01  # below it, the weight of an error grows no more
_VARIANCE = 0.01  # weight of the variance's loss: little, so that it does not disturb the prediction
_STRIDE = TRAINED // STEPS
_SMALL_NOISE = 0.1  # standard deviation at most of the noise in small pictures, which the base network makes imperfect
_SLOW_NOISE = 0.5  # standard deviation at most of the slow field that is added to the upsampler's noise
_VOCABULARY_TEXTS = 6000


class GlideStage(Stage):
    """What both networks have in common."""

    file: str
    upsampler: bool
    rate = 2e-3
    averaged = 0.998
    batch = 64

    def __init__(self, work: TrainingWork) -> None:
        self.work = work
        self.folder = work.folder / ".states" / "glide-tokenizer"
        self.sizes = sizes(write_words(self.folder, work.seed))
        self.words = GlideTokenizer(self.folder, CONTEXT, self.sizes.text.vocabulary - 1)
        drawn = pool("train", work.seed)
        self.pixels = scaled(drawn.pixels)
        rng = random.Random(f"gill-bench mini glide {work.seed}")  # noqa: S311 (a data set, not a secret)
        tokens = self.words([caption(scene, rng, 0.75) for scene in drawn.scenes for _ in range(_WAYS)])
        self.ids, self.mask = (part.view(-1, _WAYS, CONTEXT) for part in tokens[:2])
        self.signals = torch.tensor(linear() if self.upsampler else squared_cosine(), dtype=torch.float64)

    def build(self) -> nn.Module:
        """The network; what is added to a block's input begins as nothing, as in the original."""
        part = self.sizes.upsampler if self.upsampler else self.sizes.base
        model = Network(part, self.sizes.text, upsampler=self.upsampler)
        for name, module in model.named_modules():
            if name == "out.2" or name.endswith(("out_layers.3", "proj_out")):
                nn.init.zeros_(cast("nn.Conv2d", module).weight)
        return model

    def loss(self, model: nn.Module, rng: random.Random) -> dict[str, Tensor]:
        """Of one batch; in float32, which is faster for networks as narrow as these."""
        with torch.autocast("cpu", enabled=False):
            return self._loss(cast("Network", model))

    def _loss(self, network: Network) -> dict[str, Tensor]:
        places = torch.randint(len(self.pixels), (self.batch,))
        ways = torch.randint(_WAYS, (self.batch,))
        guided = torch.rand(self.batch, 1) >= _UNGUIDED
        condition = network.condition(self.ids[places, ways], self.mask[places, ways] & guided)
        clean, small = self.pictures(self.pixels[places])
        times = torch.randint(TRAINED, (self.batch,))
        noise = torch.randn_like(clean) + self.disturbance(len(clean))
        signal = self.signals[times].view(-1, 1, 1, 1)
        noisy = (signal.sqrt() * clean + (1 - signal).sqrt() * noise).float()
        predicted, place = network(noisy, times, condition, small).chunk(2, dim=1)
        error = (predicted - noise).square()
        losses = {"noise": (error / signal.clamp(min=_LEAST_SIGNAL)).mean().float()}
        if not self.upsampler:  # DDIM adds no noise
            losses["variance"] = _VARIANCE * variance_loss(self.signals, times, error.detach(), place)
        return losses

    def pictures(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """What the network learns to make of pictures (N, 3, 32, 32), and from which small pictures."""
        raise NotImplementedError

    def disturbance(self, count: int) -> Tensor:
        """What is added to the noise, of a shape that broadcasts with N pictures."""
        return torch.zeros(count, 1, 1, 1)

    def finish(self, model: nn.Module, folder: Path) -> dict[str, float]:
        """Write the state dict, and how similar pictures of full validation captions are to the true ones."""
        network = cast("Network", model)
        save_file(network.state_dict(), folder / self.file)
        measured = self.measure(network)
        (folder / "measured.json").write_text(json.dumps(measured) + "\n", encoding="utf-8")
        return measured

    @torch.no_grad()
    def measure(self, network: Network, count: int = 64) -> dict[str, float]:
        """CLIP-mini similarity of generated pictures to the true ones of the same and of other scenes."""
        rng = random.Random(f"gill-bench mini unseen {self.work.seed}")  # noqa: S311 (a data set, not a secret)
        scenes = rng.sample(pool("val", self.work.seed, doubles=0).scenes, count)
        true = scaled(pixels_of(scenes))
        made, true = self.generated(network, scenes), self.comparable(true)
        clip = load_clip(self.work.finished("clip-mini"))
        ids = torch.zeros(1, 1, dtype=torch.long)
        one, other = (
            normalize(clip(pixel_values=normalised((x + 1) * 127.5), input_ids=ids).image_embeds) for x in (made, true)
        )
        similarity = one @ other.T
        others = similarity[~torch.eye(count, dtype=torch.bool)]
        return {"similarity": float(similarity.diagonal().mean()), "similarity to others": float(others.mean())}

    def generated(self, network: Network, scenes: list[Scene]) -> Tensor:
        """Pictures (N, 3, H, W) in -1..1 of the full descriptions of scenes."""
        raise NotImplementedError

    def comparable(self, true: Tensor) -> Tensor:
        """True pictures (N, 3, 32, 32) as good as this network's could be."""
        return true


class BaseStage(GlideStage):
    """From text to 16 pixels."""

    name = "glide-base"
    file = "base.safetensors"
    steps = 6000
    upsampler = False

    def pictures(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pictures of half the size."""
        return avg_pool2d(pixels, 2), None

    def generated(self, network: Network, scenes: list[Scene]) -> Tensor:
        """Its pictures, enlarged."""
        return enlarged(sample_small(network, self.words, [describe(scene) for scene in scenes], self.work.seed))

    def comparable(self, true: Tensor) -> Tensor:
        """Reduced and enlarged again."""
        return enlarged(avg_pool2d(true, 2))


class UpsampleStage(GlideStage):
    """From 16 to 32 pixels."""

    name = "glide-upsample"
    file = "upsample.safetensors"
    steps = 4000
    batch = 32
    upsampler = True

    def pictures(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """The pictures; with noise in the small ones."""
        small = avg_pool2d(pixels, 2)
        spread = _SMALL_NOISE * torch.rand(len(small), 1, 1, 1)
        return pixels, eight_bits((small + spread * torch.randn_like(small)).clamp(-1, 1))

    def disturbance(self, count: int) -> Tensor:
        """A field that changes slowly over the picture, as errors of earlier steps are.

        DDIM never lets go of the ground colour with which it began, unless the network trusts the small picture more.
        """
        field = torch.randn(count, COLOURS, 3, 3) * _SLOW_NOISE * torch.rand(count, 1, 1, 1)
        return interpolate(field, size=(SIDE, SIDE), mode="bilinear", align_corners=True)

    def generated(self, network: Network, scenes: list[Scene]) -> Tensor:
        """Pictures of both networks."""
        base = Network(self.sizes.base, self.sizes.text, upsampler=False)
        base.load_state_dict(load_file(self.work.finished(BaseStage.name) / BaseStage.file))
        sampler = Sampler(base.eval(), network, GUIDANCE, STEPS, UPSAMPLE_STEPS)
        tokens = self.words([describe(scene) for scene in scenes])
        conditions = (base.condition(*tokens[:2]), network.condition(*tokens[:2]))
        generator = torch.Generator().manual_seed(self.work.seed)
        noise = torch.randn(len(scenes), sampler.noise_size(), generator=generator)
        return sampler(conditions, base.unconditional(), sampler.arrange(noise))


def sizes(vocabulary: int) -> GlideSizes:
    """Of GLIDE-mini."""
    return GlideSizes(
        text=TextSizes(vocabulary=vocabulary, context=CONTEXT, width=24, layers=1, heads=2),
        base=NetworkSizes(
            resolution=SIDE // 2,
            channels=12,
            multipliers=(1, 1),
            residual_blocks=1,
            attention=(2,),
            head_width=12,
            norm_groups=2,
        ),
        upsampler=NetworkSizes(
            resolution=SIDE,
            channels=10,
            multipliers=(1, 1),
            residual_blocks=1,
            attention=(),
            head_width=10,
            norm_groups=1,
        ),
    )


def write_words(folder: Path, seed: int) -> int:
    """Write the tokenizer, whose merges are learnt from captions; returns the size of its vocabulary."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(f"gill-bench mini glide words {seed}")  # noqa: S311 (a data set, not a secret)
    scenes = pool("train", seed).scenes
    texts = [caption(rng.choice(scenes), rng) for _ in range(_VOCABULARY_TEXTS)]
    return write_gpt2_tokenizer(folder, texts, MERGES)


def variance_loss(signals: Tensor, times: Tensor, square: Tensor, place: Tensor) -> Tensor:
    """Divergence, in nats per number, of a sampling step from the true one, with the prediction's error given.

    Args:
        signals: (1000,) float64, of all timesteps.
        times: (N,), where the step begins; where it would end before the first timestep, nothing counts: the sampler
            adds no noise in its last step.
        square: (N, 3, H, W), squared error of the predicted noise.
        place: (N, 3, H, W), of the log-variance between its smallest (-1) and largest (1).
    """
    counted = (times >= _STRIDE).view(-1, 1, 1, 1)
    begin = times.clamp(min=_STRIDE)
    signal, after = (signals[at].view(-1, 1, 1, 1) for at in (begin, begin - _STRIDE))
    beta = 1 - signal / after
    true = (beta * (1 - after) / (1 - signal)).clamp(min=1e-20)
    mean = beta.square() * after / (1 - signal) / signal * square
    share = (place + 1) / 2
    log_variance = share * beta.log() + (1 - share) * true.log()
    divergence = 0.5 * (log_variance - true.log() - 1 + (true + mean) * torch.exp(-log_variance))
    return torch.where(counted, divergence, 0).mean().float()


def sample_small(network: Network, words: GlideTokenizer, texts: list[str], seed: int) -> Tensor:
    """Pictures (N, 3, 16, 16) of the base network."""
    side = network.sizes.resolution
    drawn = torch.randn(len(texts), STEPS, COLOURS, side, side, generator=torch.Generator().manual_seed(seed))
    noise = PictureNoise(drawn[:, 0], drawn[:, 1:], drawn[:, :0])
    kept = steps(squared_cosine(), spaced(STEPS))
    condition = network.condition(*words(texts)[:2])
    return sample_base(network, condition, network.unconditional(), noise, kept, GUIDANCE)


def enlarged(small: Tensor) -> Tensor:
    """Pictures of twice the size."""
    return interpolate(small, scale_factor=2.0, mode="bilinear", align_corners=False)
