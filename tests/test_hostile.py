"""Files, names and outputs that mean harm, or are merely broken: each is refused or neutralised (docs/security.md)."""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import json
import os
import pickle
import re
import shutil
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save_file

import gill_bench
from gill_bench.analysis.golden import read_golden
from gill_bench.cards.find import Cards, read_toml
from gill_bench.cli import main
from gill_bench.datasets import dataset
from gill_bench.embeddings.pickled_arrays import read_pickled
from gill_bench.embeddings.store import read_embeddings
from gill_bench.errors import GillBenchError, InputError
from gill_bench.generation.calls import CallError
from gill_bench.generation.generate import generate_unit
from gill_bench.generation.returned import ReturnedError
from gill_bench.interfaces import GeneratedImage
from gill_bench.models.interleaved.checkpoint import read_tensors
from gill_bench.planning.plan import make_plan
from gill_bench.progress import say
from gill_bench.rundir.folders import cell_folder, unit_folders
from gill_bench.rundir.load import read_results, read_spec
from gill_bench.rundir.load_units import read_samples
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey
from gill_bench.rundir.verify import verify
from gill_bench.rundir.writer import write_spec
from gill_bench.storage.images import FORMATS, UnreadablePictureError, load_image
from gill_bench.storage.json import from_json
from gill_bench.storage.names import name_problem
from gill_bench.storage.reading import read_json
from gill_bench.storage.sealed import write_sealed
from gill_bench.tracking.run import _pictures
from gill_bench.weights.checkpoints import check_network_files
from gill_bench.weights.network_tensors import check_finite
from gill_bench.weights.tensor_files import read_header
from tests.conftest import ROOT
from tests.support.runs import run, run_request
from tests.support.stories import write_vist


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.file),)


# Checkpoints and embeddings.


@pytest.mark.parametrize("way", ["torch", "old torch", "pickle"])
def test_code_in_checkpoints_is_never_run(tmp_path: Path, way: str) -> None:
    file, evil = tmp_path / "pretrained_ckpt.pth.tar", {"state_dict": {"a": Evil(tmp_path / "pwned")}}
    if way == "pickle":
        file.write_bytes(pickle.dumps(evil, 2))
    else:
        torch.save(evil, file, _use_new_zipfile_serialization=way == "torch")
    with pytest.raises(InputError, match="not a plain file of tensors"):
        read_tensors(file)
    assert not (tmp_path / "pwned").exists()


