"""Training of GLIDE-mini: both networks of `gill_bench.models.glide`, on pixels, from single captions.

Both networks predict the noise, like GLIDE's. Their errors are weighted as if they predicted v, because otherwise small
networks learn the background of a picture last (`gill_bench.mini.train.unet` says why). The variance is learnt as by
Nichol and Dhariwal (2021), but for steps between sampled timesteps, not between neighbours among the 1000 timesteps.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, interpolate

from gill_bench.mini.bpe import write_gpt2_tokenizer
from gill_bench.mini.grammar import caption, describe
from gill_bench.mini.scene import SIDE, Scene
from gill_bench.mini.train.factors import FACTORS, factors_of
from gill_bench.mini.train.loop import Stage, TrainingWork
from gill_bench.mini.train.pool import pixels_of, pool
from gill_bench.mini.train.unet import clip_features, load_clip, similarities
from gill_bench.mini.train.vae import scaled
from gill_bench.models.glide.network import Network
from gill_bench.models.glide.sampling import PictureNoise, Sampler, eight_bits, sample_base
from gill_bench.models.glide.schedule import TRAINED, linear, spaced, squared_cosine, steps
from gill_bench.models.glide.shapes import COLOURS
from gill_bench.models.glide.sizes import GlideSizes, NetworkSizes, TextSizes
from gill_bench.models.glide.tokenizer import GlideTokenizer

CONTEXT, MERGES = 24, 2000  # as for CLIP-mini's text tower: any caption fits, the five captions of a story do not
STEPS, UPSAMPLE_STEPS, GUIDANCE = 25, 10, 3.0  # the sampling with which the networks are measured
_WAYS = 4  # captions of each picture
_UNGUIDED = 0.15  # the share of captions that are masked, for classifier-free guidance
_LEAST_SIGNAL = 0.01  # the signal below which the weight of an error stays constant
_VARIANCE = 0.01  # the weight of the variance's loss: small, so that it does not disturb the prediction
_STRIDE = TRAINED // STEPS
_SMALL_NOISE = 0.1  # the largest deviation of the noise in small pictures, which stands for the base network's errors
_SLOW_NOISE = 0.5  # the largest standard deviation of the slowly varying field in the upsampler's noise
_VOCABULARY_TEXTS = 6000
_WORDS = 0.5  # the weight of reading the factors of a scene from what the UNet is given of a caption


class GlideStage(Stage):
    """The training that both networks share."""

    file: str
    upsampler: bool
    rate = 1.5e-3
    averaged = 0.998
    batch = 32

    def __init__(self, work: TrainingWork) -> None:
        self.work = work
        self.folder = work.folder / ".states" / "glide-tokenizer"
        self.sizes = sizes(write_words(self.folder, work.seed))
        self.words = GlideTokenizer(self.folder, CONTEXT, self.sizes.text.vocabulary - 1)
        drawn = pool("train", work.seed)
        self.pixels = scaled(drawn.pixels)
        self.factors = torch.tensor([factors_of(scene) for scene in drawn.scenes])
        rng = random.Random(f"gill-bench mini glide {work.seed}")  # noqa: S311 (a data set, not a secret)
        tokens = self.words([caption(scene, rng, 0.75) for scene in drawn.scenes for _ in range(_WAYS)])
        self.ids, self.mask = (part.view(-1, _WAYS, CONTEXT) for part in tokens[:2])
        self.signals = torch.tensor(linear() if self.upsampler else squared_cosine(), dtype=torch.float64)

    def build(self) -> nn.Module:
        """A new network whose residual branches begin with zero outputs, as in the original."""
        part = self.sizes.upsampler if self.upsampler else self.sizes.base
        model = Network(part, self.sizes.text, upsampler=self.upsampler)
        for name, module in model.named_modules():
            if name == "out.2" or name.endswith(("out_layers.3", "proj_out")):
                nn.init.zeros_(cast("nn.Conv2d", module).weight)
        model.add_module("readers", nn.ModuleList(nn.Linear(4 * part.channels, len(names)) for names in FACTORS))
        return model

    def loss(self, model: nn.Module, rng: random.Random) -> dict[str, Tensor]:
        """The losses of one batch, computed in float32, which is faster than bfloat16 for such narrow networks."""
        with torch.autocast("cpu", enabled=False):
            return self._loss(cast("Network", model))

    def _loss(self, network: Network) -> dict[str, Tensor]:
        picked = torch.randint(len(self.pixels), (self.batch,))
        ways = torch.randint(_WAYS, (self.batch,))
        guided = torch.rand(self.batch, 1) >= _UNGUIDED
        condition = network.condition(self.ids[picked, ways], self.mask[picked, ways] & guided)
        clean, small = self.pictures(self.pixels[picked])
        times = torch.randint(TRAINED, (self.batch,))
        noise = torch.randn_like(clean) + self.disturbance(len(clean))
        signal = self.signals[times].view(-1, 1, 1, 1)
        noisy = (signal.sqrt() * clean + (1 - signal).sqrt() * noise).float()
        predicted, spread = network(noisy, times, condition, small).chunk(2, dim=1)
        error = (predicted - noise).square()
        losses = {"noise": (error / signal.clamp(min=_LEAST_SIGNAL)).mean().float()}
        losses["words"] = _WORDS * self._unread(network, condition.projection[guided[:, 0]], picked[guided[:, 0]])
        if not self.upsampler:  # the upsampler is sampled by DDIM, which needs no variance
            losses["variance"] = _VARIANCE * variance_loss(self.signals, times, error.detach(), spread)
        return losses

    def _unread(self, network: Network, projection: Tensor, picked: Tensor) -> Tensor:
        """The mean cross-entropy of the first thing's factors, read from what the UNet is given of a caption.

        A small text transformer that learns from the errors of noise alone needs tens of thousands of captions before
        it tells positions apart.
        """
        readers = cast("nn.ModuleList", network.get_submodule("readers"))
        losses = [
            cross_entropy(reader(projection), self.factors[picked, number]) for number, reader in enumerate(readers)
        ]
        return torch.stack(losses).mean()

    def pictures(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """The pictures that the network learns to generate, and small pictures that it reads, if any.

        Args:
            pixels: Pictures (N, 3, 32, 32) in -1..1.
        """
        raise NotImplementedError

    def disturbance(self, count: int) -> Tensor:
        """A tensor that is added to the noise of `count` pictures; its shape broadcasts with theirs."""
        return torch.zeros(count, 1, 1, 1)

    def finish(self, model: nn.Module, folder: Path) -> dict[str, float]:
        """Write the state dict, and the similarity of generated pictures to the true ones (see `measure`)."""
        network = cast("Network", model)
        del network.readers
        save_file(network.state_dict(), folder / self.file)
        return self.measure(network)

    @torch.no_grad()
    def measure(self, network: Network, count: int = 64) -> dict[str, float]:
        """CLIP-mini similarity of generated pictures to the true pictures of the same and of other unseen scenes."""
        rng = random.Random(f"gill-bench mini unseen {self.work.seed}")  # noqa: S311 (a data set, not a secret)
        scenes = rng.sample(pool("val", self.work.seed, doubles=0).scenes, count)
        true = scaled(pixels_of(scenes))
        generated, true = self.generated(network, scenes), self.comparable(true)
        clip = load_clip(self.work.finished("clip-mini"))
        return similarities(*(clip_features(clip, (pixels + 1) * 127.5) for pixels in (generated, true)))

    def generated(self, network: Network, scenes: list[Scene]) -> Tensor:
        """Pictures (N, 3, H, W) in -1..1, generated from the full descriptions of scenes."""
        raise NotImplementedError

    def comparable(self, true: Tensor) -> Tensor:
        """True pictures (N, 3, 32, 32), reduced to the details that this network can generate."""
        return true


class BaseStage(GlideStage):
    """Training of the base network, which generates pictures of 16x16 pixels from text."""

    name = "glide-base"
    file = "base.safetensors"
    steps = 2600
    upsampler = False

    def pictures(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pictures of half the size; the base network reads no small pictures."""
        return avg_pool2d(pixels, 2), None

    def generated(self, network: Network, scenes: list[Scene]) -> Tensor:
        """Pictures of the base network, enlarged."""
        return enlarged(sample_small(network, self.words, [describe(scene) for scene in scenes], self.work.seed))

    def comparable(self, true: Tensor) -> Tensor:
        """The true pictures, reduced to 16x16 pixels and enlarged again."""
        return enlarged(avg_pool2d(true, 2))


