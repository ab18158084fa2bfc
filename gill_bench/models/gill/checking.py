"""Checks of GILL's components that need no torch: files, arguments, and whether the models fit together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gill_bench.models.diffusers.folder import check_pipeline_folder
from gill_bench.models.gill.arguments import GillArguments
from gill_bench.models.interleaved.checking import check_reader_files
from gill_bench.models.interleaved.network_sizes import decoder_sizes


def check_files(weights: Mapping[str, Path], *, safety_checker: bool) -> GillArguments:
    """Check the files of all components, and return the content of `model_args.json`."""
    arguments = check_reader_files(weights, GillArguments, "GILL has image_decoder too")
    if "image_decoder" in weights:
        check_pipeline_folder(weights["image_decoder"], safety_checker=safety_checker)
        decoder_sizes(weights["image_decoder"])
    return arguments