def test_code_in_embeddings_is_never_run(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(pickle.dumps({"paths": [Evil(tmp_path / "pwned")]}, 4))
    with pytest.raises(InputError, match=r"names posix\.mkdir, [\s\S]* nothing of it was run"):
        read_pickled(tmp_path / "a.npy")
    assert not (tmp_path / "pwned").exists()


def test_members_of_archives_go_nowhere(tmp_path: Path) -> None:
    """Torch's files are zip archives: they are read, never unpacked."""
    file = tmp_path / "inside" / "pretrained_ckpt.pth.tar"
    file.parent.mkdir()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../escaped", "x")
        archive.writestr("/escaped", "x")
        archive.writestr("archive/data.pkl", pickle.dumps({}, 2))
    with pytest.raises(InputError, match="cannot be read"):
        read_tensors(file)
    assert [path.name for path in tmp_path.rglob("*")] == ["inside", "pretrained_ckpt.pth.tar"]


def test_the_package_runs_no_code_of_weights_and_unpacks_only_downloaded_archives() -> None:
    forbidden = {"extractall", "unpack_archive", "tarfile", "eval", "exec", "trust_remote_code", "loads_pickle"}
    calls = set()
    for file in (ROOT / "gill_bench").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = {
                ast.Attribute: lambda n: n.attr,
                ast.Name: lambda n: n.id,
                ast.keyword: lambda n: n.arg,
                ast.alias: lambda n: n.name,
            }.get(type(node))
            if names is not None and names(node) in forbidden and not _is_method_eval(node):
                calls.add(f"{file.relative_to(ROOT)}: {names(node)}")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "load":
                owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
                given = {keyword.arg: getattr(keyword.value, "value", None) for keyword in node.keywords}
                assert owner != "pickle", file
                assert owner != "torch" or given.get("weights_only") is True, file
                assert owner != "np" or given.get("allow_pickle") is False, file
    # Its tests have hostile archives: tests/fetching/test_archives.py.
    assert calls == {"gill_bench/fetching/archives.py: tarfile"}


def _is_method_eval(node: ast.AST) -> bool:
    """`network.eval()`, which sets a mode."""
    return isinstance(node, ast.Attribute) and node.attr == "eval"


@pytest.mark.parametrize("code", [b"]", b"(", b"}"])
def test_pickles_nested_without_end_take_no_memory(tmp_path: Path, code: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(b"\x80\x04" + code * 3_000_000)
    tracemalloc.start()
    with pytest.raises(InputError, match="nested too deeply"):
        read_pickled(tmp_path / "a.npy")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 64 << 20


def header(content: bytes, data: bytes = b"\0" * 8) -> bytes:
    return struct.pack("<Q", len(content)) + content + data


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 2**64 - 1) + b"{}",
        header(b"[" * 200_000),
        header(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,8]}}'),
        header(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,1e999]}}'),
        header(b'{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}'),
        header(
            b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
        ),
        header(b"null"),
        b"",
    ],
)
def test_safetensors_that_promise_too_much_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(InputError, match=str(file)):
        read_tensors(file)
    try:
        read_header(file)  # the quick look may pass what loading refuses, but never breaks down
    except InputError as error:
        said = str(error)
        assert str(file) in said


@pytest.mark.parametrize("named", ["../../../etc/passwd", "/etc/passwd", 7, None])
def test_a_listing_of_shards_names_files_beside_it(tmp_path: Path, named: object) -> None:
    listing = tmp_path / "model.safetensors.index.json"
    for weights in ({"a": named}, [named]):
        listing.write_text(json.dumps({"weight_map": weights}))
        with pytest.raises(InputError, match=r"weight_map: .* is no name of a file beside it"):
            check_network_files(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_named(tmp_path: Path, value: float) -> None:
    file = tmp_path / "a.safetensors"
    save_file({"model.good": torch.zeros(3), "model.bad": torch.tensor([0.0, value])}, file)
    with pytest.raises(InputError, match=r"model\.bad holds values that are not finite"):
        check_finite(file, read_tensors(file))


def embeddings(folder: Path, shape: tuple[int, ...], dtype: str, data: bytes, **about: object) -> Path:
    folder.mkdir()
    description = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    description += b" " * (64 - (len(description) + 11) % 64) + b"\n"
    (folder / "embeddings.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + struct.pack("<H", len(description)) + description + data
    )
    (folder / "paths.txt").write_text("a\nb\n")
    content = {"version": 1, "count": shape[0], "width": shape[-1], "dtype": "float32", **about}
    (folder / "embeddings.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((2**40, 512), "<f4"), ((2**62, 2**62), "<f4"), ((-1, 512), "<f4"), ((2, 2), "|O"), ((2, 2), "<U9")],
)
def test_arrays_with_hostile_headers_are_refused(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    with pytest.raises(InputError, match="convert them again"):
        read_embeddings(embeddings(tmp_path / "e", shape, dtype, b"\0" * 64))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_find_nothing(tmp_path: Path, value: float) -> None:
    data = np.array([[1, 0], [value, 0]], "<f4").tobytes()
    stored = read_embeddings(embeddings(tmp_path / "e", (2, 2), "<f4", data))
    with pytest.raises(GillBenchError, match="not finite"):
        stored.nearest(np.array([[1, 0]], np.float32), 1)


# Pictures.


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *chunks: bytes, pixels: bytes = b"") -> bytes:
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size)
        + b"".join(chunks)
        + chunk(b"IDAT", zlib.compress(pixels))
        + chunk(b"IEND", b"")
    )


