"""The share of a run in which a model is busy, for a device that needs no processor: each call of the model sleeps.

    python -m benchmarks.busy [--kinds pictures,texts,embeddings] [--units 1,4,16] [--side 64]
                               [--contexts 5-captions]

A run reads real photos for its prompts (those of GILL_BENCH_TEST_DATA where it is set, else pictures of the size of
photos), and stores pictures of 512 pixels. With `--side` all of these are of so many pixels each way, so that few
processors can read and write them in the time of a call. Without `--contexts` prompts of stories are those of the
paper, of which one has four photos. The device sleeps `--pause` seconds a call, or a prompt with `--a-prompt`. From the
start of the first call to the end of the last, the benchmark prints the share of time in which a call is under way
(aim: 0.97), and the share in which the device was to sleep, which is less where the model's thread does not go on at
once after it. For the time between two calls there are the median, and the processor time of the model's thread in it;
at the end the processor time of all threads, which a machine with few processors may lack.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gill_bench.cards.find import builtin_folder
from gill_bench.interfaces import Noise
from gill_bench.planning.resolved import ResolvedModel
from gill_bench.prompt import Prompt

CARDS = Path(__file__).resolve().parents[1] / "tests" / "cards"
SIDE, PHOTO, WIDTH = 512, (640, 480), 256
KINDS = {"pictures": "vist", "texts": "vqav2", "embeddings": "vist-retrieval"}
"""The task that asks for each kind of output."""


@dataclass
class Device:
    """A model whose calls sleep.

    Attributes:
        pause: The seconds that a call sleeps.
        a_prompt: Whether it sleeps so long for each prompt or picture that it is given.
        picture: The picture that it returns.
        calls: Start and end of each call, and the processor time of its thread at both.
    """

    pause: float
    a_prompt: bool
    picture: Image.Image
    calls: list[tuple[float, float, float, float]] = field(default_factory=list)

    def generate_images(self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]) -> list[list[Image.Image]]:
        self._sleep(len(prompts))
        return [[self.picture for _ in seeds] for seeds in noise]

    def generate_texts(self, prompts: Sequence[Prompt], max_new_tokens: int, stop: Sequence[str] = ()) -> list[str]:
        self._sleep(len(prompts))
        return ["a dog"] * len(prompts)

    def embed_prompts(self, prompts: Sequence[Prompt]) -> Any:
        return self._vectors(len(prompts))

    def embed_images(self, images: Sequence[Image.Image]) -> Any:
        return self._vectors(len(images))

    def _vectors(self, count: int) -> Any:
        self._sleep(count)
        return np.eye(1, WIDTH, dtype=np.float32).repeat(count, axis=0)

    def _sleep(self, count: int) -> None:
        start, processor = time.perf_counter(), time.thread_time()
        time.sleep(self.pause * (count if self.a_prompt else 1))
        self.calls.append((start, time.perf_counter(), processor, time.thread_time()))


def photos(side: int = 0) -> list[Path | Image.Image]:
    """Return the photos of the test data, or one picture of noise as large as a photo, or of a side."""
    if side:
        return [_noise((side, side))]
    folder = Path(os.environ.get("GILL_BENCH_TEST_DATA", "")) / "coco"
    files: list[Path | Image.Image] = [*sorted(folder.glob("*2017/*.jpg"))] if folder.is_absolute() else []
    return files or [_noise(PHOTO)]


def _noise(size: tuple[int, int]) -> Image.Image:
    coarse = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def _put(photo: Path | Image.Image, file: Path) -> None:
    """Put a photo where a data set has it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(photo, Path):
        file.symlink_to(photo)
    else:
        photo.save(file)


