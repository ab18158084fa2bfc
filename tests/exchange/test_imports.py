"""Pictures and texts that were generated elsewhere, imported into a run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import gill_bench
from gill_bench.analysis.status import status
from gill_bench.cli import main
from gill_bench.rundir.load import read_results, read_spec
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey
from gill_bench.rundir.verify import verify
from gill_bench.storage.images import load_image
from tests.support.own_data import COLOURS, TEXTS, Colours, own_card, write_own_data

IDS = [f"ex/{number} é" for number in range(len(COLOURS))]
PLAIN = [f"p_{number}" for number in range(3)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`own` has ids with slashes; `plain` has three prompts with the ids p_0, p_1 and p_2."""
    folder = write_own_data(tmp_path_factory.mktemp("data"))
    (folder / "plain").mkdir()
    lines = [json.dumps({"id": name, "prompt": "a prompt"}) for name in PLAIN]
    (folder / "plain/test.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def plain(data: Path) -> Path:
    card = own_card(data / "plain-card.toml", "image-generator", [], contexts=("texts",))
    card.write_text(card.read_text().replace('folder = "own"', 'folder = "plain"'))
    return card


def picture(file: Path, colour: str = "red") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4), colour).save(file)


def manifest(folder: Path, records: Sequence[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, records)))
    return folder


def import_(folder: Path, card: Path, data: Path, out: Path, *words: str) -> int:
    return main(
        [
            "import",
            str(folder),
            "--as",
            "elsewhere",
            "--task",
            str(card),
            "--data",
            str(data),
            "--out",
            str(out),
            *words,
        ]
    )


BY_SEED = [f"{seed}/{name}.png" for seed in (0, 2) for name in PLAIN]
WITH_SEED = [f"{name}_{seed}.png" for seed in (0, 2) for name in PLAIN]


@pytest.mark.parametrize("names", [BY_SEED, WITH_SEED], ids=["folders", "names"])
def test_pictures_are_found_by_their_names(tmp_path: Path, data: Path, plain: Path, names: Sequence[str]) -> None:
    for number, name in enumerate(names):
        picture(tmp_path / "in" / name, COLOURS[number])
    (tmp_path / "in" / "notes.md").write_text("no picture")
    assert import_(tmp_path / "in", plain, data, tmp_path / "run") == 0
    samples = list(RunReader.open(tmp_path / "run").samples(CellKey("plain-card", "elsewhere", "texts")))
    stored = {sample.key: load_image(sample.folder / sample.image).getpixel((0, 0)) for sample in samples}
    keys = [(name, seed) for seed in (0, 2) for name in PLAIN]
    assert stored == {
        key: Image.new("RGB", (1, 1), colour).getpixel((0, 0)) for key, colour in zip(keys, COLOURS, strict=False)
    }
    assert samples[0].details["prompt"] == ["a prompt"]
    assert not verify(tmp_path / "run").damaged
    (cell,) = status(tmp_path / "run").cells
    assert (cell.done, cell.seeds, cell.examples) == (6, (0, 2), 3)


