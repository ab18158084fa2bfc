"""Samples as plain files with a list that `gill-bench import` reads, or as a data set of the library `datasets`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from gill_bench.errors import InputError
from gill_bench.exchange.export_files import Export, ExportFile, picture_file, readable_names, text_file
from gill_bench.exchange.exported_cell import ExportedCell
from gill_bench.exchange.manifest import MANIFEST, ManifestEntry
from gill_bench.rundir.records import Sample
from gill_bench.storage.json import to_json

_MARK = "\ufeff"  # a text that begins with it would lose it in a file


def folder_export(cell: ExportedCell) -> Export:
    """Pictures as `<seed>/<id>.png`, or texts as `<seed>/<id>.txt`, with their list."""
    names = _names(cell)
    files: list[ExportFile] = []
    lines = []
    for (name, seed), sample in cell.samples.items():
        entry: dict[str, Any] = {
            "id": name,
            "seed": seed,
            "given": cell.given(sample),
            "flagged": sample.flagged,
            "truncated": sample.truncated,
            **cell.key._asdict(),
        }
        text = sample.output.get("text", "")
        if sample.image:
            files.append(picture_file(cell, sample, f"{seed}/{names[name]}.png"))
            entry |= {"file": files[-1].path, "sha256": sample.sha256}
        elif text.startswith(_MARK):
            entry["text"] = text
        else:
            files.append(text_file(f"{seed}/{names[name]}.txt", [text]))
            entry |= {"file": files[-1].path, "sha256": hashlib.sha256(files[-1].content()).hexdigest()}
        lines.append(ManifestEntry(**entry).line())
    return Export([*files, text_file(MANIFEST, lines)], (f"{MANIFEST} says whose each file is",), len(cell.samples))


def hf_export(cell: ExportedCell) -> Export:
    """Pictures with `metadata.jsonl`, as the builder `imagefolder` reads them; texts as JSON lines."""
    names = _names(cell)
    if not cell.has_pictures:
        lines = [to_json({**_row(cell, sample), "text": sample.output["text"]}) for sample in cell.samples.values()]
        advice = 'load_dataset("json", data_dir="DIR/train") reads it'
        return Export([text_file("train/data.jsonl", lines)], (advice,), len(lines))
    files, lines = [], []
    for (name, seed), sample in cell.samples.items():
        file = f"{names[name]}_{seed}.png"
        files.append(picture_file(cell, sample, f"train/{file}"))
        lines.append(to_json({"file_name": file, **_row(cell, sample)}))
    advice = 'load_dataset("imagefolder", data_dir="DIR") reads it'
    return Export([*files, text_file("train/metadata.jsonl", lines)], (advice,), len(lines))


def _names(cell: ExportedCell) -> Mapping[str, str]:
    return readable_names(list(dict.fromkeys(name for name, _ in cell.samples)))


def _row(cell: ExportedCell, sample: Sample) -> dict[str, Any]:
    """The columns of a sample besides its picture or text; every row has the same, as tables need."""
    prompt = sample.details.get("prompt")
    if not isinstance(prompt, list):
        raise InputError(f"{cell.key}: example {sample.example!r}: the run does not say what its prompt was")
    return {
        "id": sample.example,
        "seed": sample.seed,
        **cell.key._asdict(),
        "prompt": " ".join(part for part in prompt if isinstance(part, str)),
        "prompt_parts": to_json(prompt),
        "target": str(sample.details.get("target") or ""),
        "cluster": sample.cluster,
        "flagged": sample.flagged,
        "truncated": sample.truncated,
    }
