"""Preparing a training from its configuration: checking files, loading networks, ordering examples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gill_bench.errors import InputError
from gill_bench.models.gill.network import GillHeads
from gill_bench.models.gill.sizes import GillSizes, flat_width
from gill_bench.models.interleaved.checking import check_language_files, check_visual_files
from gill_bench.models.interleaved.language import LanguageModel
from gill_bench.models.interleaved.loading import load_network
from gill_bench.models.interleaved.model_args import find_folder
from gill_bench.models.interleaved.network_sizes import language_sizes, vision_width
from gill_bench.models.interleaved.tokens import LanguageTokens, load_tokens
from gill_bench.models.interleaved.vision import VisualEncoder
from gill_bench.progress import say
from gill_bench.storage.digests import digest_file
from gill_bench.training.batches import Item, Source, StorySequences, read_target
from gill_bench.training.config import TrainConfig
from gill_bench.training.inputs import Inputs, PairFiles, Story, pairs_file, read_inputs
from gill_bench.training.network import Scales, TrainingNetwork, initial_image_embeddings, new_heads
from gill_bench.training.schedule import ExampleOrder, seed_of
from gill_bench.training.sequences import Builder, caption_ids, story_sequences
from gill_bench.training.targets import write_targets
from gill_bench.weights.tensor_files import read_state

if TYPE_CHECKING:
    from accelerate import Accelerator


class PairItems(Sequence[Item]):
    """The pairs as items; a caption is tokenised when its item is read, since millions of captions take minutes."""

    def __init__(self, pairs: Sequence[PairFiles], tokens: LanguageTokens, max_len: int) -> None:
        self._pairs = pairs
        self._tokens = tokens
        self._max_len = max_len

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[Item]:
        return (self._item(pair) for pair in self._pairs)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return PairItems(self._pairs[index], self._tokens, self._max_len)
        return self._item(self._pairs[index])

    def _item(self, pair: PairFiles) -> Item:
        return Item((pair.picture,), pair.target, caption=caption_ids(self._tokens, pair.caption, self._max_len))


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """The examples that one process takes in each step: pairs, then stories."""

    pairs: Sequence[Item]
    stories: Sequence[Item]
    order: ExampleOrder
    story_order: ExampleOrder | None
    rank: int
    processes: int

    def items(self, step: int) -> list[Item]:
        """Examples of a step."""
        items = [self.pairs[number] for number in self.order.indices(step, self.rank, self.processes)]
        if self.story_order is not None:
            items += [self.stories[number] for number in self.story_order.indices(step, self.rank, self.processes)]
        return items


@dataclass(frozen=True, slots=True)
class Setup:
    """A training, ready for its first step."""

    tokens: LanguageTokens
    network: TrainingNetwork
    source: Source
    plan: TrainingPlan
    val: Sequence[Item]
    identity: dict[str, Any]
    skipped: int
    workers: int


def prepare(config: TrainConfig, accelerator: Accelerator) -> Setup:
    """Check files and settings, then load the networks.

    Raises:
        InputError: A file is missing or malformed, or weights, targets and settings do not fit together.
    """
    processes, rank = int(accelerator.num_processes), int(accelerator.process_index)
    stories_per_step = _share(config, processes)
    llm, encoder = find_folder(config.llm, config.out), find_folder(config.visual_encoder, config.out)
    width, vision = language_sizes(llm).width, vision_width(encoder)
    check_language_files(llm)
    check_visual_files(encoder)
    inputs = _read(config, accelerator)
    shape = _target_shape(inputs)
    sizes = GillSizes(
        llm_width=width,
        vision_width=vision,
        num_tokens=config.num_tokens,
        n_visual_tokens=config.n_visual_tokens,
        ret_emb_dim=config.ret_emb_dim,
        gen_emb_dim=shape[1],
        num_clip_tokens=shape[0],
        text_fc_mode=config.mapper,
    )
    if config.mapper != "gill_mapper" and not flat_width(sizes):
        raise InputError(
            f"mapper = {config.mapper!r}: {config.num_tokens} tokens cannot share {shape[0]} x {shape[1]} numbers"
            " evenly; choose another num_tokens"
        )
    device = _device(accelerator)
    precision = config.precision if config.precision != "auto" else ("fp32" if device == "cpu" else "bf16")
    config.out.mkdir(parents=True, exist_ok=True)
    tokens = load_tokens(llm, config.num_tokens)
    network = _network(config, sizes, tokens, llm, encoder, device, precision)
    source = Source(network.vision, shape)
    pairs = PairItems(inputs.train, tokens, config.max_len)
    val = PairItems(inputs.val, tokens, config.max_len)
    stories = [_story_item(story, tokens, network.builder, network.language) for story in inputs.stories]
    if config.cache:
        source.keep([*pairs, *val, *stories])
    steps = config.steps_per_epoch
    order = ExampleOrder("pairs", config.seed, len(pairs), config.batch_size - stories_per_step, steps)
    story_order = ExampleOrder("stories", config.seed, len(stories), stories_per_step, steps) if stories else None
    if inputs.skipped and accelerator.is_main_process:
        say(f"{inputs.skipped} examples are left out: a picture or target file of theirs does not exist")
    return Setup(
        tokens,
        network,
        source,
        TrainingPlan(pairs, stories, order, story_order, rank, processes),
        val,
        _identity(config, precision, processes),
        inputs.skipped,
        0 if config.cache else config.workers,
    )


def _device(accelerator: Accelerator) -> str:
    # With several processes on a CPU, accelerate names the devices "cpu:0", which the rest of the package does not.
    return "cpu" if accelerator.device.type == "cpu" else str(accelerator.device)


def _share(config: TrainConfig, processes: int) -> int:
    """The number of stories in a step over all processes; each process has an even number of stories and of pairs."""
    if config.batch_size % (2 * processes):
        raise InputError(f"batch_size = {config.batch_size}, expected an even number for each of {processes} processes")
    examples = config.batch_size // processes
    if not config.story_share:
        return 0
    stories = max(2, 2 * round(config.story_share * examples / 2))
    if stories >= examples:
        raise InputError(
            f"story_share = {config.story_share} leaves no pairs of the {examples} examples of a process; lower it"
        )
    return stories * processes


def _read(config: TrainConfig, accelerator: Accelerator) -> Inputs:
    if config.text_encoder is not None:
        if accelerator.is_main_process:
            inputs = read_inputs(config, targets_follow=True)
            captions = {pair.target: pair.caption for pair in (*inputs.train, *inputs.val)}
            captions |= {story.target: story.caption for story in inputs.stories}
            write_targets(captions, config.text_encoder, _device(accelerator))
        accelerator.wait_for_everyone()
    return read_inputs(config)


def _target_shape(inputs: Inputs) -> tuple[int, int]:
    shape = read_target(inputs.train[0].target).shape
    return int(shape[0]), int(shape[1])


def _network(
    config: TrainConfig, sizes: GillSizes, tokens: LanguageTokens, llm: Path, encoder: Path, device: str, precision: str
) -> TrainingNetwork:
    from transformers import OPTForCausalLM

    frozen = torch.float32 if precision == "fp32" else torch.bfloat16
    model = load_network(OPTForCausalLM, llm, frozen, device)
    rows = initial_image_embeddings(
        model.get_input_embeddings().weight.cpu(),
        tokens.image_ids[0],
        config.num_tokens,
        float(model.config.init_std),
        seed_of(config.seed, "image embeddings"),
    )
    heads: GillHeads = new_heads(sizes, rows, config.mapper_width, config.mapper_layers, seed_of(config.seed, "heads"))
    if config.initial is not None:
        _set_initial(heads, config.initial)
    heads = heads.to(device, torch.bfloat16 if precision == "bf16" else torch.float32)
    _freeze_unused(heads, config)
    return TrainingNetwork(
        tokens,
        LanguageModel(model, tokens.size, rows.to(device, frozen)),
        VisualEncoder.load(encoder, frozen, device, squash_size=0),
        heads,
        config.objective,
        Scales(config.cap_loss_scale, config.ret_loss_scale, config.gen_loss_scale),
    )


def _set_initial(heads: GillHeads, file: Path) -> None:
    values, own = read_state(file), heads.state_dict()
    for key, value in values.items():
        if key not in own or own[key].shape != value.shape:
            expected = list(own[key].shape) if key in own else "no such tensor"
            raise InputError(f"{file}: {key}: shape {list(value.shape)}, but this training has {expected}")
    heads.load_state_dict(values, strict=False)


def _freeze_unused(heads: GillHeads, config: TrainConfig) -> None:
    """Freeze the heads of passes that are not run: without a gradient, weight decay would still change them."""
    if not config.ret_loss_scale:
        heads.visual_fc.requires_grad_(False)
        heads.ret_text_hidden_fcs.requires_grad_(False)
        heads.logit_scale.requires_grad_(False)
    if not config.gen_loss_scale:
        heads.gen_text_hidden_fcs.requires_grad_(False)
    if not config.cap_loss_scale and not (config.story_share and config.gen_loss_scale):
        heads.visual_embeddings.requires_grad_(False)


def _story_item(story: Story, tokens: LanguageTokens, builder: Builder, language: LanguageModel) -> Item:
    captioning, generation = story_sequences(tokens, builder, story.segments, story.caption)
    longest = max(len(captioning.ids), len(generation.ids))
    language.require_room(longest, f"the story with target {story.target}")
    return Item(story.pictures, story.target, sequences=StorySequences(captioning, generation))


def _identity(config: TrainConfig, precision: str, processes: int) -> dict[str, Any]:
    """Everything on which the trained weights depend, without the frozen networks and the pictures."""
    files = {"pairs": digest_file(pairs_file(config.data, "train"))}
    if config.stories is not None:
        files["stories"] = digest_file(config.stories)
    if config.initial is not None:
        files["initial"] = digest_file(config.initial)
    return json.loads(  # type: ignore[no-any-return]
        json.dumps({**config.identity(), **files, "precision": precision, "processes": processes})
    )