def test_texts_of_a_list_are_scored_and_marked_as_imported(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = own_card(tmp_path / "ask.toml", "text-generator", ["vqa-accuracy"], prompt=TEXTS)
    run = tmp_path / "run"
    gill_bench.run(card, models=[Colours], data=data, out=run)
    right = [{"id": name, "text": colour} for name, colour in zip(IDS, COLOURS, strict=True)]
    wrong = [{**record, "text": "black" if number else "red"} for number, record in enumerate(right)]
    assert import_(manifest(tmp_path / "right", right), card, data, run) == 0
    accuracy = {row.model: row for row in read_results(run / "results.json").rows if row.metric == "vqa-accuracy"}
    assert accuracy["elsewhere"].value == accuracy["colours"].value is not None
    assert re.fullmatch(
        r"adapter:imported\|content:[0-9a-f]{16}\|decoding:unknown", accuracy["elsewhere"].model_signature
    )
    (cell,) = (cell for cell in read_spec(run).cells if cell.model == "elsewhere")
    assert any("made elsewhere and imported" in note for note in cell.notes)
    assert main(["report", str(run), "--format", "markdown"]) == 0
    assert "made elsewhere and imported" in capsys.readouterr().out
    # Other outputs of the same name replace them: nothing that was stored counts for them.
    assert import_(manifest(tmp_path / "wrong", wrong), card, data, run) == 0
    after = {row.model: row for row in read_results(run / "results.json").rows if row.metric == "vqa-accuracy"}
    assert after["elsewhere"].value == pytest.approx((accuracy["colours"].value or 0) / len(IDS))
    assert after["elsewhere"].model_signature != accuracy["elsewhere"].model_signature
    assert main(["score", str(run)]) == 0
    assert main(["compare", f"{run}:elsewhere", f"{run}:colours"]) == 0
    assert "made elsewhere and imported" in gill_bench.load_run(run).page(tmp_path / "page").read_text()


def test_what_is_missing_is_refused_or_counted(
    tmp_path: Path, data: Path, plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("p_0_0.png", "p_1_0.png", "p_1_1.png"):
        picture(tmp_path / "in" / name)
    assert import_(tmp_path / "in", plain, data, tmp_path / "run") == 2
    assert "3 outputs are missing: 'p_0' seed 1, 'p_2' seed 0, 'p_2' seed 1" in capsys.readouterr().err
    assert not list((tmp_path / "run").glob("units/**/unit.json"))
    import_(tmp_path / "in", plain, data, tmp_path / "run", "--partial")
    samples = RunReader.open(tmp_path / "run").samples(CellKey("plain-card", "elsewhere", "texts"))
    assert {sample.key for sample in samples} == {("p_0", 0), ("p_1", 0), ("p_1", 1)}
    # With the rest added, the import is whole.
    for name in ("p_0_1.png", "p_2_0.png", "p_2_1.png"):
        picture(tmp_path / "in" / name)
    assert import_(tmp_path / "in", plain, data, tmp_path / "run") == 0
    assert len(list(RunReader.open(tmp_path / "run").samples(CellKey("plain-card", "elsewhere", "texts")))) == 6


def test_a_limit_leaves_the_other_outputs_alone(
    tmp_path: Path, data: Path, plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in PLAIN:
        picture(tmp_path / "in" / f"0/{name}.png")
    assert import_(tmp_path / "in", plain, data, tmp_path / "run", "--limit", "2") == 0
    assert "1 outputs are of examples that are not asked for" in capsys.readouterr().err


def _two_files(folder: Path) -> None:
    picture(folder / "p_0_1.jpg")


def _truncated(folder: Path) -> None:
    content = (folder / "p_0_1.png").read_bytes()
    (folder / "p_0_1.png").write_bytes(content[:50])


def _no_picture(folder: Path) -> None:
    (folder / "p_0_1.png").write_text("<html>")


def _another(folder: Path) -> None:
    picture(folder / "p_7_1.png")


def _list(*records: dict[str, Any]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        manifest(folder, records)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_two_files, r"1 twice there \(.*p_0_1.png, and .*p_0_1.jpg\)"),
        (_truncated, r"1 unreadable \(.*p_0_1.png: damaged"),
        (_no_picture, r"1 unreadable \(.*p_0_1.png: not a picture"),
        (
            _another,
            r"1 of no example of the task \(.*p_7_1.png\)\nfiles are named <seed>/<id>.png, .* or manifest.jsonl lists",
        ),
        (_list({"id": "p_0", "file": "gone.png"}), r"1 unreadable \(.*gone.png: no such file"),
        (_list({"id": "p_0", "file": "../x.png"}), "line 1: file: '../x.png' leaves the folder"),
        (_list({"id": "p_0", "fil": "x.png"}), r"line 1: unknown field 'fil'; did you mean 'file'\?"),
        (_list({"id": "p_0"}), "line 1: expected either file .* or text"),
        (_list({"file": "x.png"}), "line 1: id: the field is missing"),
        (_list({"id": "p_0", "seed": -1, "file": "x.png"}), "line 1: seed: expected a whole number"),
        (_list({"id": "p_0", "seed": True, "file": "x.png"}), "line 1: seed: expected a whole number"),
        (_list({"id": "p_0", "file": "p_0_1.png", "sha256": "0" * 64}), r"1 changed since they were listed"),
        (_list({"id": "p_0", "file": "p_0_1.png", "context": "full"}), r"context is 'full', and these .* for 'texts'"),
        (_list({"id": "p_0", "file": "p_0_1.png", "task": "vist"}), "task is 'vist'"),
        (_list({"id": "p_0", "file": "p_0_1.png", "given": "0" * 64}), "was given another text or picture"),
        (_list({"id": "p_0", "text": "a text"}), "1 no pictures, but texts"),
        (_list({"id": "p_0", "file": "p_0_1.png"}, {"id": "p_0", "file": "p_1_1.png"}), "1 twice there .*line 2, and"),
    ],
)
def test_faults_are_named_and_nothing_is_stored(
    tmp_path: Path,
    data: Path,
    plain: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Path], None],
    message: str,
) -> None:
    for name in PLAIN:
        picture(tmp_path / "in" / f"{name}_1.png")
    change(tmp_path / "in")
    assert import_(tmp_path / "in", plain, data, tmp_path / "run") == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert not list((tmp_path / "run").glob("units/**/unit.json"))


def test_a_name_that_two_examples_share_needs_the_list(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/test.jsonl").write_text('{"id": "a", "prompt": "x"}\n{"id": "a_0", "prompt": "y"}\n')
    card = own_card(tmp_path / "shared.toml", "image-generator", [], contexts=("texts",))
    picture(tmp_path / "in" / "a_0.png")
    assert import_(tmp_path / "in", card, tmp_path / "plain", tmp_path / "run") == 2
    assert "of two examples by their names" in capsys.readouterr().err
    own = own_card(tmp_path / "slashes.toml", "image-generator", [], contexts=("texts",))
    assert import_(tmp_path / "in", own, data, tmp_path / "run") == 2
    assert "the id 'ex/0 é' cannot be the name of a file; list the outputs in manifest.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--as", "gill"], "--as gill: a model has this name"),
        (["--as", "My Model"], "--as My Model: expected a name of small Latin letters"),
        (["--context", "full,texts"], "unknown context"),
        (["--context", "paper"], "nothing was imported|no pictures of this task"),
    ],
)
def test_options_are_checked(
    tmp_path: Path, data: Path, plain: Path, capsys: pytest.CaptureFixture[str], words: Sequence[str], message: str
) -> None:
    (tmp_path / "in").mkdir()
    assert import_(tmp_path / "in", plain, data, tmp_path / "run", *words) == 2
    assert re.search(message, capsys.readouterr().err)


def test_a_model_that_made_samples_here_keeps_its_name(
    tmp_path: Path, data: Path, plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gill_bench.run(plain, models={"elsewhere": Colours}, data=data, out=tmp_path / "run", seeds=1)
    for name in PLAIN:
        picture(tmp_path / "in" / f"{name}.png")
    assert import_(tmp_path / "in", plain, data, tmp_path / "run") == 2
    assert "a model of this name has made samples of this run" in capsys.readouterr().err