class UpsampleStage(GlideStage):
    """Training of the upsampler, which enlarges pictures of 16x16 pixels to 32x32."""

    name = "glide-upsample"
    file = "upsample.safetensors"
    steps = 6000
    batch = 16
    upsampler = True

    def pictures(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """The pictures themselves, and small pictures of half the size with noise."""
        small = avg_pool2d(pixels, 2)
        deviation = _SMALL_NOISE * torch.rand(len(small), 1, 1, 1)
        return pixels, eight_bits((small + deviation * torch.randn_like(small)).clamp(-1, 1))

    def disturbance(self, count: int) -> Tensor:
        """A field that varies slowly over the picture, like the errors of earlier sampling steps.

        Without it in training, DDIM keeps the mean colour of its initial noise; with it, the network learns to take the
        background's colour from the small picture.
        """
        field = torch.randn(count, COLOURS, 3, 3) * _SLOW_NOISE * torch.rand(count, 1, 1, 1)
        return interpolate(field, size=(SIDE, SIDE), mode="bilinear", align_corners=True)

    def generated(self, network: Network, scenes: list[Scene]) -> Tensor:
        """Pictures of both networks, the base network and then the upsampler."""
        base = Network(self.sizes.base, self.sizes.text, upsampler=False)
        base.load_state_dict(load_file(self.work.finished(BaseStage.name) / BaseStage.file))
        sampler = Sampler(base.eval(), network, GUIDANCE, STEPS, UPSAMPLE_STEPS)
        tokens = self.words([describe(scene) for scene in scenes])
        conditions = (base.condition(*tokens[:2]), network.condition(*tokens[:2]))
        generator = torch.Generator().manual_seed(self.work.seed)
        noise = torch.randn(len(scenes), sampler.noise_size(), generator=generator)
        return sampler(conditions, base.unconditional(), sampler.arrange(noise))


def sizes(vocabulary: int) -> GlideSizes:
    """The sizes of both networks of GLIDE-mini, with so many entries in the vocabulary."""
    return GlideSizes(
        text=TextSizes(vocabulary=vocabulary, context=CONTEXT, width=48, layers=2, heads=4),
        base=NetworkSizes(
            resolution=SIDE // 2,
            channels=24,
            multipliers=(1, 1, 2),  # positions are those of the smallest level, where borders are near everywhere
            residual_blocks=1,
            attention=(2, 4),
            head_width=12,
            norm_groups=2,
        ),
        upsampler=NetworkSizes(
            resolution=SIDE,
            channels=16,
            multipliers=(1, 1),
            residual_blocks=1,
            attention=(),
            head_width=16,
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


def variance_loss(signals: Tensor, times: Tensor, square: Tensor, spread: Tensor) -> Tensor:
    """The mean divergence, in nats per number, of sampling steps from the true ones, given the errors of the noise.

    Args:
        signals: (1000,) float64, the share of the signal's variance at each timestep.
        times: (N,), the timestep at which a step begins. A step that would end before the first timestep counts 0,
            because the sampler adds no noise in its last step.
        square: (N, 3, H, W), the squared error of the predicted noise.
        spread: (N, 3, H, W), the predicted position of the log-variance between its smallest (-1) and largest (1).
    """
    counted = (times >= _STRIDE).view(-1, 1, 1, 1)
    begin = times.clamp(min=_STRIDE)
    signal, after = (signals[at].view(-1, 1, 1, 1) for at in (begin, begin - _STRIDE))
    beta = 1 - signal / after
    true = (beta * (1 - after) / (1 - signal)).clamp(min=1e-20)
    mean = beta.square() * after / (1 - signal) / signal * square
    share = (spread + 1) / 2
    log_variance = share * beta.log() + (1 - share) * true.log()
    divergence = 0.5 * (log_variance - true.log() - 1 + (true + mean) * torch.exp(-log_variance))
    return torch.where(counted, divergence, 0).mean().float()


def sample_small(network: Network, words: GlideTokenizer, texts: list[str], seed: int) -> Tensor:
    """Pictures (N, 3, 16, 16) in -1..1 that the base network generates from N texts."""
    side = network.sizes.resolution
    drawn = torch.randn(len(texts), STEPS, COLOURS, side, side, generator=torch.Generator().manual_seed(seed))
    noise = PictureNoise(drawn[:, 0], drawn[:, 1:], drawn[:, :0])
    schedule = steps(squared_cosine(), spaced(STEPS))
    condition = network.condition(*words(texts)[:2])
    return sample_base(network, condition, network.unconditional(), noise, schedule, GUIDANCE)


def enlarged(small: Tensor) -> Tensor:
    """The pictures enlarged to twice the size, bilinearly."""
    return interpolate(small, scale_factor=2.0, mode="bilinear", align_corners=False)
