"""Reading and writing GILL checkpoints: only tensors are unpickled, and every key is accounted for (protocol 1.6).

The authors load with `strict=False`, so that a wrong prefix leaves random weights without a word. Here a key that is
missing, additional or of another shape is an error.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from gill_bench.errors import InputError
from gill_bench.models.gill.arguments import GillArguments
from gill_bench.models.gill.network import MAPPER_ATTENTION_HEADS, GillHeads, GillSizes
from gill_bench.storage.files import write_atomic
from gill_bench.weights.tensor_files import check_floating, read_tensor_file

NAMES = ("pretrained_ckpt.pth.tar", "pretrained_ckpt.safetensors", "ckpt_best.pth.tar", "ckpt.pth.tar")
_TABLE = "input_embeddings.weight"
_PREFIX = "model."
_WRAPPERS = ("module.", "_orig_mod.")
_SHOWN = 3  # keys listed of each kind


def find_checkpoint(folder: Path, model: str = "GILL") -> Path:
    """The weights inside a checkpoint folder: as released, else as written by training.

    Args:
        folder: Where they are.
        model: Named in errors.

    Raises:
        InputError: There is none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a {model} checkpoint: model_args.json and {NAMES[0]}")
    for name in NAMES:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"{folder}: no weights in it; expected one of {', '.join(NAMES)}")


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Read named tensors onto the CPU, from safetensors or from the `state_dict` of a file of torch.

    Every `module.` (of data-parallel training) and `_orig_mod.` (of a compiled model) is removed from the keys. Other
    entries, such as the optimizer, are ignored.

    Raises:
        InputError: Missing, truncated, holding anything but plain data, without a state dict, with two tensors of one
            key, or with one that does not hold floating-point numbers.
    """
    content = read_tensor_file(file)
    if file.suffix != ".safetensors":
        content = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"{file}: expected a dictionary with 'state_dict', a dictionary of tensors")
    state = {_without_wrappers(str(key)): value for key, value in content.items()}
    if len(state) < len(content):
        raise InputError(
            f"{file}: has tensors twice, with and without {' or '.join(map(repr, _WRAPPERS))} in their keys"
        )
    check_floating(file, {key: value.dtype for key, value in state.items()})
    return state


def _without_wrappers(key: str) -> str:
    for wrapper in _WRAPPERS:
        key = key.replace(wrapper, "")
    return key


def sizes_of(arguments: GillArguments, llm_width: int, vision_width: int) -> GillSizes:
    """Put together what the shapes of the trained tensors follow from."""
    return GillSizes(
        llm_width=llm_width,
        vision_width=vision_width,
        num_tokens=arguments.num_tokens,
        n_visual_tokens=arguments.n_visual_tokens,
        ret_emb_dim=arguments.ret_emb_dim,
        gen_emb_dim=arguments.gen_emb_dim,
        num_clip_tokens=arguments.num_clip_tokens,
        text_fc_mode=arguments.text_fc_mode,
    )


def empty_heads(file: Path, state: Mapping[str, Tensor], sizes: GillSizes) -> GillHeads:
    """Build the network without values, with the inner sizes that a checkpoint's tensors have.

    Raises:
        InputError: Its sizes contradict each other.
    """
    shapes = {key.removeprefix(_PREFIX): tuple(value.shape) for key, value in state.items()}
    hidden = (shapes.get("gen_text_hidden_fcs.0.fc.weight") or (0,))[0]
    if hidden % MAPPER_ATTENTION_HEADS:
        raise InputError(
            f"{file}: model.gen_text_hidden_fcs.0.fc.weight has {hidden} rows, expected a multiple of"
            f" {MAPPER_ATTENTION_HEADS}, the mapper's attention heads"
        )
    with torch.device("meta"):
        heads = GillHeads(sizes, shapes)
    if sizes.text_fc_mode != "gill_mapper" and not heads.conditioning_width:
        raise InputError(
            f"{file}: the generation head gives {sizes.num_tokens} x {output_width(heads)} numbers, which are no"
            f" {sizes.num_clip_tokens} vectors of one width (model_args.json: num_tokens, num_clip_tokens, gen_emb_dim)"
        )
    return heads


def output_width(heads: GillHeads) -> int:
    """Numbers that the generation head gives per position."""
    return int(heads.get_parameter("gen_text_hidden_fcs.0.model.weight").shape[0])


def account(file: Path, state: Mapping[str, Tensor], heads: GillHeads, table_rows: int | None = None) -> None:
    """Check that a checkpoint holds exactly the tensors of a network.

    Args:
        file: Named in errors.
        state: Of `read_tensors`.
        heads: Of `empty_heads`.
        table_rows: Rows of the language model's table with the [IMG] tokens: the checkpoint may hold all of it. None
            while unknown: then any number above that of the [IMG] tokens is taken.

    Raises:
        InputError: Names the first keys that are missing, additional, or of another shape.
    """
    expected = {_PREFIX + key: tuple(value.shape) for key, value in heads.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    table, count = found.get(_PREFIX + _TABLE, ()), heads.sizes.num_tokens
    if len(table) == 2 and (table[0] == table_rows or (table_rows is None and table[0] > count)):
        found[_PREFIX + _TABLE] = (count, *table[1:])
    compare(file, expected, found, "GILL", f" (text_fc_mode {heads.sizes.text_fc_mode!r})")


def compare(
    file: Path,
    expected: Mapping[str, tuple[int, ...]],
    found: Mapping[str, tuple[int, ...]],
    model: str,
    variant: str = "",
) -> None:
    """Compare the shapes of a checkpoint's tensors with those of a network.

    Args:
        file: Named in errors.
        expected: By key.
        found: By key.
        model: Named in errors.
        variant: Likewise.

    Raises:
        InputError: Names the first keys that are missing, additional, or of another shape.
    """
    shapes = [
        f"{key} {found[key]} instead of {shape}"
        for key, shape in expected.items()
        if key in found and found[key] != shape
    ]
    problems = [
        _listed("missing", [key for key in expected if key not in found]),
        _listed(f"not of {model}", [key for key in found if key not in expected]),
        _listed("of another shape", shapes),
    ]
    if any(problems):
        raise InputError(
            f"{file}: expected the {len(expected)} tensors of {model}{variant}; " + "; ".join(filter(None, problems))
        )


def check_finite(file: Path, state: Mapping[str, Tensor]) -> None:
    """Check values.

    Raises:
        InputError: One is not finite; names file and key.
    """
    for key, value in state.items():
        if not bool(torch.isfinite(value).all()):
            raise InputError(f"{file}: {key} holds values that are not finite; download it again")


def fill_heads(file: Path, heads: GillHeads, state: Mapping[str, Tensor], dtype: torch.dtype) -> None:
    """Give an accounted-for network its values; of a full embedding table the last rows, those of [IMG].

    Raises:
        InputError: A value is not finite; names file and key.
    """
    values = {key.removeprefix(_PREFIX): value for key, value in state.items()}
    values[_TABLE] = values[_TABLE][-heads.sizes.num_tokens :]
    check_finite(file, {_PREFIX + key: value for key, value in values.items()})
    # A copy, because the tensors of the file are mapped from it.
    heads.load_state_dict({key: value.to(dtype, copy=True) for key, value in values.items()}, assign=True)


def write_tensors(folder: Path, heads: GillHeads) -> None:
    """Write a network as it is released, with the [IMG] rows alone of the table, in both formats that `NAMES` lists."""
    state = {
        _PREFIX + key: value.detach().to("cpu", copy=True).contiguous()
        for key, value in sorted(heads.state_dict().items())
    }
    buffer = io.BytesIO()
    torch.save({"state_dict": state}, buffer)
    write_atomic(folder / NAMES[0], buffer.getvalue())
    write_atomic(folder / NAMES[1], save(state, metadata={"format": "pt"}))


def check_decoder_fits(file: Path, heads: GillHeads, width: int, context: int, decoder: Path) -> None:
    """Check the generation head against the image decoder.

    Raises:
        InputError: Another width, or more vectors than the decoder reads.
    """
    own = heads.conditioning_width
    if own != width:
        raise InputError(
            f"{file}: the generation head gives vectors of width {own} (gen_emb_dim), but {decoder} reads {width}"
        )
    rows = heads.sizes.num_clip_tokens
    if rows > context:
        raise InputError(
            f"{file}: the generation head gives num_clip_tokens = {rows} vectors, but {decoder} reads {context}"
        )


def _listed(what: str, items: list[str]) -> str:
    if not items:
        return ""
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return f"{what}: {', '.join(items[:_SHOWN])}{more}"
