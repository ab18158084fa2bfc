"""Makes the pictures of the README: stories of the embedded world, and the gallery as a browser shows it.

python -m benchmarks.readme_pictures stories     docs/pictures/stories.png; a minute, and a test keeps it current
python -m benchmarks.readme_pictures gallery     docs/pictures/gallery.png; needs Chromium

Both run GILL and Stable Diffusion on the first stories of the embedded world, in the folder of `--run`.
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import sys
import textwrap
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import gill_bench
from gill_bench.analysis.galleries import SheetExample, picture_sheet
from gill_bench.evaluate import cells_of
from tests.support.chromium import browser_program

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
STORIES = 4
COLUMNS = (
    ("gill", "1-caption", "GILL,\n1 caption"),
    ("gill", "5-captions", "GILL,\n5 captions"),
    ("gill", "5-captions-4-images", "GILL, 5 captions\nand 4 pictures"),
    ("stable-diffusion", "5-captions", "Stable Diffusion,\n5 captions"),
)
_SIDE, _GAP, _APART, _LINE, _HEADING, _CHARACTERS = 128, 12, 36, 16, 48, 20


def run_stories(folder: Path, stories: int = STORIES, seeds: int = 1) -> gill_bench.Run:
    """Run the models on the first stories of the embedded world that are of different photo sequences.

    Args:
        folder: The run directory.
        stories: The number of stories; the world has two of each photo sequence.
        seeds: The number of seeds.
    """
    return gill_bench.run(
        "vist",
        out=folder,
        models=["gill", "stable-diffusion"],
        contexts=["1-caption", "5-captions", "5-captions-4-images"],
        seeds=seeds,
        limit=2 * stories,
        device="cpu",
    )


def draw_stories(run: gill_bench.Run, stories: int = STORIES) -> Image.Image:
    """Draw a row for each story: context, truth, and what each model made of it with seed 0.

    Args:
        run: The run of `run_stories`.
        stories: The number of rows.
    """
    cells = [cell for cell in cells_of(run.folder) if cell.task.card.name == "vist"]
    examples = picture_sheet(run.folder, cells, stories)
    height = _SIDE + 3 * _LINE + _GAP
    picture = Image.new("RGB", (_right(len(COLUMNS) + 5) - _GAP, _HEADING + len(examples) * height), "white")
    draw, bold, plain = ImageDraw.Draw(picture), ImageFont.load_default(15), ImageFont.load_default(13)
    draw.text((_right(0), 4), "Context: four captions and pictures, and the fifth caption", fill="black", font=bold)
    for column, title in enumerate(("Truth", *(title for _, _, title in COLUMNS)), start=4):
        draw.multiline_text((_right(column), 4), title, fill="black", font=bold)
    for row, example in enumerate(examples):
        top = _HEADING + row * height
        for column, (shown, words) in enumerate(_cells(example)):
            if shown is not None:
                large = shown.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
                picture.paste(large, (_right(column), top))
            lines = "\n".join(textwrap.wrap(words.replace(" .", "."), _CHARACTERS)[:3])
            draw.multiline_text((_right(column), top + _SIDE + 2), lines, fill="#444", font=plain, spacing=2)
    return picture


def _right(column: int) -> int:
    """The left edge of a column; the truth, and the first model, stand apart from what is left of them."""
    return column * (_SIDE + _GAP) + _APART * ((column > 3) + (column > 4)) + _GAP


def _cells(example: SheetExample) -> Iterator[tuple[Image.Image | None, str]]:
    yield from ((picture, text) for text, picture in example.turns[:-1])
    yield example.target, example.turns[-1][0]
    for model, context, _ in COLUMNS:
        yield example.outputs[model, context], ""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *words: object) -> None:
        """Say nothing of requests."""


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[str]:
    """Serve a folder on the loopback address; yields its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def photograph_gallery(run: gill_bench.Run, file: Path) -> None:
    """Write a screenshot of the gallery of a run.

    Args:
        run: The run of `run_stories`.
        file: The PNG to be written.
    """
    from playwright.sync_api import sync_playwright

    page_folder = run.page().parent
    with sync_playwright() as playwright, _served(page_folder) as address:
        browser = playwright.chromium.launch(executable_path=browser_program(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme="light")
        page.goto(f"{address}/gallery-vist.html")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=str(file))
        browser.close()


def main(words: list[str] | None = None) -> int:
    """Make one of the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", choices=("stories", "gallery"))
    parser.add_argument(
        "--run", type=Path, default=Path("runs/readme"), help="the run directory (default: runs/readme)"
    )
    chosen = parser.parse_args(words)
    PICTURES.mkdir(exist_ok=True)
    file = PICTURES / f"{chosen.picture}.png"
    if chosen.picture == "stories":
        draw_stories(run_stories(chosen.run)).quantize(256).save(file, optimize=True)
    else:
        photograph_gallery(run_stories(chosen.run, stories=6, seeds=2), file)
    sys.stdout.write(f"{file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
