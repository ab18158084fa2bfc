"""Check GILL at full size on a machine with a GPU and measure its speed; prints one table and writes JSON.

    python -m benchmarks.gpu [--device cuda] [--dtypes bfloat16,float16] [--out gpu.json] [--tiny]

Nothing is downloaded: OPT-6.7B, CLIP-L/14 and Stable Diffusion v1.5 are built on the device from their sizes, with
random weights; the tokenizers and the stories are the embedded ones. So speed and memory are real, and pictures are
noise. The benchmark takes under eight minutes on a data-centre GPU; `--tiny` builds small networks, to try the
benchmark on a CPU.

Checks, for each precision: a small GILL agrees with its float32 copy on the CPU; the same seed gives the same picture
twice; the difference to the same picture in a larger batch is printed; nothing is NaN. Measures: seconds a picture by
batch, tokens a second of GILL and of its OPT alone, the whole run over the bare calls (aim: 1.05), the share of
generating in which no call is under way, peak memory, the search in 2.7 million candidates, and two processes on one
device.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import nn

from benchmarks.random_gill import FULL, RETRIEVAL_WIDTH, TINY, Sizes, build, prompts_of
from gill_bench.embeddings.search import blocks_of, top_k
from gill_bench.interfaces import Noise
from gill_bench.models.gill.model import Gill
from gill_bench.prompt import Prompt

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]
RELATIVE_ERROR = {"float32": 1e-3, "float16": 0.02, "bfloat16": 0.1}
"""Largest relative error of conditioning and embeddings, beside float32 on a CPU."""


def seconds(call: Callable[[], object], device: str, rounds: int = 1) -> float:
    """Return the seconds per call, after one call that is not counted; waits until the device has finished."""
    call()
    synchronize(device)
    start = time.perf_counter()
    for _ in range(rounds):
        call()
    synchronize(device)
    return (time.perf_counter() - start) / rounds


def synchronize(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def agreement(dtype: torch.dtype, device: str) -> dict[str, float]:
    """Return the relative errors of a small GILL against its copy in float32 on the CPU."""
    expected, _ = build(TINY, torch.float32, "cpu", made_on="cpu")
    other, _ = build(TINY, dtype, device, made_on="cpu")
    prompts = prompts_of(3)
    pictures = [part for part in prompts[0].segments if isinstance(part, Image.Image)]
    calls: dict[str, Callable[[Gill], Any]] = {
        "conditioning": lambda gill: gill.conditioning(prompts).float().cpu().numpy(),
        "prompt embeddings": lambda gill: gill.embed_prompts(prompts),
        "picture embeddings": lambda gill: gill.embed_images(pictures),
    }
    errors = {}
    for name, call in calls.items():
        right, computed = call(expected), call(other)
        errors[name] = float(np.linalg.norm(computed - right) / np.linalg.norm(right))
    return errors


def repeated(gill: Gill, batch: int) -> dict[str, int]:
    """Return the largest differences in grey levels of a picture made twice, and made alone and within a batch."""
    prompts, noise = prompts_of(batch), [[Noise(7 + number)] for number in range(batch)]

    def last(start: int) -> np.ndarray:
        return np.asarray(gill.generate_images(prompts[start:], noise[start:])[-1][0].image, dtype=np.int16)

    first = last(batch - 1)
    return {
        "twice": int(abs(first - last(batch - 1)).max()),
        f"in a batch of {batch}": int(abs(first - last(0)).max()),
    }


def pictures_by_batch(gill: Gill, sizes: Sizes, device: str) -> dict[str, float]:
    """Return the seconds per picture for each number of pictures of one prompt in a call."""
    [prompt] = prompts_of(1)

    def seconds_a_picture(batch: int) -> float:
        return seconds(lambda: gill.generate_images([prompt], [list(map(Noise, range(batch)))]), device) / batch

    return {str(batch): seconds_a_picture(batch) for batch in sizes.batches}


def tokens_a_second(gill: Gill, opt: Any, sizes: Sizes, device: str) -> dict[str, float]:
    """Return the tokens per second of greedy texts, from GILL and from its OPT alone in transformers."""
    count, new = 8, sizes.new_tokens
    prompts = [Prompt((f"a large red circle is at the left , {number} .",)) for number in range(count)]
    ids = torch.full((count, 16), 7, device=device)
    options = {"max_new_tokens": new, "min_new_tokens": new, "do_sample": False, "pad_token_id": 1}
    gill_seconds = seconds(lambda: gill.generate_texts(prompts, new), device)
    bare = seconds(lambda: opt.generate(ids, attention_mask=torch.ones_like(ids), **options), device)
    return {"gill": count * new / gill_seconds, "opt": count * new / bare}


def whole_run(gill: Gill, sizes: Sizes, device: str, out: Path) -> dict[str, float]:
    """Run `gill-bench run vist` with this model and divide its time by that of the model's and metrics' calls."""
    from gill_bench.evaluate import execute
    from gill_bench.planning.metrics import ResolvedMetric
    from gill_bench.planning.plan import make_plan
    from gill_bench.planning.request import RunRequest
    from gill_bench.planning.resolved import ResolvedModel

    calls: list[tuple[float, float]] = []

    def timed(call: Callable[..., T]) -> Callable[..., T]:
        def wrapped(*arguments: Any, **options: Any) -> T:
            synchronize(device)
            start = time.perf_counter()
            try:
                return call(*arguments, **options)
            finally:
                synchronize(device)
                calls.append((start, time.perf_counter()))

        return wrapped

    loading: list[float] = []
    load_model, load_metric = ResolvedModel.load, ResolvedMetric.load

    def metric(resolved: ResolvedMetric, where: str) -> Any:
        start = time.perf_counter()
        loaded: Any = load_metric(resolved, where)
        loading.append(time.perf_counter() - start)
        for name in ("prepare", "embed", "compare"):
            setattr(loaded, name, timed(getattr(loaded, name)))
        return loaded

    generate = gill.generate_images
    request = RunRequest(
        tasks=("vist",), out=out, models=("gill",), contexts=("5-captions-4-images",), seeds=5, limit=sizes.stories,
        device=device, workers=1,
    )  # fmt: skip
    setattr(gill, "generate_images", timed(generate))  # noqa: B010
    setattr(ResolvedModel, "load", lambda *_: gill)  # noqa: B010
    setattr(ResolvedMetric, "load", metric)  # noqa: B010
    try:
        plan = make_plan(request)
        start = time.perf_counter()
        execute(plan)
        whole = time.perf_counter() - start - sum(loading)
    finally:
        setattr(ResolvedModel, "load", load_model)  # noqa: B010
        setattr(ResolvedMetric, "load", load_metric)  # noqa: B010
        setattr(gill, "generate_images", generate)  # noqa: B010
    pictures = calls[: -(-sizes.stories // plan.cells[0].cell.unit_size)] or calls
    generating = pictures[-1][1] - pictures[0][0]
    return {
        "whole over calls": whole / sum(end - begin for begin, end in calls),
        "idle share of generating": 1 - sum(end - begin for begin, end in pictures) / generating,
    }


def search(sizes: Sizes, device: str) -> float:
    """Return the seconds that finding the five nearest candidates of 64 queries takes."""
    with torch.device(device):
        vectors = nn.functional.normalize(torch.randn(sizes.candidates, RETRIEVAL_WIDTH, dtype=torch.float16))
    candidates = vectors.cpu().numpy()
    start = time.perf_counter()
    top_k(candidates[:64].astype(np.float32), blocks_of(candidates), 5)
    return time.perf_counter() - start


def child(sizes: Sizes, dtype: torch.dtype, device: str) -> None:
    """Be one of two processes: print when ready, wait for a line, and print the pictures generated per second."""
    gill, _ = build(sizes, dtype, device)
    batch = min(5, max(sizes.batches))
    [prompt] = prompts_of(1)

    def call() -> object:
        return gill.generate_images([prompt], [list(map(Noise, range(batch)))])

    call()
    print("ready", flush=True)
    sys.stdin.readline()
    print(batch / seconds(call, device, rounds=2), flush=True)


def two_processes(options: argparse.Namespace, dtype: str) -> float | str:
    """Return the pictures per second of two processes together on one device, or the reason why they failed."""
    words = [sys.executable, "-m", "benchmarks.gpu", "--child", "--dtypes", dtype, "--device", options.device]
    words += ["--tiny"] if options.tiny else []
    pipes: dict[str, Any] = {
        "cwd": ROOT,
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    both: list[subprocess.Popen[str]] = [subprocess.Popen(words, text=True, **pipes) for _ in range(2)]
    ready = [process.stdout.readline() for process in both if process.stdout]
    outputs = [process.communicate("go\n" if all(ready) else None) for process in both]
    if any(process.returncode for process in both):
        return " ".join(said.strip().splitlines()[-1] for _, said in outputs if said.strip())
    return sum(float(out) for out, _ in outputs)


def measure(options: argparse.Namespace, sizes: Sizes, dtype: str) -> dict[str, Any]:
    """Return all checks and measurements in one precision."""
    device, kind = options.device, getattr(torch, dtype)
    errors = agreement(kind, device)
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    gill, opt = build(sizes, kind, device)
    line: dict[str, Any] = {
        "relative error": errors,
        "grey levels": repeated(gill, min(5, max(sizes.batches))),
        "seconds a picture": pictures_by_batch(gill, sizes, device),
        "tokens a second": tokens_a_second(gill, opt, sizes, device),
    }
    with tempfile.TemporaryDirectory(prefix="gill-bench-gpu-") as folder:
        line["run"] = whole_run(gill, sizes, device, Path(folder) / "run")
    if torch.device(device).type == "cuda":
        line["peak memory in GiB"] = torch.cuda.max_memory_allocated() / 2**30
    line["nothing is NaN"] = bool(np.isfinite(list(errors.values())).all())  # a picture that is not finite is an error
    del gill, opt
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()
    line["pictures a second of two processes"] = two_processes(options, dtype)
    return line


def rows(content: dict[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    """Return the lines of a table that shows nested results."""
    for name, value in content.items():
        label = f"{above}{name}"
        if isinstance(value, dict):
            yield from rows(value, f"{label}: ")
        else:
            yield label, f"{value:.4g}" if isinstance(value, float) else value


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtypes", default="bfloat16,float16")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--tiny", action="store_true", help="small sizes, for a CPU")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    sizes = TINY if options.tiny else FULL
    dtypes = options.dtypes.split(",")
    if options.child:
        child(sizes, getattr(torch, dtypes[0]), options.device)
        return 0
    name = torch.cuda.get_device_name() if torch.device(options.device).type == "cuda" else options.device
    content: dict[str, Any] = {"device": name, "torch": torch.__version__, "size": "tiny" if options.tiny else "full"}
    content |= {dtype: measure(options, sizes, dtype) for dtype in dtypes}
    content["search"] = {f"seconds for {sizes.candidates} candidates": search(sizes, options.device)}
    for label, value in rows(content):
        print(f"{label:58} {value}")
    if options.out:
        options.out.write_text(json.dumps(content, indent=1))
    wrong = [
        f"{dtype}: {what} differs by {error:.2g} from float32 on a CPU"
        for dtype in dtypes
        for what, error in content[dtype]["relative error"].items()
        if not error < RELATIVE_ERROR[dtype]
    ]
    wrong += [
        f"{dtype}: the same seed gives another picture" for dtype in dtypes if content[dtype]["grey levels"]["twice"]
    ]
    for line in wrong:
        print(f"wrong: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
