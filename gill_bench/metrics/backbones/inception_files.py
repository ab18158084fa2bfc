"""The files with the weights of FID's Inception-v3, and their check, for which no network need be imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gill_bench.errors import InputError
from gill_bench.storage.reading import refuse_pointer

Mode = Literal["legacy_pytorch", "legacy_tensorflow", "clean"]


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """The source of a mode's weights.

    Attributes:
        file: The name of the file.
        url: The address from which it can be downloaded.
        size: The size for people: 23.9 million parameters in float32.
    """

    file: str
    url: str
    size: str


STATE_DICT = WeightsFile(
    "pt_inception-2015-12-05-6726825d.pth",
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    "about 96 MB",
)
_SCRIPT = WeightsFile(
    "inception-2015-12-05.pt",
    "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
    "about 96 MB",
)
WEIGHTS: Mapping[Mode, WeightsFile] = {
    "legacy_pytorch": STATE_DICT,
    "legacy_tensorflow": _SCRIPT,
    "clean": _SCRIPT,
}
"""The file that each mode needs. Both files hold the same parameters, in two formats; a mode reads one format only."""


def check_inception(weights: Path, mode: Mode) -> Path:
    """The path of the file of a mode's weights; the file is not read.

    Raises:
        InputError: The file does not exist; the message says what to download and where to put it.
    """
    source = WEIGHTS[mode]
    file = weights / source.file if weights.is_dir() or not weights.suffix else weights
    if not file.is_file():
        raise InputError(
            f"{file}: no such file; it holds the Inception of {mode}\n"
            f"download {source.url} ({source.size}) to {file.parent / source.file}"
        )
    if source is _SCRIPT and file.name != _SCRIPT.file:  # clean-fid opens the file by this name
        raise InputError(f"{file}: the TorchScript of {mode} is expected under the name {_SCRIPT.file}; rename it")
    refuse_pointer(file)
    return file
