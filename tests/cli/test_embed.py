"""`gill-bench embed`: pictures of one's own, embedded for retrieval."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gill_bench.cards.find import Cards
from gill_bench.cli import main
from gill_bench.datasets.listed_pictures import list_pictures
from gill_bench.embeddings.parts import PartialEmbeddings
from gill_bench.embeddings.store import read_embeddings
from gill_bench.errors import InputError
from gill_bench.exchange import embed as embedding
from gill_bench.mini.embedded import world_folder
from gill_bench.models.clip.retriever import ClipRetriever
from gill_bench.models.gill.model import Gill
from gill_bench.models.interleaved.candidates import CandidateSet
from gill_bench.planning.resolve import resolve_model
from gill_bench.storage.images import load_image
from tests.support import planted
from tests.support.cli import run_command

PLANTED = Path(planted.__file__)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Seven pictures, whose paths sorted are `ORDER`, and two files that are none."""
    folder = tmp_path / "photos"
    (folder / "a").mkdir(parents=True)
    for number, name in enumerate(("b.png", "a/2.png", "a/10.png", "c.jpg", "d.PNG", "e.webp", "f.png")):
        Image.new("RGB", (16, 16), (30 * number, 200 - 20 * number, 90)).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    (folder / "._b.png").write_text("hidden")
    return folder


ORDER = ["a/10.png", "a/2.png", "b.png", "c.jpg", "d.PNG", "e.webp", "f.png"]


def embed(photos: Path, out: Path, *more: str, model: str = "clip") -> int:
    return main(["embed", model, "--images", str(photos), "--out", str(out), "--device", "cpu", *more])


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def paths(folder: Path) -> list[str]:
    stored = read_embeddings(folder)
    return [stored.path(number) for number in range(len(stored))]


def watched(monkeypatch: pytest.MonkeyPatch, interrupted_at: int = -1) -> list[int]:
    """The number of pictures of each call of CLIP from now on; the call of a number, from 0, is interrupted."""
    calls: list[int] = []
    own = ClipRetriever.embed_images

    def embed_images(self: ClipRetriever, images: Sequence[Image.Image]) -> Any:
        if len(calls) == interrupted_at:
            raise KeyboardInterrupt
        calls.append(len(images))
        return own(self, images)

    monkeypatch.setattr(ClipRetriever, "embed_images", embed_images)
    return calls


