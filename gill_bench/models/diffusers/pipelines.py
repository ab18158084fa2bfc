"""Pipelines of diffusers: loading them from a folder, and sampling from prompt embeddings with one noise per picture.

Every model that ends in a diffusion decoder uses this. diffusers' own pipeline does the work. This module adds the
strictness that its loader lacks (a weight that is missing from a file is an error, not a random number), and noise that
belongs to a picture rather than to its position in a batch.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from inspect import signature
from itertools import chain
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from transformers import PreTrainedModel

from gill_bench.errors import GillBenchError, InputError, first_line
from gill_bench.interfaces import GeneratedImage, Noise
from gill_bench.models.diffusers.folder import SAFETY, TOKENIZERS, parts, read_index
from gill_bench.models.diffusers.schedulers import SCHEDULERS, SchedulerName
from gill_bench.models.diffusers.shared_noise import Latents, assert_one_draw, generator_for
from gill_bench.models.literal import literal
from gill_bench.models.sharing import shared
from gill_bench.storage.reading import read_json
from gill_bench.weights.checkpoints import quiet_loading
from gill_bench.weights.loading import read_network
from gill_bench.weights.network_files import Library
from gill_bench.weights.tensor_files import LOADING_ERRORS

_log = logging.getLogger(__name__)
Pipeline = Any
"""A pipeline of diffusers, which has no types that a checker can follow."""


def load_pipeline(
    path: Path, *, dtype: torch.dtype, device: str, scheduler: SchedulerName, safety_checker: bool
) -> Pipeline:
    """Load a text-to-image pipeline from a local folder in diffusers' layout, ready to be called on `device`.

    Args:
        path: Folder with `model_index.json`.
        dtype: Precision of all networks, whatever the files hold.
        device: A torch device.
        scheduler: Sampler; it keeps the noise schedule of the folder's own sampler.
        safety_checker: Whether the safety checker blackens pictures that it flags, as in the stock pipeline. If the
            folder has no safety checker, the pipeline works without, and a warning says so.
    """
    index = read_index(path)
    without = {"safety_checker"} if "safety_checker" in index and not safety_checker else set()
    if safety_checker and ("safety_checker" not in index or not (path / "safety_checker").is_dir()):
        _log.warning("%s has no safety checker: no picture will be flagged", path.name)
    pipeline = open_pipeline(path, dtype=dtype, device=device, without=without)
    for name in TOKENIZERS:
        if getattr(pipeline, name, None) is not None:
            literal(getattr(pipeline, name))
    set_scheduler(pipeline, scheduler)
    if torch.device(device).type != "cpu" and hasattr(pipeline.vae, "enable_slicing"):
        # Decoding a batch of 512 x 512 pictures at once needs more memory than all of the denoising.
        pipeline.vae.enable_slicing()
    return pipeline.to(device)


def open_pipeline(
    path: Path, *, dtype: torch.dtype, device: str, without: Collection[str] = (), variant: str = "", share: bool = True
) -> Any:
    """Load a pipeline of any class from a local folder in diffusers' layout.

    Args:
        path: Folder with `model_index.json`.
        dtype: Precision of all networks, whatever the files hold.
        device: The torch device of the networks, if they are shared; else they are on the CPU.
        without: Parts that are not loaded.
        variant: Precision in the names of the files that are read; "" for plain names.
        share: Whether the networks may be those of another model, whose weights nobody changes.

    Raises:
        InputError: A part is missing, damaged, incomplete or of another model; names folder or file.
    """
    import diffusers

    index = read_index(path)
    absent: dict[str, None] = {name: None for name in SAFETY if name in index and not (path / name).is_dir()}
    # Parts that the folder says it is without, such as the T5 of many copies of Stable Diffusion 3.
    empty = [name for name, value in read_json(path / "model_index.json").items() if value == [None, None]]
    absent |= dict.fromkeys(name for name in empty if name not in SAFETY)
    absent |= dict.fromkeys(name for name in without if name in index)
    options: dict[str, Any] = dict(absent)
    if "safety_checker" in absent:
        # Else the pipeline prints five lines of warning about the caller's choice.
        options["requires_safety_checker"] = False
    with quiet_loading():
        for name, (library, kind) in parts(index).items():
            if name not in absent:
                options.update(_load_network(path / name, name, library, kind, dtype, device if share else "", variant))
        try:
            # local_files_only, and no trust_remote_code: nothing but this folder is read, and no code from it.
            pipeline = getattr(diffusers, index["_class_name"]).from_pretrained(path, local_files_only=True, **options)
        except LOADING_ERRORS as error:
            raise InputError(f"{path}: cannot be loaded as a pipeline: {first_line(error)}") from error
    _check_vocabulary(pipeline, path)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def set_scheduler(pipeline: Pipeline, name: SchedulerName) -> None:
    """Replace the sampler of a pipeline by another sampler with the same noise schedule.

    Raises:
        InputError: The pipeline's own sampler is of a kind (flow matching) that the named one cannot replace.
    """
    if name == "default":
        return
    import diffusers

    kind = getattr(diffusers, SCHEDULERS[name])
    current = pipeline.scheduler
    if not isinstance(current, kind) and kind not in current.compatibles:
        raise InputError(f"scheduler = {name!r} cannot replace {type(current).__name__}; use scheduler = 'default'")
    # DDIM and DDPM limit each estimate of the picture to [-1, 1] unless the configuration says otherwise. Latents are
    # not pictures. diffusers' pipelines turn this off for the sampler of the folder, and not for one that is set later.
    limits = "vae" in pipeline.components and "clip_sample" in signature(kind.__init__).parameters
    pipeline.scheduler = kind.from_config(current.config, **({"clip_sample": False} if limits else {}))


def sample(
    pipeline: Pipeline,
    prompt_embeds: torch.Tensor,
    noise: Sequence[Sequence[Noise]],
    *,
    num_inference_steps: int,
    guidance_scale: float,
) -> list[list[GeneratedImage]]:
    """Generate pictures from prompt embeddings, all in one call of the pipeline (protocol 1.14).

    A picture depends on its own embedding and noise only, not on the rest of the batch, up to the rounding of batched
    matrix products.

    Args:
        pipeline: A Stable Diffusion pipeline.
        prompt_embeds: Embeddings (N, L, D) of N prompts, L tokens of D dimensions each.
        noise: For each prompt a sequence with one noise per picture.
        num_inference_steps: Steps of the sampler.
        guidance_scale: Strength of classifier-free guidance; 1 or less means none.

    Returns:
        For each prompt its pictures, in the order of `noise`. Pictures that the safety checker blackened are flagged.

    Raises:
        InputError: Shared noise (`skip` above 0) with a sampler that draws more than the first latent.
    """
    if prompt_embeds.ndim != 3 or len(prompt_embeds) != len(noise):
        raise ValueError(f"prompt_embeds {tuple(prompt_embeds.shape)} for {len(noise)} sequences of noise")
    counts = torch.tensor([len(group) for group in noise], dtype=torch.int64, device=prompt_embeds.device)
    embeds = prompt_embeds.repeat_interleave(counts, dim=0)
    guidance: dict[str, torch.Tensor] = {}
    if guidance_scale > 1 and len(embeds):
        negative = unconditional(pipeline, prompt_embeds)
        guidance["negative_prompt_embeds"] = negative.expand(len(embeds), -1, -1)
    return run(
        pipeline,
        noise,
        prompt_embeds=embeds,
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
        **guidance,
    )


def run(pipeline: Pipeline, noise: Sequence[Sequence[Noise]], **arguments: object) -> list[list[GeneratedImage]]:
    """Call a pipeline once, with one generator per noise, and group its pictures as `noise` is grouped.

    Args:
        pipeline: Any text-to-image pipeline.
        noise: For each prompt a sequence with one noise per picture.
        **arguments: Arguments of the pipeline; an argument with a batch dimension has one entry per noise.

    Raises:
        InputError: Shared noise with a sampler that draws more than the first latent, or a pipeline without a UNet.
        GillBenchError: A picture is not finite.
    """
    flat = list(chain.from_iterable(noise))
    if not flat:
        return [[] for _ in noise]
    latents = Latents.of(pipeline) if any(item.skip for item in flat) else None
    generators = [generator_for(item, latents) for item in flat]
    with _quiet(pipeline):
        output = pipeline(generator=generators, output_type="np", **arguments)
    if latents is not None:
        assert_one_draw(pipeline.scheduler, flat, generators, latents)
    flags = getattr(output, "nsfw_content_detected", None) or [False] * len(flat)
    if not bool(np.isfinite(output.images).all()):
        # As a picture it would be black, and black pictures score well with some metrics.
        raise GillBenchError("a picture is not finite: the weights are damaged, or the precision is too narrow (dtype)")
    images = pipeline.numpy_to_pil(output.images)
    pictures = iter([GeneratedImage(image, bool(flag)) for image, flag in zip(images, flags, strict=True)])
    return [[next(pictures) for _ in group] for group in noise]


_unconditional: WeakKeyDictionary[Pipeline, dict[tuple[int, torch.dtype], torch.Tensor]] = WeakKeyDictionary()


@torch.no_grad()
def unconditional(pipeline: Pipeline, prompt_embeds: torch.Tensor) -> torch.Tensor:
    """The embedding (1, L, D) of the empty prompt, padded to the length of `prompt_embeds`.

    The pipeline would compute this embedding again in every call; here it is kept as long as the pipeline lives.
    """
    embeddings = _unconditional.setdefault(pipeline, {})
    key = (prompt_embeds.shape[1], pipeline.text_encoder.dtype)
    if key not in embeddings:
        _, embeddings[key] = pipeline.encode_prompt(None, pipeline.device, 1, True, prompt_embeds=prompt_embeds[:1])
    return embeddings[key]


def _check_vocabulary(pipeline: Any, path: Path) -> None:
    for name in TOKENIZERS:
        suffix = name.removeprefix("tokenizer")
        tokenizer = getattr(pipeline, name, None)
        rows = getattr(getattr(getattr(pipeline, f"text_encoder{suffix}", None), "config", None), "vocab_size", None)
        tokens = getattr(tokenizer, "vocab_size", None)  # which a processor lacks
        if isinstance(tokens, int) and isinstance(rows, int) and tokens > rows:
            raise InputError(
                f"{path / f'tokenizer{suffix}'}: {tokens} tokens, but text_encoder{suffix} has {rows}"
                " embeddings: the files are of different models"
            )


def _load_network(
    folder: Path, name: str, library: str, kind: str, dtype: torch.dtype, device: str, variant: str
) -> dict[str, torch.nn.Module]:
    """The network of one part by its name; empty for a tokenizer, scheduler and so on.

    It is shared with other pipelines on a device; with `device` "" it is the pipeline's own.
    """
    origin = library if library in ("diffusers", "transformers") else f"diffusers.pipelines.{library}"
    try:
        network = getattr(import_module(origin), kind)
        if not issubclass(network, torch.nn.Module):
            return {}
    except LOADING_ERRORS as error:
        raise InputError(f"{folder}: cannot be loaded as {kind}: {first_line(error)}") from error

    def read() -> torch.nn.Module:
        owner: Library = "transformers" if issubclass(network, PreTrainedModel) else "diffusers"
        loaded: torch.nn.Module = read_network(network, folder, dtype, owner, variant=variant)
        return loaded

    return {name: shared(network, folder, dtype, device, read) if device else read().eval().requires_grad_(False)}


@contextmanager
def _quiet(pipeline: Pipeline) -> Iterator[None]:
    """Silence the advice to try another prompt, and the full text of each cut prompt: both cases are counted."""
    names = (
        "diffusers.pipelines.stable_diffusion.safety_checker",
        "transformers.tokenization_utils_base",
        type(pipeline).__module__,
    )
    with ExitStack() as undo:
        for logger in map(logging.getLogger, names):
            undo.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.ERROR)
        yield
