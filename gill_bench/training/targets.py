"""Targets of the generation pass: what Stable Diffusion's text encoder makes of each caption (protocol 2.1)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from gill_bench.errors import InputError
from gill_bench.models.interleaved.loading import load_network
from gill_bench.models.literal import literal
from gill_bench.models.stable_diffusion.tokens import tokenize
from gill_bench.progress import bar
from gill_bench.storage.paths import temporary_beside
from gill_bench.weights.checkpoints import LOADING_ERRORS, first_line

BATCH = 128  # the authors'


def write_targets(captions: Mapping[Path, str], folder: Path, device: str = "cpu") -> int:
    """Write last hidden states (L, width), of captions padded to the encoder's context L and cut on the right.

    float16 on an accelerator, float32 on a CPU. Files that exist are left alone: remove them to change the encoder.

    Args:
        captions: Caption by the file to write.
        folder: A Stable Diffusion pipeline, or a folder with a CLIP text model and its tokenizer.
        device: A torch device.

    Returns:
        Number of files written.

    Raises:
        InputError: The folder does not hold a text encoder.
    """
    from transformers import CLIPTextModel, CLIPTokenizer

    wanted = [(file, caption) for file, caption in captions.items() if not file.is_file()]
    if not wanted:
        return 0
    inner = (folder / "text_encoder").is_dir()
    try:
        words = folder / "tokenizer" if inner else folder
        tokenizer = literal(CLIPTokenizer.from_pretrained(words, local_files_only=True))
    except LOADING_ERRORS as error:
        raise InputError(f"{folder}: its tokenizer cannot be loaded: {first_line(error)}") from error
    dtype = torch.float32 if device == "cpu" else torch.float16
    encoder = load_network(CLIPTextModel, folder / "text_encoder" if inner else folder, dtype, device)
    length = int(encoder.config.max_position_embeddings)
    for parent in {file.parent for file, _ in wanted}:
        parent.mkdir(parents=True, exist_ok=True)
    with bar("targets", len(wanted), "captions") as step:
        for begin in range(0, len(wanted), BATCH):
            part = wanted[begin : begin + BATCH]
            ids = tokenize(tokenizer, [caption for _, caption in part], "right", length).ids
            with torch.inference_mode():
                # Without a mask over the padding, as the pipeline calls it.
                states = encoder(ids.to(device)).last_hidden_state.cpu().numpy()
            for (file, _), values in zip(part, states, strict=True):
                _write(file, values)
            step(len(part))
    return len(wanted)


def _write(file: Path, values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, values)
    # Not flushed to disk one by one, which would take hours for millions; a cut-off file is an error when it is read.
    temporary = temporary_beside(file)
    temporary.write_bytes(buffer.getvalue())
    temporary.replace(file)
