"""Targets of the generation pass: the output of Stable Diffusion's text encoder for each caption (protocol 2.1)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from gill_bench.models.interleaved.loading import load_network
from gill_bench.models.literal import literal
from gill_bench.models.stable_diffusion.tokens import tokenize
from gill_bench.progress import bar
from gill_bench.storage.paths import temporary_beside
from gill_bench.weights.loading import read_part

BATCH = 128  # captions in one pass of the text encoder, as in the authors' code


def write_targets(captions: Mapping[Path, str], folder: Path, device: str = "cpu") -> int:
    """Write the encoder's last hidden states (L, width) of captions, padded to its context L and cut on the right.

    Values are float16 on an accelerator, float32 on a CPU. Existing files are left alone: remove them to change the
    encoder.

    Args:
        captions: Caption of each file to write.
        folder: A Stable Diffusion pipeline, or a folder with a CLIP text model and its tokenizer.
        device: A torch device.

    Returns:
        Number of files written.

    Raises:
        InputError: The folder does not hold a text encoder.
    """
    from transformers import CLIPTextModel, CLIPTokenizer

    missing = [(file, caption) for file, caption in captions.items() if not file.is_file()]
    if not missing:
        return 0
    inner = (folder / "text_encoder").is_dir()
    tokenizer = literal(read_part(CLIPTokenizer, folder / "tokenizer" if inner else folder, "tokenizer"))
    dtype = torch.float32 if device == "cpu" else torch.float16
    encoder = load_network(CLIPTextModel, folder / "text_encoder" if inner else folder, dtype, device)
    length = int(encoder.config.max_position_embeddings)
    for parent in {file.parent for file, _ in missing}:
        parent.mkdir(parents=True, exist_ok=True)
    with bar("targets", len(missing), "captions") as step:
        for begin in range(0, len(missing), BATCH):
            part = missing[begin : begin + BATCH]
            ids = tokenize(tokenizer, [caption for _, caption in part], "right", length).ids
            with torch.inference_mode():
                # No mask covers the padding, because Stable Diffusion's pipeline calls the encoder without one.
                states = encoder(ids.to(device)).last_hidden_state.cpu().numpy()
            for (file, _), values in zip(part, states, strict=True):
                _write(file, values)
            step(len(part))
    return len(missing)


def _write(file: Path, values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, values)
    # Files are not flushed to disk one by one, which would take hours for millions of them; a file that is cut off is
    # an error when it is read.
    temporary = temporary_beside(file)
    temporary.write_bytes(buffer.getvalue())
    temporary.replace(file)
