"""Torch devices by the names that users give them, and CPU threads; a device that is missing is an error of a line."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

from gill_bench.errors import InputError, first_line


def use_threads(threads: int) -> int:
    """Set the number of CPU threads that torch uses, or with 0 leave it; returns the number in use."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    return torch.get_num_threads()


def device_is_here(device: str) -> bool:
    """Whether this machine has a device that the nodes of a cluster have."""
    return not device.startswith("cuda") or _cuda_is_here()


_CUDA_FILES = ("nvidia*", "nvhost*", "nvmap", "dxg", "kfd")
"""Patterns of files in /dev: those of NVIDIA's drivers, also on Jetson and under Windows, and of AMD's."""


def _cuda_is_here() -> bool:
    """Whether torch has a CUDA device; torch is not imported where the machine has no driver of one."""
    if "torch" not in sys.modules and sys.platform == "linux":
        # The files may be made only when a device is first used, but not without the driver's library.
        if not any(file for pattern in _CUDA_FILES for file in Path("/dev").glob(pattern)) and not _cuda_library():
            return False
    import torch

    return torch.cuda.is_available()


def _cuda_library() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def choose_device(name: str, threads: int = 0) -> str:
    """Check a torch device by its name; "auto" is the first CUDA device, else the CPU.

    Args:
        name: The name of a torch device, or "auto".
        threads: CPU threads for torch; 0 leaves their number as it is.

    Raises:
        InputError: This machine has no such device.
    """
    if threads:
        use_threads(threads)
    if name == "auto":
        return "cuda" if _cuda_is_here() else "cpu"
    if name == "cpu":
        return name
    import torch

    try:
        kind = torch.device(name).type
    except RuntimeError as error:
        raise InputError(
            f"--device {name}: torch knows no such device; expected auto, cpu, cuda, cuda:1, mps or xpu"
        ) from error
    try:
        torch.empty(0, device=name)
    except Exception as error:  # each backend raises errors of its own kind, some with pages of text
        raise InputError(
            f"--device {name}: this machine or its build of torch ({torch.__version__}) has no such device"
            f" ({_short(error)}); there is: {', '.join(_devices_here(kind))}"
        ) from error
    return name


def _short(error: Exception) -> str:
    return first_line(error).partition(". ")[0][:160].rstrip(".")


def _devices_here(kind: str) -> list[str]:
    """Names of the devices of this machine, for a message."""
    import torch

    names = ["cpu"]
    if torch.backends.mps.is_available():
        names.append("mps")
    for other in dict.fromkeys(("cuda", "xpu", kind)):
        backend = getattr(torch, other, None)
        available = getattr(backend, "is_available", None)
        if backend is not None and other not in ("cpu", "mps") and callable(available) and available():
            names += [f"{other}:{number}" for number in range(backend.device_count())]
    return names


def free_memory(device: str) -> None:
    """Give memory that nothing uses any more back to a device, as after an error that memory ran out."""
    import gc

    import torch

    gc.collect()
    backend = getattr(torch, device.partition(":")[0], None)
    if backend is not None and hasattr(backend, "empty_cache"):
        backend.empty_cache()


def measure_peak_memory(device: str) -> None:
    """Begin to measure the memory that `peak_memory` returns."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: str) -> int | None:
    """The most bytes that tensors had at one time since `measure_peak_memory`; None on devices other than CUDA's."""
    import torch

    return torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else None
