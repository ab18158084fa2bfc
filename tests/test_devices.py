"""Devices by name: a missing device is refused in a line that names the existing ones."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gill_bench import devices
from gill_bench.devices import choose_device, measure_peak_memory, peak_memory
from gill_bench.errors import InputError


@pytest.mark.parametrize("name", ["nonsense", "cpu:x", "", "cuda:", "cuda:1:2"])
def test_a_device_that_torch_does_not_know_is_refused(name: str) -> None:
    with pytest.raises(InputError) as refused:
        choose_device(name)
    assert str(refused.value) == (
        f"--device {name}: torch knows no such device; expected auto, cpu, cuda, cuda:1, mps or xpu"
    )


@pytest.mark.parametrize("name", ["mps", "xpu", "cuda:99", "vulkan", "privateuseone", "hpu", "xla"])
def test_a_device_that_this_machine_lacks_is_refused(name: str) -> None:
    if name == "mps" and __import__("torch").backends.mps.is_available():
        pytest.skip("this machine has it")
    with pytest.raises(InputError) as refused:
        choose_device(name)
    message = str(refused.value)
    assert message.startswith(f"--device {name}: this machine or its build of torch (")
    assert "there is: cpu" in message
    assert len(message.splitlines()) == 1
    assert len(message) < 320


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu") == "cpu"


@pytest.mark.parametrize(
    ("platform", "files", "library", "imported", "expected"),
    [
        ("linux", ("no such device",), False, False, "cpu"),
        ("linux", ("no such device", "nul*"), False, False, "cuda"),
        ("linux", ("no such device",), True, False, "cuda"),
        ("linux", ("no such device",), False, True, "cuda"),
        ("win32", ("no such device",), False, False, "cuda"),
    ],
)
def test_torch_is_asked_for_cuda_unless_the_machine_has_no_driver(
    monkeypatch: pytest.MonkeyPatch, platform: str, files: tuple[str, ...], library: bool, imported: bool, expected: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    modules = {"torch": None} if imported else {}
    monkeypatch.setattr(devices, "sys", SimpleNamespace(platform=platform, modules=modules))
    monkeypatch.setattr(devices, "_CUDA_FILES", files)
    monkeypatch.setattr(devices, "_cuda_library", lambda: library)
    assert devices.choose_device("auto") == expected
    assert devices.device_is_here("cuda:1") is (expected == "cuda")


def test_the_peak_memory_is_that_of_the_named_cuda_device(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = {"cuda:0": 70, "cuda:1": 90}
    monkeypatch.setattr("torch.cuda.reset_peak_memory_stats", lambda device: peaks.update({device: 5}))
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda device: peaks[device])
    for device in ("cuda:1", "cpu"):
        measure_peak_memory(device)
    assert [peak_memory(device) for device in ("cuda:0", "cuda:1", "cpu")] == [70, 5, None]
