"""Time until a large gallery shows its first pictures, and the longest pause while it is scrolled.

    python -m benchmarks.gallery [--examples 5000] [--seeds 5] [--models 3] [--keep DIR]

The page is made up: pictures of noise, stories of five captions and four pictures, two metrics. A browser opens it from
disk, scrolls 60 times by half a window, and jumps to the end. Aims: open in under two seconds, and scroll without a
pause that one sees.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from gill_bench.analysis.gallery_records import ExampleScores, Gallery, GalleryExample, PictureFile, ShownOutput
from gill_bench.reporting.page import PageContent, write_page
from tests.support.chromium import browser_program

WORDS = ["we", "saw", "a", "large", "yellow", "triangle", "at", "the", "left", "then", "it", "moved", "to", "a", "hill"]
SIDE = 24
FRAMES = """() => {
  globalThis.pauses = [];
  let last = performance.now();
  const step = (now) => { pauses.push(now - last); last = now; requestAnimationFrame(step); };
  requestAnimationFrame(step);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=5000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--models", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="Make the page here, unless it is there, and keep it.")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="gill-bench-gallery-"))
    try:
        if not (folder / "page" / "index.html").is_file():
            make(folder, options.examples, options.seeds, options.models)
        print(json.dumps(measure(folder / "page" / "gallery-vist.html")))
    finally:
        if not options.keep:
            shutil.rmtree(folder)


def make(folder: Path, examples: int, seeds: int, models: int) -> None:
    """Write the page; each output is a picture of its own, photos are shared by neighbouring stories."""
    draw = np.random.default_rng(0)
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    names = [f"model-{letter}" for letter in "abcdefgh"[:models]]

    def picture(name: str) -> Path:
        file = folder / "pictures" / f"{name}.png"
        Image.fromarray(draw.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)).save(file, compress_level=0)
        return file

    photos = [PictureFile(f"photo-{number}", picture(f"photo-{number}")) for number in range(examples + 4)]
    stories = []
    for number in range(examples):
        prompt: list[str | PictureFile] = []
        for part in range(5):
            prompt.append(" ".join(np.roll(WORDS, number + part)))
            prompt += [photos[number + part]] if part < 4 else []
        outputs = {
            name: tuple(ShownOutput(seed, picture(f"{number}-{name}-{seed}")) for seed in range(seeds))
            for name in names
        }
        story = GalleryExample(
            str(number), str(number // 2), tuple(prompt), photos[number + 4], (), {"half": str(number % 2)}, outputs
        )
        stories.append(story)
    scores = [
        ExampleScores(
            metric,
            higher,
            {
                name: {
                    seed: {
                        story.example: value
                        for story, value in zip(stories, draw.normal(0.6, 0.1, examples).tolist(), strict=True)
                    }
                    for seed in range(seeds)
                }
                for name in names
            },
        )
        for metric, higher in (("clip-similarity", True), ("lpips", False))
    ]
    gallery = Gallery("vist", "Stories", "5-captions-4-images", tuple(names), stories, scores)
    write_page(folder / "page", PageContent([], [gallery]))


def measure(page: Path) -> dict[str, float]:
    """Open the page twice, the second time with a warm cache of the disk, then scroll it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=browser_program(), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        seconds = []
        for _ in range(2):
            tab.goto("about:blank")
            start = time.perf_counter()
            tab.goto(page.as_uri())
            tab.wait_for_selector(".example .shot img")
            seconds.append(time.perf_counter() - start)
        tab.evaluate(FRAMES)
        tab.mouse.move(640, 500)
        for _ in range(60):
            tab.mouse.wheel(0, 400)
            tab.wait_for_timeout(16)
        tab.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        tab.wait_for_timeout(500)
        pause, articles = tab.evaluate("[Math.max(...pauses), document.querySelectorAll('.example').length]")
        browser.close()
    return {
        "opened_s": round(seconds[0], 2),
        "opened_again_s": round(seconds[1], 2),
        "longest_pause_ms": round(pause),
        "examples_in_the_document": articles,
        "load": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    main()