def write_stories(folder: Path, count: int, side: int) -> None:
    """Write stories of five photos each in the format of VIST."""
    sources, sentences = photos(side), []
    for number in range(count * 5):
        story, turn = divmod(number, 5)
        _put(sources[number % len(sources)], folder / "images" / "val" / f"{number}.jpg")
        sentence = {"album_id": str(story), "story_id": str(story), "storylet_id": str(number)}
        sentence |= {"photo_flickr_id": str(number), "tier": "story-in-sequence", "setting": "first-2-pick-and-tell"}
        text = f"we saw thing {number} here ."
        sentences.append([{**sentence, "worker_arranged_photo_order": turn, "original_text": text, "text": text}])
    images = [{"id": str(number), "album_id": str(number // 5)} for number in range(count * 5)]
    (folder / "sis").mkdir()
    content = {"images": images, "albums": [], "annotations": sentences}
    (folder / "sis" / "val.story-in-sequence.json").write_text(json.dumps(content))


def write_questions(folder: Path, count: int, side: int) -> None:
    """Write questions in the format of VQAv2, each about a photo of its own."""
    sources, questions, annotations = photos(side), [], []
    for number in range(count):
        _put(sources[number % len(sources)], folder / "val2014" / f"COCO_val2014_{number:012d}.jpg")
        about = {"question_id": number, "image_id": number}
        answers = [{"answer": "dog", "answer_confidence": "yes", "answer_id": answer} for answer in range(1, 11)]
        questions.append({**about, "question": f"is it thing {number}?"})
        annotations.append({**about, "question_type": "is", "answer_type": "other", "answers": answers})
    common = {"data_type": "mscoco", "data_subtype": "val2014"}
    for name, content in (
        ("OpenEnded_mscoco_val2014_questions", questions),
        ("mscoco_val2014_annotations", annotations),
    ):
        key = name.rpartition("_")[2]
        (folder / f"v2_{name}.json").write_text(json.dumps({**common, key: content}))


def card_with_units(task: str, size: int, folder: Path) -> None:
    """Write a task's card with another size of units."""
    lines = (builtin_folder() / "tasks" / f"{task}.toml").read_text(encoding="utf-8").splitlines()
    lines = [f"unit_size = {size}" if line.startswith("unit_size") else line for line in lines]
    folder.mkdir()
    (folder / f"{task}.toml").write_text("\n".join(lines), encoding="utf-8")


def measure(
    kind: str,
    unit: int,
    pause: float,
    calls: int,
    a_prompt: bool,
    side: int,
    folder: Path,
    contexts: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Run a task with units of a size for so many calls, and return the shares and times."""
    from gill_bench import evaluate
    from gill_bench.planning.plan import make_plan
    from gill_bench.planning.request import RunRequest
    from gill_bench.rundir.rows import Results

    task, data, split = KINDS[kind], folder / "data", "val2014" if kind == "texts" else "val"
    data.mkdir(parents=True)
    (write_questions if kind == "texts" else write_stories)(data, unit * calls, side)
    card_with_units(task, unit, folder / "cards")
    request = RunRequest(
        tasks=(task,), out=folder / "run", models=("able",), data=str(data), split=split, seeds=1, device="cpu",
        workers=1, threads=1, contexts=contexts, metric_weights="mini", card_folders=(CARDS, folder / "cards"),
    )  # fmt: skip
    device = Device(pause, a_prompt, _noise((side or SIDE, side or SIDE)))
    load, finish = ResolvedModel.load, evaluate.finish
    setattr(ResolvedModel, "load", lambda *_: device)  # noqa: B010
    setattr(evaluate, "finish", lambda *_, **__: Results(()))  # noqa: B010
    try:
        plan = make_plan(request)
        processor = time.process_time()
        evaluate.execute(plan)
        processor = time.process_time() - processor
    finally:
        setattr(ResolvedModel, "load", load)  # noqa: B010
        setattr(evaluate, "finish", finish)  # noqa: B010
    return {
        "kind": kind,
        "unit": unit,
        **shares(device.calls, pause * (unit if a_prompt else 1)),
        "all threads ms a call": round(1000 * processor / len(device.calls), 1),
    }


def shares(calls: Sequence[tuple[float, float, float, float]], pause: float) -> dict[str, Any]:
    """Return how busy a device was that slept `pause` seconds a call, from its first call's start to its last's end."""
    between = [(later[0] - call[1], later[2] - call[3]) for call, later in pairwise(calls)]
    whole = calls[-1][1] - calls[0][0]
    return {
        "calls": len(calls),
        "busy": round(1 - sum(gap for gap, _ in between) / whole, 4),
        "asleep": round(len(calls) * pause / whole, 4),
        "between ms": round(1000 * statistics.median(gap for gap, _ in between), 2),
        "of it processor ms": round(1000 * statistics.median(processor for _, processor in between), 2),
    }


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--units", default="1,4,16")
    parser.add_argument("--pause", type=float, default=0.05)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--a-prompt", action="store_true")
    parser.add_argument("--side", type=int, default=0)
    parser.add_argument("--contexts", default="")
    options = parser.parse_args(words)
    contexts = tuple(options.contexts.split(",")) if options.contexts else ()
    for kind in options.kinds.split(","):
        for unit in map(int, options.units.split(",")):
            with tempfile.TemporaryDirectory(prefix="gill-bench-busy-") as name:
                line = measure(
                    kind, unit, options.pause, options.calls, options.a_prompt, options.side, Path(name), contexts
                )
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
