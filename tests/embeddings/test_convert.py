"""The converted format, and reading the authors' pickles without running anything of them."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gill_bench.embeddings.convert import convert_embeddings
from gill_bench.embeddings.pickled_arrays import StoredArray, read_pickled
from gill_bench.embeddings.store import read_embeddings, write_embeddings
from gill_bench.errors import InputError

ROWS = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
HALF = torch.from_numpy(ROWS).bfloat16()
FORMS: dict[str, Any] = {
    "array": ROWS,
    "array in three dimensions": ROWS[:, None],
    "float64": ROWS.astype(np.float64),
    "big-endian": ROWS.astype(">f4"),
    "read-only": np.frombuffer(ROWS.tobytes(), np.float32).reshape(7, 5),
    "list of arrays": list(ROWS),
    "list of parts": [ROWS[:3], ROWS[3:]],
    "the same array again": [ROWS[0]] * 7,
    "list of tensors": [row.clone() for row in HALF],
    "list of views of a batch": list(HALF),
    "tensor": torch.from_numpy(ROWS),
    "tensor of float16": torch.from_numpy(ROWS).half(),
}


def saved(file: Path, content: object, protocol: int = 4) -> Path:
    file.write_bytes(pickle.dumps(content, protocol))
    return file


def content(rows: object, count: int = 7) -> dict[str, object]:
    return {"paths": [f"https://x.org/ü {number}.jpg" for number in range(count)], "embeddings": rows}


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_pickle_gives_its_normalised_rows(form: str, protocol: int, tmp_path: Path) -> None:
    rows = FORMS[form]
    parts = [np.asarray(part.float() if torch.is_tensor(part) else part, np.float64).reshape(-1, 5) for part in rows]
    expected = np.concatenate(parts)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    file = saved(tmp_path / "cc3m.npy", OrderedDict(content(rows)), protocol)
    assert convert_embeddings([file], tmp_path / "out") == 7
    converted = read_embeddings(tmp_path / "out")
    assert converted.vectors.dtype == np.float32
    assert np.abs(converted.vectors - expected).max() < 1e-7
    assert [converted.path(number) for number in range(7)] == content(rows)["paths"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "embeddings.json",
        "embeddings.npy",
        "paths.txt",
    ]


def test_several_pickles_become_one_set_in_float16(tmp_path: Path) -> None:
    files = [saved(tmp_path / "a.pkl", content(ROWS)), saved(tmp_path / "b.pkl", content(list(HALF[:2]), 2))]
    assert convert_embeddings(files, tmp_path / "out", "float16") == 9
    converted = read_embeddings(tmp_path / "out")
    assert (len(converted), converted.width, str(converted.vectors.dtype), converted.path(8)) == (
        9,
        5,
        "float16",
        "https://x.org/ü 1.jpg",
    )
    about = json.loads((tmp_path / "out" / "embeddings.json").read_text())
    assert [source["name"] for source in about["sources"]] == ["a.pkl", "b.pkl"]
    unit = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    assert converted.nearest(unit[4:5], 1).indices.tolist() == [[4]]


class _Code:
    def __init__(self, call: Callable[..., object], *arguments: object) -> None:
        self.parts = (call, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.parts


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("call", [os.system, eval, getattr, torch.load, np.load])
def test_code_is_refused_and_not_run(call: Callable[..., object], protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    for value in (_Code(call, f"touch {mark}"), {"paths": [], "embeddings": [_Code(call, f"touch {mark}")]}):
        file = saved(tmp_path / "evil.npy", value, protocol)
        with pytest.raises(
            InputError, match=rf"evil\.npy: names \S*{call.__name__}, which is no part of arrays"
        ) as caught:
            convert_embeddings([file], tmp_path / "out")
        assert len(str(caught.value).splitlines()) <= 3
    assert not mark.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("inner", [pickle.dumps(_Code(os.system, "touch ran")), b"cos\nsystem\n(S'touch ran'\ntR."])
def test_code_inside_a_tensor_is_refused_too(inner: bytes, tmp_path: Path) -> None:
    from torch.storage import _load_from_bytes

    file = saved(tmp_path / "evil.npy", content([_Code(_load_from_bytes, inner)], 1))
    with pytest.raises(InputError, match=r"evil\.npy: .*"):
        read_pickled(file)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"\x80\x04i__main__\nX\n.", "instruction b'i'"),
        (b"\x80\x04\x82\x01.", "instruction b'\\x82'"),
        (b"\x80\x04U\x01a.", "instruction b'U'"),
        (b"\x80\x02}.", "not a pickle of protocol 3, 4 or 5"),
        (b"<html>", "not a pickle"),
        (b"", "not a pickle"),
        (b"\x80\x04X\xff\xff\xff\xffabc.", "is cut off"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.", "is cut off"),
        (b"\x80\x04]", "is cut off"),
        (b"\x80\x04h\x05.", "make no sense"),
        (b"\x80\x04r\xff\xff\xff\xff.", "make no sense"),
        (b"\x80\x04NQ.", "make no sense"),
        (b"\x80\x04]r\xff\xff\xff\xff.", "make no sense"),  # a memo of 64 GiB
        (b"\x80\x04cnumpy\nndarray\n\x8a\x05\x00\x00\x00\x00\x40\x85R.", "make no sense"),  # 256 GiB of numbers
        (b"\x80\x04cnumpy\ndtype\n}\x8c\x08_rebuildNsb.", "make no sense"),  # a name is given a state
        (b"\x80\x04cnumpy\ndtype\nN}\x8c\x08_rebuildNs\x86b.", "make no sense"),
    ],
)
def test_a_file_that_is_no_plain_pickle_is_refused(payload: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "x.npy"
    file.write_bytes(payload)
    with pytest.raises(InputError, match=re.escape(str(file)) + ": .*" + re.escape(message)):
        read_pickled(file)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(), inner, max_size=4)
        | st.tuples(inner)
        | st.tuples(inner, inner, inner, inner)
    ),
    max_leaves=20,
)


@given(PLAIN, st.sampled_from([3, 4, 5]))
@settings(max_examples=60, deadline=None)
def test_plain_values_come_out_as_python_reads_them(
    tmp_path_factory: pytest.TempPathFactory, value: Any, p: int
) -> None:
    file = saved(tmp_path_factory.mktemp("plain") / "x", value, p)
    assert read_pickled(file) == value


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_gives_an_error_or_arrays_within_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytearray(pickle.dumps(content([HALF[0].clone(), ROWS[0]], 2), data.draw(st.sampled_from([3, 4, 5]))))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path_factory.mktemp("damaged") / "x"
    file.write_bytes(whole[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else whole)
    try:
        value = read_pickled(file)
    except InputError as error:
        assert str(error).startswith(str(file))  # noqa: PT017 (both outcomes are right)
        return
    rows = value.get("embeddings", []) if isinstance(value, dict) else []
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, StoredArray) and row.dtype:
            assert row.values.nbytes <= len(whole)


def broken(change: Callable[[np.ndarray], object]) -> np.ndarray:
    rows = ROWS.copy()
    change(rows)
    return rows


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2], "expected a dictionary with the keys 'paths' and 'embeddings'"),
        ({"paths": ["a"]}, "expected a dictionary with the keys"),
        (content(ROWS, 6), "6 paths, but 7 embeddings"),
        ({"paths": [1], "embeddings": ROWS[:1]}, "'paths' is not a list of strings"),
        (content([]), "'embeddings' is empty"),
        (content([[0.5, 1.0]], 1), "item 0: list, expected"),
        (content([np.array(0, np.float32)], 1), r"item 0: array \(\), expected"),
        (content([ROWS[0], ROWS[1, :3]], 2), "item 1 is of another type or width"),
        (content([ROWS[0], HALF[1]], 2), "item 1 is of another type or width"),
        (content(ROWS.T, 5), "stored by columns"),
        (content(HALF.T, 5), "not contiguous"),
        (content(ROWS.astype(np.int64)), "array of type 'i8'"),
        (content(broken(lambda rows: rows.__setitem__((2, 3), np.nan))), r"1 of 7 embeddings .* 2 \(https://x.org/ü 2"),
        (content(broken(lambda rows: rows.__setitem__(6, 0))), r"zero or not finite, at rows \(from 0\) 6"),
        ({"paths": ["a\nb"], "embeddings": ROWS[:1]}, "path 0 has a line break"),
    ],
)
def test_pickles_with_wrong_contents_are_refused(value: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        convert_embeddings([saved(tmp_path / "x.npy", value)], tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["x.npy"]


def test_missing_files_and_folders_that_exist_already_are_refused(tmp_path: Path) -> None:
    file = saved(tmp_path / "x.npy", content(ROWS))
    with pytest.raises(InputError, match=r"nowhere\.npy: no such file"):
        convert_embeddings([tmp_path / "nowhere.npy"], tmp_path / "out")
    with pytest.raises(InputError, match="exists already"):
        convert_embeddings([file], tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        convert_embeddings([file], tmp_path / "a" / "b")
    with pytest.raises(InputError, match="are of width 5: they are of different models"):
        convert_embeddings([file, saved(tmp_path / "y.npy", content(ROWS[:, :4]))], tmp_path / "out")
    np.save(tmp_path / "plain.npy", ROWS)
    with pytest.raises(InputError, match="numpy's own format"):
        convert_embeddings([tmp_path / "plain.npy"], tmp_path / "out")
    torch.save(content(ROWS), tmp_path / "torch.pkl")
    with pytest.raises(InputError, match=r"a zip file, as torch\.save writes"):
        convert_embeddings([tmp_path / "torch.pkl"], tmp_path / "out")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-4])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda out: cut(out / "embeddings.npy"), "cut off or damaged"),
        (lambda out: cut(out / "paths.txt"), r"paths\.txt: 5 lines for 7 embeddings"),
        (lambda out: (out / "paths.txt").unlink(), r"paths\.txt: no such file"),
        (lambda out: np.save(out / "embeddings.npy", ROWS[:3]), r"float32 \(3, 5\), but embeddings.json promises"),
        (lambda out: (out / "embeddings.json").write_text('{"version": 9}'), "version 9, expected 1"),
        (lambda out: (out / "embeddings.json").unlink(), r"embeddings\.json: no such file"),
    ],
)
def test_a_damaged_folder_of_embeddings_is_refused(
    change: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    write_embeddings(tmp_path / "out", [ROWS[:4], ROWS[4:]], [str(number) for number in range(7)])
    change(tmp_path / "out")
    with pytest.raises(InputError, match=message):
        read_embeddings(tmp_path / "out")


def test_nearest_are_those_of_the_whole_matrix(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = np.round(rng.normal(size=(9000, 6)))  # many equal ones, and more than one block
    rows[~rows.any(axis=1)] = 1
    write_embeddings(tmp_path / "out", [rows], ["x"] * 9000)
    embeddings = read_embeddings(tmp_path / "out")
    queries = rng.normal(size=(3, 6)).astype(np.float32)
    near = embeddings.nearest(queries, 20)
    whole = queries.astype(np.float64) @ np.asarray(embeddings.vectors, np.float64).T
    scores = whole.astype(np.float32)
    for number, row in enumerate(scores):
        order = np.lexsort((np.arange(9000), -row))[:20]
        assert near.scores[number] == pytest.approx(row[order], abs=1e-6)
        for first, second, a, b in zip(
            near.indices[number], near.indices[number][1:], near.scores[number], near.scores[number][1:], strict=False
        ):
            assert a > b or (a == b and first < second)
    with pytest.raises(InputError, match="of width 6, but the model's are of width 4"):
        embeddings.nearest(queries[:, :4], 1)


def test_pipes_in_the_place_of_files_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.pkl")
    with pytest.raises(InputError, match=r"a.pkl: cannot be read: a named pipe"):
        read_pickled(tmp_path / "a.pkl")
    write_embeddings(tmp_path / "out", [np.eye(2, dtype=np.float32)], ["a", "b"])
    (tmp_path / "out" / "embeddings.npy").unlink()
    os.mkfifo(tmp_path / "out" / "embeddings.npy")
    with pytest.raises(InputError, match="cut off or damaged; convert them again"):
        read_embeddings(tmp_path / "out")
