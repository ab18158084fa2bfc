"""Writing the embedded weights from finished stages: float16 safetensors in the published checkpoints' layouts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from gill_bench.errors import InputError
from gill_bench.mini.train.decision import NAME as DECISION
from gill_bench.mini.train.glide import BaseStage, UpsampleStage, sizes, write_words
from gill_bench.mini.train.heads import VARIANTS
from gill_bench.mini.train.loop import MEASURED, TrainingWork
from gill_bench.mini.train.lpips import LpipsStage
from gill_bench.models.gill.checking import DECISION_FILE
from gill_bench.models.glide.sizes import FILE as SIZES_FILE
from gill_bench.models.interleaved.model_args import FILE as ARGUMENTS_FILE
from gill_bench.weights.find import MARK

LIMIT = 30_000_000
"""The most bytes that all embedded weights may have together."""
_CHECKPOINT = "pretrained_ckpt.safetensors"
_GEN = ".gen_text_hidden_fcs."
_FROMAGE_KEYS = {
    "model.ret_text_hidden_fcs.0.model.": "model.text_hidden_fcs.0.0.",
    "model.input_embeddings.": "ret_input_embeddings.",
}
_FROMAGE_ARGUMENTS = (
    "opt_version",
    "freeze_lm",
    "visual_encoder",
    "freeze_vm",
    "n_visual_tokens",
    "text_emb_layers",
)


def ship(work: TrainingWork, folder: Path) -> dict[str, int]:
    """Write the weights of all finished stages into a new folder.

    Args:
        work: The folder with the finished stages; variants of GILL, FROMAGe, GLIDE and LPIPS may be missing.
        folder: The folder that gets `clip-mini`, `opt-mini`, `sd-mini`, `lpips-mini`, `glide-mini`, and a folder for
            every GILL and FROMAGe.

    Returns:
        The number of bytes of each part.

    Raises:
        InputError: A part is missing, or the parts together are larger than `LIMIT`.
    """
    from gill_bench.weights.checkpoints import quiet_loading

    if folder.exists():
        raise InputError(f"{folder}: exists already; remove it to write it again")
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    with quiet_loading():
        _network("CLIPModel", work.finished("clip-mini"), temporary / "clip-mini")
        _network("OPTForCausalLM", work.finished("opt-mini"), temporary / "opt-mini")
        _pipeline(work.finished("sd-mini"), temporary / "sd-mini")
    for variant in VARIANTS:
        if (work.folder / variant.name).is_dir():
            write = _heads if variant.generation else _fromage
            write(work.folder / variant.name, temporary / variant.name)
    if (work.folder / UpsampleStage.name).is_dir():
        _glide(work, temporary / "glide-mini")
    if (work.folder / DECISION / DECISION_FILE).is_file():
        _copy(work.folder / DECISION, temporary / "gill-mini", [DECISION_FILE])
    if (work.folder / LpipsStage.name).is_dir():
        (temporary / LpipsStage.name).mkdir()
        _copy(work.folder / LpipsStage.name, temporary / LpipsStage.name, ["config.json", "model.safetensors"])
    for part in temporary.iterdir():
        (part / MARK).write_text('{"what": "trained on the mini world"}\n', encoding="utf-8")
    sizes_of_parts = {
        part.name: sum(file.stat().st_size for file in part.rglob("*") if file.is_file())
        for part in sorted(temporary.iterdir())
    }
    if sum(sizes_of_parts.values()) > LIMIT:
        raise InputError(
            f"{temporary}: {sum(sizes_of_parts.values())} bytes together, at most {LIMIT}: {sizes_of_parts}"
        )
    temporary.rename(folder)
    return sizes_of_parts


def ship_stage(work: TrainingWork) -> bool:
    """The last stage, which writes the folder `weights` beside the folders of the other stages."""
    if not (work.folder / "weights").is_dir():
        ship(work, work.folder / "weights")
    return True


def _network(kind: str, source: Path, folder: Path) -> None:
    transformers: Any = import_module("transformers")
    model = getattr(transformers, kind).from_pretrained(source, local_files_only=True, dtype=torch.float16)
    model.save_pretrained(folder)
    written = {file.name for file in folder.iterdir()}
    _copy(source, folder, [file.name for file in source.iterdir() if file.name not in {*written, MEASURED}])


def _pipeline(source: Path, folder: Path) -> None:
    diffusers: Any = import_module("diffusers")
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(
        source, local_files_only=True, safety_checker=None, requires_safety_checker=False
    )
    pipeline.to(torch.float16).save_pretrained(folder)
    # Diffusers writes the folder of origin into tokenizer and configurations; files without it are written instead.
    shutil.rmtree(folder / "tokenizer")
    shutil.copytree(source / "tokenizer", folder / "tokenizer")
    for file in (*folder.glob("*/config.json"), folder / "model_index.json"):
        content = json.loads(file.read_text(encoding="utf-8"))
        content.pop("_name_or_path", None)
        file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _heads(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    _copy(source, folder, [ARGUMENTS_FILE])
    state = load_file(source / _CHECKPOINT)
    save_file({key: value.half() for key, value in state.items()}, folder / _CHECKPOINT)


def _fromage(source: Path, folder: Path) -> None:
    """Write a GILL with one token, without its generation head, in the layout of FROMAGe's files (protocol 4)."""
    folder.mkdir(parents=True)
    trained = json.loads((source / ARGUMENTS_FILE).read_text(encoding="utf-8"))
    arguments = {key: trained[key] for key in _FROMAGE_ARGUMENTS}
    arguments |= {"shared_emb_dim": trained["ret_emb_dim"], "retrieval_token_idx": trained["retrieval_token_idx"]}
    (folder / ARGUMENTS_FILE).write_text(json.dumps(arguments, indent=4) + "\n", encoding="utf-8")
    state = {}
    for key, value in load_file(source / _CHECKPOINT).items():
        old = next((part for part in _FROMAGE_KEYS if key.startswith(part)), "")
        if _GEN not in key:
            state[_FROMAGE_KEYS.get(old, "") + key.removeprefix(old)] = value.half()
    save_file(state, folder / _CHECKPOINT)


def _glide(work: TrainingWork, folder: Path) -> None:
    """Write both networks of GLIDE, their sizes and their tokenizer into one folder."""
    vocabulary = write_words(folder, work.seed)
    content = sizes(vocabulary).model_dump_json(indent=2)
    (folder / SIZES_FILE).write_text(content + "\n", encoding="utf-8")
    for stage in (BaseStage, UpsampleStage):
        state = load_file(work.finished(stage.name) / stage.file)
        save_file({key: value.half() for key, value in state.items()}, folder / stage.file)


def _copy(source: Path, folder: Path, names: Sequence[str]) -> None:
    for name in names:
        shutil.copyfile(source / name, folder / name)