def test_gill_finds_pictures_of_ones_own_by_their_paths(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "gill"
    assert embed(photos, out, model="gill") == 0
    assert sorted(content(out)) == ["embeddings.json", "embeddings.npy", "paths.txt"]
    assert paths(out) == ORDER
    assert not (tmp_path / "gill.parts").exists()
    model = resolve_model(Cards().model("gill"), weights="mini", settings={}).load("cpu")
    assert isinstance(model, Gill)
    expected = model.embed_images([load_image(photos / name) for name in ORDER])
    candidates = CandidateSet.load(out, photos)
    assert np.allclose(candidates.embeddings.vectors, expected, atol=1e-5)
    [[nearest]], _ = candidates.search(expected[4:5], 1)
    assert nearest.cosine == pytest.approx(1, abs=1e-5)
    shown = np.asarray(candidates.picture(nearest.path))
    assert np.array_equal(shown, np.asarray(load_image(photos / ORDER[nearest.row])))


def test_a_task_searches_among_them(tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(world_folder() / "partiprompts", data / "partiprompts")
    (own := data / "partiprompts" / "own").mkdir()
    images = world_folder() / "cc3m" / "cc3m" / "validation"
    assert embed(images, own / "clip") == 0
    settings = ["partiprompts.candidates=own", "partiprompts.train=150"]
    words = ["run", "partiprompts", "--models", "clip", "--contexts", "heuristic", "--data", str(data)]
    words += ["--weights", "mini", "--metric-weights", "mini", "--device", "cpu", "--out", str(tmp_path / "run")]
    assert main([*words, *(word for setting in settings for word in ("--set", setting))]) == 0
    rows = json.loads((tmp_path / "run" / "results.json").read_text())["rows"]
    assert rows
    assert all("|candidates:converted/" in row["signature"] for row in rows)


def test_an_interrupted_request_goes_on_and_ends_with_the_same_bytes(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(embedding, "PART", 3)
    (photos / "c.jpg").write_bytes(b"no picture")
    with monkeypatch.context() as whole:
        assert watched(whole) == []
        assert embed(photos, tmp_path / "whole", "--batch-size", "2") == 0
    out = tmp_path / "out"
    with monkeypatch.context() as interrupted:
        assert (calls := watched(interrupted, interrupted_at=2)) == []
        assert embed(photos, out, "--batch-size", "2") == 130
        assert calls == [2, 1]  # the first part
    assert not out.exists()
    assert sorted(content(tmp_path / "out.parts")) == ["00000000.json", "00000000.npy", "lock", "request.json"]
    calls = watched(monkeypatch)
    capsys.readouterr()
    assert embed(photos, out, "--batch-size", "2") == 0
    assert calls == [2, 1]  # of the last two parts, without the picture that cannot be read
    assert "3 of 7 pictures were done before" in capsys.readouterr().err
    assert content(out) == content(tmp_path / "whole")
    assert not (tmp_path / "out.parts").exists()
    (other := tmp_path / "out.parts").mkdir()
    (other / "mine.txt").write_text("not a part")
    assert embed(photos, out) == 0
    assert len(calls) == 2
    assert (other / "mine.txt").exists()
    assert "has the embeddings of these 6 pictures already; nothing to do" in capsys.readouterr().err


KILLED_AT_A_PICTURE = """
import os
import signal

import numpy as np


class Means:
    def embed_images(self, images):
        means = np.array([np.asarray(image, np.float32).mean((0, 1)) for image in images])
        if (means[:, 2] == float(os.environ.get("KILLED_AT", -1))).any():
            os.kill(os.getpid(), signal.SIGKILL)
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def embed_prompts(self, prompts):
        raise NotImplementedError
"""


def test_a_killed_process_is_gone_on_with_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    (photos := tmp_path / "photos").mkdir()
    for number in range(embedding.PART + 2):
        color = (number % 100, 90, 255 if number == embedding.PART else number // 100)
        Image.new("RGB", (2, 2), color).save(photos / f"{number:03d}.png")
    (model := tmp_path / "means.py").write_text(KILLED_AT_A_PICTURE)
    out = tmp_path / "out"
    words = ["embed", f"{model}:Means", "--images", str(photos), "--device", "cpu", "--out"]
    killed = run_command(*words, out, KILLED_AT="255")
    assert killed.returncode == -9, killed.stderr
    assert sorted(content(tmp_path / "out.parts")) == ["00000000.json", "00000000.npy", "lock", "request.json"]
    assert main([*words, str(out)]) == 0
    assert main([*words, str(tmp_path / "whole")]) == 0
    assert content(out) == content(tmp_path / "whole")
    assert not (tmp_path / "out.parts").exists()


def test_two_processes_do_not_embed_into_one_folder(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with PartialEmbeddings(out, [], 1).only_process():
        assert embed(photos, out) == 2
        assert f"{out}: another embed is at work there; wait for its end, or stop it" in capsys.readouterr().err
    assert embed(photos, out) == 0
    assert not (tmp_path / "out.parts").exists()


def test_another_request_is_refused(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(embedding, "PART", 3)
    out = tmp_path / "out"
    with monkeypatch.context() as interrupted:
        watched(interrupted, interrupted_at=1)
        assert embed(photos, out) == 130
    more = tmp_path / "more"
    shutil.copytree(photos, more)
    Image.new("RGB", (8, 8)).save(more / "g.png")
    assert embed(more, out) == 2
    assert f"{out}.parts: holds embeddings of another request; these differ: pictures" in capsys.readouterr().err
    assert embed(photos, out) == 0
    before = content(out)
    assert embed(photos, out, model="gill") == 2
    said = capsys.readouterr().err
    assert f"{out}: holds embeddings of another request" in said
    assert "pictures" not in said.split("these differ: ")[1].splitlines()[0]
    assert content(out) == before
    assert embed(photos, photos) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_damaged_part_is_refused(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(embedding, "PART", 3)
    with monkeypatch.context() as interrupted:
        watched(interrupted, interrupted_at=1)
        assert embed(photos, tmp_path / "out") == 130
    array = tmp_path / "out.parts" / "00000000.npy"
    array.write_bytes(array.read_bytes()[:-1] + b"?")
    assert embed(photos, tmp_path / "out") == 2
    assert f"{array}: is gone, or altered since it was written; remove {array.parent}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_unreadable_pictures_are_left_out_and_listed(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "b.png").write_bytes((photos / "b.png").read_bytes()[:40])
    (photos / "d.PNG").write_text("<html>")
    out = tmp_path / "out"
    assert embed(photos, out) == 0
    assert f"left out 2 of 7 pictures, listed in {out / 'left-out.jsonl'}: b.png: " in capsys.readouterr().err
    assert paths(out) == [name for name in ORDER if name not in ("b.png", "d.PNG")]
    listed = [json.loads(line) for line in (out / "left-out.jsonl").read_text().splitlines()]
    assert [entry["path"] for entry in listed] == ["b.png", "d.PNG"]
    assert listed[1]["reason"].startswith("not a picture")
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "a.png").write_text("<html>")
    assert embed(alone, tmp_path / "none") == 2
    assert "none of 1 pictures could be read; the first: a.png: not a picture" in capsys.readouterr().err
    assert not list(tmp_path.glob("none*"))


def test_a_list_names_its_pictures_in_its_order(photos: Path, tmp_path: Path) -> None:
    file = photos / "mine.tsv"
    file.write_text("caption\timage\none\tf.png\ntwo\tb.png\nthree\tgone.png\nfour\tf.png\n")
    (photos / "cc3m" / "training").mkdir(parents=True)
    (photos / "b.png").rename(photos / "cc3m" / "training" / "b.png")
    out = tmp_path / "out"
    assert embed(file, out) == 0
    assert paths(out) == ["f.png", "cc3m/training/b.png"]
    assert json.loads((out / "left-out.jsonl").read_text()) == {"path": "gone.png", "reason": "not there"}
    assert CandidateSet.load(out, photos).picture("cc3m/training/b.png").size == (16, 16)


def test_an_official_list_of_cc3m_names_rows(photos: Path) -> None:
    (photos / "datasets").mkdir()
    file = photos / "datasets" / "Validation_GCC-1.1.0-Validation.tsv"
    file.write_text("one\thttps://a.b/1.jpg\ntwo\thttps://a.b/2.jpg\n")
    (photos / "validation").mkdir()
    (photos / "c.jpg").rename(photos / "validation" / "000000001.jpg")
    root, pictures = list_pictures(file)
    assert root == photos
    assert [picture.path for picture in pictures] == ["validation/000000000", "validation/000000001.jpg"]
    assert [picture.file for picture in pictures] == [None, photos / "validation" / "000000001.jpg"]


def test_a_model_that_embeds_no_pictures_is_refused_before_it_is_loaded(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert embed(photos, tmp_path / "out", model="stable-diffusion") == 2
    said = capsys.readouterr().err
    assert "stable-diffusion: embeds no pictures (it is: image-generator); expected an image-retriever" in said
    assert "loading" not in said
    assert embed(photos, tmp_path / "out", model=f"{PLANTED}:Embeds") == 0


OF_OTHER_FORM = """
import numpy as np


class Raises:
    def embed_images(self, images):
        raise ValueError("no such layer")

    def embed_prompts(self, prompts):
        raise NotImplementedError


class Widens(Raises):
    calls = 0

    def embed_images(self, images):
        self.calls += 1
        return np.eye(2 + self.calls)[: len(images)].astype(np.float32)
"""


def test_a_model_that_raises_or_changes_its_width_is_named(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (model := tmp_path / "mine.py").write_text(OF_OTHER_FORM)
    assert embed(photos, tmp_path / "out", model=f"{model}:Raises") == 1
    said = capsys.readouterr().err
    assert "raises: Raises.embed_images raised ValueError: no such layer (mine.py:7)" in said
    assert "defect of gill-bench" not in said
    assert embed(photos, tmp_path / "two", "--batch-size", "2", model=f"{model}:Widens") == 1
    assert "Widens.embed_images returned vectors of widths [3, 4], expected one width" in capsys.readouterr().err
    monkeypatch.setattr(embedding, "PART", 2)
    assert embed(photos, tmp_path / "parts", model=f"{model}:Widens") == 2
    assert "embeddings of width 3, and from row 2 on of width 4" in capsys.readouterr().err


def test_the_folder_of_the_results_may_be_the_current_one(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(photos)
    assert embed(photos, Path()) == 2
    assert ".: exists already; name a folder that does not" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.parts"))


def test_pictures_that_are_not_there_or_cannot_be_stored_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder or list"):
        list_pictures(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no pictures in it or below it"):
        list_pictures(tmp_path)
    (tmp_path / "a\nb.png").write_bytes(b"")
    with pytest.raises(InputError, match="has a line break; rename the file"):
        list_pictures(tmp_path)
