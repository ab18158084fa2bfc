"""The blocks of docs/paper-notes.md print the output that the document shows; blocks marked slow are not run."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gill_bench.cli import main
from gill_bench.errors import InputError
from gill_bench.metrics.functional.captions import require_wordnet
from tests.conftest import ROOT

DOCUMENT = (ROOT / "docs" / "paper-notes.md").read_text(encoding="utf-8")
_FENCE = re.compile(r"^```(\w+) ?(.*?)\n(.*?)^```$(?:\n\nprints:\n\n```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Block:
    """A fenced block, its marks ("slow", "needs=...", "within=..."), and the output that the document shows."""

    language: str
    marks: dict[str, str]
    code: str
    prints: str | None


@dataclass(frozen=True)
class Note:
    """A numbered note."""

    number: int
    text: str
    blocks: list[Block] = field(default_factory=list)

    @property
    def needs(self) -> list[str]:
        return sorted({need for block in self.run for need in block.marks.get("needs", "").split(",") if need})

    @property
    def run(self) -> list[Block]:
        return [block for block in self.blocks if block.language in ("sh", "python") and "slow" not in block.marks]


def blocks_of(text: str) -> list[Block]:
    blocks = []
    for language, info, code, prints in _FENCE.findall(text):
        marks = dict((*word.split("=", 1), "")[:2] for word in info.split())
        blocks.append(Block(language, marks, code, prints or None))
    return blocks


def notes() -> list[Note]:
    parts = re.split(r"^### (\d+)\. ", re.split(r"^## What needs", DOCUMENT, flags=re.MULTILINE)[0], flags=re.MULTILINE)
    return [Note(int(number), text, blocks_of(text)) for number, text in zip(parts[1::2], parts[2::2], strict=True)]


NOTES = notes()
[FIRST] = [block.code for block in blocks_of(DOCUMENT) if "first" in block.marks]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A Python session in a folder that holds the blocks' `data`."""
    folder = tmp_path_factory.mktemp("notes")
    (folder / "data").mkdir()
    names: dict[str, Any] = {}
    with contextlib.chdir(folder):
        exec(FIRST, names)
        yield names


def linked(folder: Path, real: Path, picture: str = "") -> None:
    """Links to a slice of the real data; without its pictures a reader wants to see at least one."""
    if folder.exists():
        return
    folder.mkdir()
    for path in real.iterdir():
        (folder / path.name).symlink_to(path)
    if picture:
        (folder / picture).parent.mkdir()
        (folder / picture).touch()


METEOR = 23
"""The note that starts METEOR, in ten seconds of a processor."""
SLICES = {
    "coco": ("coco", ""),
    "gill_opt": ("gill", ""),
    "partiprompts": ("partiprompts", ""),
    "visdial": ("visdial", "VisualDialog_val2018/VisualDialog_val2018_000000239030.jpg"),
    "vist": ("vist", ""),
    "vqav2": ("vqav2/slice_1000", "train2014/000000540769.jpg"),
}


def missing(tool: str) -> str | None:
    """The reason why a block cannot run because a tool is missing; None if it can."""
    if tool == "java":
        return None if shutil.which("java") else "no Java on PATH"
    if tool == "clip-bpe":
        return None if importlib.util.find_spec("open_clip") else "no open_clip_torch, which brings CLIP's vocabulary"
    assert tool == "wordnet", tool
    try:
        require_wordnet()
    except InputError as error:
        return str(error)
    return None


def run(block: Block, names: dict[str, Any]) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        if block.language == "sh":
            for line in block.code.splitlines():
                program, *words = shlex.split(line)
                assert program == "gill-bench"
                assert main(words) == 0, line
        else:
            exec(compile(block.code, "docs/paper-notes.md", "exec"), names)
    lines = said.getvalue().splitlines()
    return "\n".join(line.rstrip() for line in lines if not line.startswith("PTBTokenizer tokenized")) + "\n"


def compare(printed: str, expected: str, within: float) -> None:
    """Compare two texts, which must be equal but for numbers; those may differ by the relative difference `within`."""
    if not within:
        assert printed == expected
        return
    assert _NUMBER.sub("#", printed) == _NUMBER.sub("#", expected), printed
    numbers = [[float(number) for number in _NUMBER.findall(text)] for text in (printed, expected)]
    assert numbers[0] == pytest.approx(numbers[1], rel=within), printed


@pytest.mark.filterwarnings("ignore")  # of the libraries that a reader's blocks call
@pytest.mark.parametrize(
    "note",
    [pytest.param(note, marks=pytest.mark.slow) if note.number == METEOR else note for note in NOTES],
    ids=lambda note: str(note.number),
)
def test_a_note_prints_what_it_says(
    note: Note, session: dict[str, Any], request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    if not note.run:
        pytest.skip("its commands take long, and are not run again")
    for name in set(note.needs) & SLICES.keys():
        real, picture = SLICES[name]
        linked(Path("data") / name, request.getfixturevalue("real_data") / real, picture)
    ran = []
    for block in note.run:
        reasons = [missing(tool) for tool in block.marks.get("needs", "").split(",") if tool and tool not in SLICES]
        if any(reasons):
            continue
        ran.append(block)
        printed = run(block, session)
        if block.prints is not None:
            compare(printed, block.prints, float(block.marks.get("within", 0)))
    if not ran:
        pytest.skip("; ".join(filter(None, map(missing, [need for need in note.needs if need not in SLICES]))))


def test_every_note_has_a_command_and_its_number() -> None:
    assert [note.number for note in NOTES] == list(range(1, len(NOTES) + 1))
    assert len(NOTES) >= 20
    for note in NOTES:
        assert note.blocks, note.number
        shown = [block for block in note.blocks if block.prints is not None or block.language == "text"]
        assert shown, note.number
        assert all(block.prints is not None for block in note.run if block.language == "python"), note.number


def settings_of(card: str) -> set[str]:
    """Keys that `--set CARD.KEY` knows, of a card of the repository."""
    folder = "tasks" if (ROOT / "tasks" / f"{card}.toml").is_file() else "baselines"
    content = tomllib.loads((ROOT / folder / f"{card}.toml").read_text(encoding="utf-8"))
    tables = [content.get("settings", {}), content.get("prompt", {}), content.get("scoring", {})]
    return set().union(content.get("data", {}).get("options", {}), *tables)


def test_every_option_and_setting_exists(capsys: pytest.CaptureFixture[str]) -> None:
    used = re.findall(r"--set '?([\w-]+)\.(\w+)=", DOCUMENT)
    assert len(used) >= 25
    for card, key in used:
        assert key in settings_of(card), f"{card}.{key}"
    main(["run", "--help"])
    known = capsys.readouterr().out
    for command in re.findall(r"gill-bench run [^`|\n]*", DOCUMENT):
        assert all(option in known for option in re.findall(r"--[a-z-]+", command)), command


@pytest.mark.parametrize(
    ("change", "fails"), [(lambda text: text, False), (lambda text: text.replace("0.9", "0.8"), True)]
)
def test_a_wrong_number_is_found(change: Callable[[str], str], fails: bool) -> None:
    [block] = next(note for note in NOTES if "Three annotators" in note.text).run
    assert block.prints is not None
    printed = run(block, {})
    if fails:
        with pytest.raises(AssertionError):
            compare(printed, change(block.prints), 0)
    else:
        compare(printed, change(block.prints), 0)
