from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gill_bench.cli import main
from gill_bench.embeddings.store import read_embeddings


def test_a_pickle_becomes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cc3m.npy"
    file.write_bytes(
        pickle.dumps({"paths": ["a", "b"], "embeddings": [np.ones(3, np.float32), np.arange(3.0, dtype="f4")]})
    )
    out = tmp_path / "out"
    assert main(["convert-embeddings", str(file), "--out", str(out), "--dtype", "float16"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert f"converted 2 embeddings: {out}" in said.err
    assert "writing: 2/2 embeddings" in said.err
    assert read_embeddings(out).path(1) == "b"
    assert main(["convert-embeddings", str(file), "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_missing_file_and_an_unknown_type_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert main(["convert-embeddings", "nowhere.npy", "--out", out]) == 2
    assert "nowhere.npy: no such file" in capsys.readouterr().err
    assert main(["convert-embeddings", "nowhere.npy", "--out", out, "--dtype", "float8"]) == 2
    assert "--dtype float8" in capsys.readouterr().err


def test_a_pickle_with_code_is_refused_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cc3m.npy"
    file.write_bytes(b"\x80\x04c" + f"{os.name}\nsystem\n".encode() + b"\x8c\x09touch ran\x85R.")
    assert main(["convert-embeddings", str(file), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert f"{file}: names {os.name}.system, which is no part of arrays" in said
    assert not (tmp_path / "out").exists()


def test_help_shows_an_example_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from gill_bench.cli import main; code = main(['convert-embeddings', '--help']);"
        "loaded = sorted({'numpy', 'torch'} & set(sys.modules)); sys.exit(f'loaded {loaded}' if loaded else code)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "gill-bench convert-embeddings cc3m" in ended.stdout