BOMB = zlib.compress(b"a" * (PngImagePlugin.MAX_TEXT_CHUNK + 1))
SMALL = (b"\0" + b"\1" * 12) * 4


@pytest.mark.filterwarnings("ignore:Image size")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (png(2**31 - 1, 2**31 - 1), "too many pixels"),
        (png(100_000, 1700), "too many pixels"),
        (png(0, 0), "not a picture"),
        (png(4, 4, chunk(b"zTXt", b"C\0\0" + BOMB), pixels=SMALL), "too large"),
        (png(4, 4, chunk(b"iCCP", b"x\0\0" + BOMB), pixels=SMALL), "too large"),
        (png(4, 4, chunk(b"iTXt", b"x\0\1\0\0\0" + BOMB), pixels=SMALL), "too large"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "not a picture"),
        (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(/etc/passwd) run\n%%EOF\n",
            "not a picture",
        ),
        (b"<html></html>", "not a picture"),
        (b"", "not a picture"),
    ],
)
def test_files_that_are_no_pictures_are_refused_in_little_memory(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "1.png"
    file.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(UnreadablePictureError, match=reason):
        load_image(file)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 32 << 20


def test_no_format_that_runs_a_program_is_read() -> None:
    assert not {"EPS", "WMF", "FPX", "GRIB", "HDF5", "BUFR", "PSD"} & set(FORMATS)
    for name in FORMATS:
        buffer = io.BytesIO()
        Image.new("RGB", (4, 4), (250, 0, 0)).save(buffer, name)
        assert load_image(io.BytesIO(buffer.getvalue())).size == (4, 4), name


# Annotations, cards and names.


@pytest.fixture
def vist_with(tmp_path: Path) -> Callable[[str, object], Path]:
    """A VIST of which one field of the first sentence is another."""

    def change(field: str, value: object) -> Path:
        write_vist(tmp_path / "vist")
        file = tmp_path / "vist" / "sis" / "test.story-in-sequence.json"
        content = json.loads(file.read_text())
        content["annotations"][0][0][field] = value
        file.write_text(json.dumps(content))
        return tmp_path / "vist"

    return change


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "images/../../secret"])
def test_photo_ids_that_are_paths_find_nothing(
    tmp_path: Path, vist_with: Callable[[str, object], Path], name: str
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    stories = dataset("sis").load(vist_with("photo_flickr_id", name), "test", {}).examples
    assert stories[0].turns[0].picture is not None
    assert stories[0].turns[0].picture.file is None


@pytest.mark.parametrize("field", ["story_id", "photo_flickr_id", "storylet_id"])
def test_ids_with_control_characters_are_refused_without_printing_them(
    vist_with: Callable[[str, object], Path], field: str
) -> None:
    with pytest.raises(InputError, match=rf"annotations\[0\]\[0\]\.{field}: .*control characters") as caught:
        dataset("sis").load(vist_with(field, "1\x1b[2J"), "test", {})
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/passwd", "a/../../secret.png", "a\0.png", "a\x1b[2J.png"])
def test_file_names_stay_in_their_folder(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    content = {
        "images": [{"id": 1, "file_name": name}],
        "annotations": [{"id": 1, "image_id": 1, "caption": "a dog"}],
    }
    (tmp_path / "coco" / "annotations" / "captions_val2017.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"images\[0\]\.file_name: ") as caught:
        dataset("coco-captions").load(tmp_path / "coco", "val2017", {})
    assert "\x1b" not in str(caught.value)
    (tmp_path / "cc3m").mkdir()
    (tmp_path / "cc3m" / "cc3m_val.tsv").write_text(f"caption\timage\na dog\t{name}\n")
    with pytest.raises(InputError, match="line 2: image: "):
        dataset("cc3m").load(tmp_path / "cc3m", "val", {})


def test_links_that_people_make_work(tmp_path: Path) -> None:
    """Data sets are often linked from another disk; only names can be hostile."""
    write_vist(tmp_path / "elsewhere")
    (tmp_path / "vist" / "images").mkdir(parents=True)
    (tmp_path / "vist" / "sis").symlink_to(tmp_path / "elsewhere" / "sis")
    (tmp_path / "vist" / "images" / "test").mkdir()
    for file in (tmp_path / "elsewhere" / "images" / "test").iterdir():
        (tmp_path / "vist" / "images" / "test" / file.name).symlink_to(file)
    assert run(tmp_path / "run", data=str(tmp_path / "vist"), contexts=("1-caption",)).complete


def test_links_in_a_circle_are_files_that_are_not_there(tmp_path: Path) -> None:
    write_vist(tmp_path / "vist")
    photo = next((tmp_path / "vist" / "images" / "test").iterdir())
    photo.unlink()
    photo.symlink_to(photo)
    stories = dataset("sis").load(tmp_path / "vist", "test", {}).examples
    files = [turn.picture.file for story in stories for turn in story.turns if turn.picture]
    for file in filter(None, files):
        if file == photo:
            with pytest.raises(UnreadablePictureError):
                load_image(file)


@pytest.mark.parametrize("split", ["../../etc/passwd", "a/b", "..", "a\0b", "a\x1b[2J", ""])
@pytest.mark.parametrize("reader", ["sis", "coco-captions", "visdial", "vqa"])
def test_splits_that_cannot_be_part_of_a_name_are_refused(tmp_path: Path, reader: str, split: str) -> None:
    with pytest.raises(InputError, match=r"split .*: expected letters, digits"):
        dataset(reader).load(tmp_path, split, {})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "noisy"', 'name = "../noisy"', "name = '../noisy'"),
        ('name = "noisy"', 'name = "/etc/passwd"', "name = "),
        ('name = "noisy"', 'name = "noisy\\u0000"', "control characters"),
        ('title = "Coloured noise"', 'title = "\\u001b[2Jnoise"', r"title = '\\x1b\[2Jnoise' has control characters"),
        ("[settings]", '[weights.x]\nfolder = "../../secret"\n[settings]', "neither absolute nor with '..'"),
        ("[settings]", '[weights.x]\nfolder = "/etc"\n[settings]', "neither absolute nor with '..'"),
        ("[settings]", '[weights.x]\nfolder = "a"\nid = "../a"\n[settings]', "neither absolute nor with '..'"),
        ("side = 8", "side = 8\nside = 9", "not valid TOML"),
        ("side = 8", f"side = {'[' * 100_000}", "nested too deeply"),
    ],
)
def test_cards_with_hostile_names_and_paths_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (ROOT / "tests" / "cards" / "noisy.toml").read_text()
    assert old in text
    (tmp_path / "noisy.toml").write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message) as caught:
        Cards().model(str(tmp_path / "noisy.toml"))
    assert "\x1b" not in str(caught.value)


def test_messages_print_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    say("failed: \x1b]0;title\x07\x1b[2J\r ok\tand\nso on\x9b2J")
    said = capsys.readouterr().err
    assert said == "failed: \\x1b]0;title\\x07\\x1b[2J\\x0d ok\tand\nso on\\x9b2J\n"
    assert main(["show", "\x1b[2J"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_json_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    for content in ("[" * 1_000_000, '{"a":' * 300_000):
        file.write_text(content)
        with pytest.raises(InputError, match="nested too deeply"):
            read_json(file)
        with pytest.raises(ValueError, match="nested too deeply"):
            from_json(content)
    (tmp_path / "a.toml").write_text("a = " + "[" * 100_000)
    with pytest.raises(InputError, match="nested too deeply"):
        read_toml(tmp_path / "a.toml")


# Texts.

HOSTILE = "</script><script>alert(1)</script> ![](http://x/y) \\input{/etc/passwd} | `x` \u2028 \u202e \x85 \x1b[2J 🙂"


def test_hostile_captions_are_stored_as_they_are(
    vist_with: Callable[[str, object], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = vist_with("text", HOSTILE)
    assert run(tmp_path / "run", data=str(data), limit=1, contexts=("5-captions-4-images",)).complete
    (folder,) = [file.parent for file in (tmp_path / "run").rglob("unit.json")]
    assert len(read_samples(folder)) == 2
    record = json.loads((folder / "samples.jsonl").read_text(encoding="utf-8").split("\n")[0])
    assert record["prompt"][0] == HOSTILE
    capsys.readouterr()
    assert main(["verify", str(tmp_path / "run")]) == 0
    assert run(tmp_path / "run", data=str(data), limit=1, contexts=("5-captions-4-images",)).complete
    assert "loading" not in capsys.readouterr().err  # it is done, whatever its lines hold


def test_a_caption_of_ten_megabytes_makes_no_long_file_name(
    vist_with: Callable[[str, object], Path], tmp_path: Path
) -> None:
    data = vist_with("text", "word " * 2_000_000)
    assert run(tmp_path / "run", data=str(data), limit=1, contexts=("5-captions",)).complete
    assert all(len(file.name) < 80 for file in (tmp_path / "run").rglob("*"))


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scored") / "run"
    assert run(out, contexts=("1-caption",)).complete
    return out


TITLE = r"</script><script>alert(1)</script> <img src=x onerror=alert(1)> \input{/etc/passwd} $x$ % | `x` [a](b)"


@pytest.mark.parametrize(
    ("form", "never"),
    [
        ("html", r"<script>alert|<img src=x"),
        ("markdown", r"(?<!\\)<(script|/script|img)|(?<!\\)\[a|(?<!\\)`"),
        ("latex", r"\\input|(?<!\\)\$x|(?<!\\)%(?! )"),
    ],
)
def test_titles_are_text_in_every_form_of_a_table(
    tmp_path: Path, scored: Path, form: str, never: str, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = (ROOT / "reports" / "table-1.toml").read_text().replace('name = "table-1"', 'name = "own"')
    layout = layout.replace('title = "Table 1"', f"title = '{TITLE}'").replace('"Contextual', f"'{TITLE}'  # ")
    (tmp_path / "own.toml").write_text(layout)
    assert main(["report", str(scored), "--table", str(tmp_path / "own.toml"), "--format", form]) == 0
    said = capsys.readouterr().out
    assert "alert(1)" in said
    assert re.search(never, said) is None


def test_captions_are_text_in_the_page(
    tmp_path: Path, vist_with: Callable[[str, object], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data = vist_with("text", HOSTILE)
    run(tmp_path / "run", data=str(data), limit=1, contexts=("5-captions",))
    assert main(["report", str(tmp_path / "run"), "--html", str(tmp_path / "page")]) == 0, capsys.readouterr().err
    files = [file for file in (tmp_path / "page").rglob("*") if file.is_file()]
    assert any(b"alert(1)" in file.read_bytes() for file in files)
    for file in files:
        for words in ("</script><script>", "<script>alert", "\x1b", "\u2028"):
            assert words.encode() not in file.read_bytes(), (file, words)


# Hostile outputs of models and hostile files of numbers.


class Strange:
    """A model with pictures of one kind."""

    def __init__(self, image: Image.Image) -> None:
        self.image = image

    def generate_images(self, prompts: Sequence[Any], noise: Sequence[Sequence[Any]]) -> list[list[GeneratedImage]]:
        return [[GeneratedImage(self.image) for _ in seeds] for seeds in noise]


@pytest.mark.parametrize(
    "image",
    [
        Image.new("F", (4, 4), float("nan")),
        Image.new("I", (4, 4), 2**31 - 1),
        Image.new("RGB", (0, 0)),
        Image.new("RGB", (0, 9)),
    ],
)
def test_generated_pictures_that_cannot_be_stored_are_refused(tmp_path: Path, image: Image.Image) -> None:
    plan = make_plan(run_request(tmp_path / "run", contexts=("1-caption",)))
    (planned,) = plan.cells
    with pytest.raises((ReturnedError, CallError)) as caught:
        generate_unit(planned.pending[0], planned.cell, Strange(image), 0, "cpu")
    reason = str(caught.value.__cause__ if isinstance(caught.value, CallError) else caught.value)
    assert re.search(r"Strange.generate_images returned a picture of mode .*, expected RGB", reason)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"n_scored": 6', '"n_scored": -6'),
        ('"n_scored": 6', '"n_scored": 6.5'),
        ('"n_scored": 6', '"n_scored": true'),
        ('"n_scored": 6', '"n_scored": "6"'),
        ('"seed": 0', '"seed": NaN'),
        ('"value": 0', '"value": NaN, "x": 0'),
        ('"value": 0', '"value": 1e999, "x": 0'),
        ('"value": 0', '"value": "1", "x": 0'),
    ],
)
def test_results_with_impossible_numbers_are_refused(tmp_path: Path, scored: Path, old: str, new: str) -> None:
    file = tmp_path / "results.json"
    text = (scored / "results.json").read_text()
    assert old in text
    content = json.loads(text.replace(old, new))
    try:
        write_sealed(file, {name: value for name, value in content.items() if name != "sha256"})
    except ValueError:  # not a finite number, which has no seal
        file.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=r"results\.json: (damaged|key)"):
        read_results(file)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", '"NaN"x', "null"])
def test_golden_files_with_impossible_numbers_are_refused(tmp_path: Path, value: str) -> None:
    number = '{"task":"a","model":"b","context":"c","metric":"d","signature":"s","higher_is_better":true,"value":%s}'
    file = tmp_path / "golden.json"
    file.write_text('{"schema_version":1,"numbers":[' + number % value + "]}")
    with pytest.raises(InputError, match="damaged"):
        read_golden(file)


# Run directories of other people.


@pytest.fixture
def strange(tmp_path: Path, scored: Path) -> Path:
    return Path(shutil.copytree(scored, tmp_path / "home" / "runs" / "run"))


def everything(folder: Path) -> set[Path]:
    return {file for file in folder.rglob("*") if not file.is_relative_to(folder / "home" / "runs" / "run")}


NAMES = ("../../../../escaped", "/tmp/escaped", "..", ".", "a/b", "a\\b", "C:x", "a\nb", "x" * 300, "")


@pytest.mark.parametrize("field", ["task", "model", "context"])
@pytest.mark.parametrize("name", NAMES)
def test_names_in_a_run_stay_in_its_folder(tmp_path: Path, strange: Path, field: str, name: str) -> None:
    """Sealed as a run would be: whoever makes one up can seal it too."""
    before = everything(tmp_path)
    spec = read_spec(strange)
    changed: dict[str, Any] = {field: name}
    write_spec(strange, replace(spec, cells=tuple(replace(cell, **changed) for cell in spec.cells)))
    for command in (["score"], ["verify"], ["report"], ["report", "--html"]):
        assert main([command[0], str(strange), *command[1:]]) in (1, 2)
    with pytest.raises(InputError, match=rf"spec\.json: damaged: cells\[0\]\.{field} = "):
        read_spec(strange)
    results = json.loads((strange / "results.json").read_text())
    for row in results["rows"]:
        row[field] = name
    write_sealed(strange / "results.json", {key: value for key, value in results.items() if key != "sha256"})
    with pytest.raises(InputError, match=rf"results\.json: damaged: rows\[0\]\.{field} = "):
        read_results(strange / "results.json")
    assert everything(tmp_path) == before
    with pytest.raises(InputError, match=f"the name of a {field}"):
        cell_folder(strange, CellKey(*(name if each == field else each for each in CellKey._fields)))


def commit(unit: Path, change: Callable[[dict[str, Any], list[dict[str, Any]]], None]) -> None:
    """Change a unit's own list and its samples, with hashes that fit."""
    content = json.loads((unit / "unit.json").read_text())
    lines = [json.loads(line) for line in (unit / "samples.jsonl").read_text().splitlines()]
    change(content, lines)
    text = "\n".join(map(json.dumps, lines)) + "\n"
    (unit / "samples.jsonl").write_text(text)
    content["files"]["samples.jsonl"] = hashlib.sha256(text.encode()).hexdigest()
    (unit / "unit.json").write_text(json.dumps(content))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A picture that is nobody else's business."""
    file = tmp_path / "secret.png"
    Image.new("RGB", (64, 64), (11, 22, 33)).save(file)
    return file


def shows(page: Path, file: Path) -> bool:
    """True if a page holds the bytes of a picture."""
    uri = base64.b64encode(file.read_bytes()).decode()
    return any(uri in script.read_text() for script in page.rglob("*.js"))


@pytest.mark.parametrize("kind", ["absolute", "above", "link", "link listed by its content", "other content"])
def test_only_pictures_of_a_unit_are_shown(tmp_path: Path, strange: Path, secret: Path, kind: str) -> None:
    unit = next(strange.glob("units/*/*/*/*/unit.json")).parent
    name = {"absolute": str(secret), "above": os.path.relpath(secret, unit)}.get(kind)
    if name is not None:
        listed = hashlib.sha256(secret.read_bytes()).hexdigest()

        def named(content: dict[str, Any], lines: list[dict[str, Any]]) -> None:
            lines[0]["image"] = name
            content["files"][name] = listed

        commit(unit, named)
    else:
        picture = next(unit.glob("*.png"))
        picture.unlink()
        shutil.copy(secret, picture) if kind == "other content" else picture.symlink_to(secret)
        if kind == "link listed by its content":
            commit(
                unit,
                lambda content, _: content["files"].update(
                    {picture.name: hashlib.sha256(secret.read_bytes()).hexdigest()}
                ),
            )
    code = main(["report", str(strange), "--html"])
    assert code == (2 if name is not None else 0)
    assert not shows(strange / "page", secret)
    with pytest.raises(GillBenchError, match=r"is damaged|not what the model made"):
        gill_bench.load_run(strange).samples("vist", pictures=True)
    assert not verify(strange).whole


def test_links_do_not_lead_out_of_a_run(tmp_path: Path, strange: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    cell = next(strange.glob("units/*/*/*"))
    moved = cell.rename(outside / "cell")
    cell.symlink_to(moved)
    before = {file: file.stat().st_mtime_ns for file in outside.rglob("*")}
    for command in (["score"], ["verify"], ["report", "--html"]):
        assert main([command[0], str(strange), *command[1:]]) in (1, 2)
    cell.unlink()
    cell.mkdir()
    for unit in moved.iterdir():
        (cell / unit.name).symlink_to(unit)
    assert unit_folders(cell) == []
    shutil.rmtree(strange / "page", ignore_errors=True)
    (strange / "page").symlink_to(outside)
    assert main(["report", str(strange), "--html"]) == 2
    (strange / ".lock").unlink(missing_ok=True)
    (strange / ".lock").symlink_to(outside / "made-by-a-link")
    assert main(["score", str(strange)]) == 2
    assert {file: file.stat().st_mtime_ns for file in outside.rglob("*")} == before


@pytest.mark.parametrize("name", NAMES[:3])
def test_ids_that_are_paths_reach_trackers_as_names(strange: Path, name: str) -> None:
    [unit] = [file.parent for file in sorted(strange.glob("units/*/*/*/*/unit.json"))[:1]]

    def renamed(content: dict[str, Any], lines: list[dict[str, Any]]) -> None:
        for line in lines:
            line["example"] = name

    commit(unit, renamed)
    labels = [label for key, _ in RunReader.open(strange).rows for label, _, _ in pictures_of(strange, key)]
    assert labels
    assert not any(name_problem(part) for label in labels for part in label.split("/"))


def pictures_of(run: Path, key: CellKey) -> list[tuple[str, Any, str]]:
    return list(_pictures(RunReader.open(run), key, 100))
