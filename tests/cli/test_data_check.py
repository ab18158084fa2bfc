"""`gill-bench data check`: what people read, what scripts read, and exit codes."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gill_bench.cli import main
from tests.support.cli import HEAVY
from tests.support.runs import CARDS

KEYS = {
    "task",
    "split",
    "folder",
    "state",
    "problem",
    "downloads",
    "examples",
    "usable",
    "pictures",
    "repeated",
    "warnings",
}
DOWNLOAD_KEYS = {"what", "state", "url", "size", "place", "found", "lacking", "hint"}


def check(*words: str | Path) -> int:
    return main(["data", "check", *map(str, words)])


@pytest.mark.parametrize("words", [["data", "--help"], ["data", "check", "--help"]])
def test_help_of_the_data_check_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from gill_bench.cli import main; code = main(sys.argv[1:]);"
        f"loaded = sorted(set({HEAVY!r}) & set(sys.modules)); sys.exit(f'loaded {{loaded}}' if loaded else code)"
    )
    ended = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "check" in ended.stdout


def test_help_of_the_data_check_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("--help") == 0
    assert "gill-bench data check vist --data ./data" in capsys.readouterr().out


def test_the_data_check_loads_no_model_library(vist: Path) -> None:
    code = (
        "import sys; from gill_bench.cli import main; code = main(sys.argv[1:]);"
        "sys.exit('loaded torch' if 'torch' in sys.modules else code)"
    )
    words = ["data", "check", "vist", "--data", str(vist), "--split", "test"]
    ended = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_complete_data_end_with_0_and_a_list_of_what_is_there(vist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("vist", "vist-retrieval", "--data", vist, "--split", "test") == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[:5] == [
        f"vist, split test, in {vist}: everything is there",
        f"  there       Stories of images in sequence (SIS): {vist}/sis/test.story-in-sequence.json",
        f"  there       Pictures of the split, as <photo_flickr_id>.<ext>: {vist}/images/test/",
        "  examples    32; usable: all in every context",
        "  pictures    all 80 are there",
    ]
    assert "  candidates  all 80 are there" in said.out
    assert "checking pictures: 80/80" in said.err
    assert "error" not in said.err


def test_data_of_the_mini_world_are_complete_for_all_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("all") == 0
    said = capsys.readouterr()
    assert said.out.count(": everything is there") >= 11
    assert said.err.startswith("embedded data (mini)")


def test_data_with_gaps_end_with_4(vist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("100000", "100005", "100010", "100015"):
        (vist / f"images/test/{name}.png").unlink()
    (vist / "images/test/100020.png").write_bytes(b"no picture")
    assert check("vist", "--data", vist, "--split", "test") == 4
    said = capsys.readouterr()
    assert "  incomplete  Pictures of the split, as <photo_flickr_id>.<ext>: 4 of them are missing\n" in said.out
    assert "from https://visionandlanguage.net/VIST/dataset.html (about 30 GB for val)\n" in said.out
    assert f"to   {vist}/images/test/\n" in said.out
    assert "  examples    32; usable: 22 in every context\n" in said.out
    assert "  pictures    75 of 80 are there\n" in said.out
    assert "4 missing: 100000, 100005, 100010, ...\n" in said.out
    assert f"{vist}/images/test/100020.png: not a picture that PIL can read, of the formats in use\n" in said.out
    assert "--set vist.unreadable=count" in said.out
    assert said.err.splitlines()[-1] == "error: vist: not everything is there"


def test_broken_pictures_that_are_counted_need_no_advice(vist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (vist / "images/test/100020.png").write_bytes(b"no picture")
    assert check("vist", "--data", vist, "--split", "test", "--set", "vist.unreadable=count") == 4
    assert "a run stops" not in capsys.readouterr().out


def test_an_empty_folder_ends_with_2_and_the_list_of_what_to_download(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check("vist", "--data", tmp_path) == 2
    said = capsys.readouterr()
    assert f"to   {tmp_path}/vist/sis/val.story-in-sequence.json\n" in said.out
    assert f"to   {tmp_path}/vist/images/val/\n" in said.out
    assert said.err == "error: vist: cannot run with this data\n"


def test_a_data_folder_that_does_not_exist_is_a_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("vist", "--data", tmp_path / "nowhere") == 2
    assert f"problem     {tmp_path}/nowhere: no such folder (given by --data)" in capsys.readouterr().out


def test_checking_all_tasks_needs_data_of_one_task_only(vist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("all", "--data", vist.parent, "--split", "test") == 4
    assert "vist, split test" in capsys.readouterr().out
    assert check("vist", "visdial", "--data", vist.parent, "--split", "test") == 2
    assert capsys.readouterr().err.endswith("error: visdial: cannot run with this data\n")


def test_the_json_of_a_data_check_has_every_key(vist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("vist", "speed", "--data", vist.parent, "--split", "test", "--json") == 2
    report = json.loads(capsys.readouterr().out)
    complete, unusable = report["tasks"]
    for task in report["tasks"]:
        assert set(task) == KEYS
        assert all(set(download) == DOWNLOAD_KEYS for download in task["downloads"])
    assert (complete["state"], complete["problem"], complete["examples"]) == ("complete", "", 32)
    assert set(complete["usable"].values()) == {32}
    assert complete["pictures"] == {"examples": {"total": 80, "there": 80, "missing": [], "broken": []}}
    assert (unusable["state"], unusable["downloads"][0]["state"]) == ("unusable", "missing")
    assert unusable["downloads"][0]["found"] is None


def test_wrong_arguments_of_a_data_check_are_refused(vist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("vits") == 2
    assert "did you mean 'vist'" in capsys.readouterr().err
    assert check("vist", "--set", "vist.storie=context") == 2
    assert "unknown setting" in capsys.readouterr().err
    assert check("vist", "--set", "gill.guidance_scale=3") == 2
    assert "is neither a task nor a model" in capsys.readouterr().err
    assert check() == 2
    assert "Missing argument" in capsys.readouterr().err


def test_a_run_without_its_data_ends_with_the_command_that_says_where_it_is(
    tmp_path: Path, vist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shell can read the printed command unchanged, whatever is wrong with the data."""
    deep = tmp_path / "my data" / "vist" / "download"
    deep.mkdir(parents=True)
    shutil.copy(vist / "sis" / "test.story-in-sequence.json", deep)
    for file in (vist / "images" / "test").iterdir():
        file.rename(file.with_name(f"a{file.name}"))
    own = ["--split", "test", "--set", "vist.picture_size=0", "--cards", str(CARDS)]
    for data, hint in (
        (str(tmp_path / "my data"), f"{deep}/test.story-in-sequence.json has the right name: move it to that place"),
        (str(vist), "80 missing"),
    ):
        words = ["--models", "able", "--out", str(tmp_path / "run"), "--device", "cpu", "--metric-weights", "mini"]
        assert main(["run", "vist", "--data", data, *words, *own]) == 2
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith("to see which files were found, and where the others must be: gill-bench ")
        command = shlex.split(last.partition(": ")[2])[1:]
        assert command == ["data", "check", "vist", "--data", data, *own]
        assert main(command) == 2
        assert hint in capsys.readouterr().out


def test_a_run_on_the_embedded_data_does_not_advise_a_data_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "vist", "--models", "gill", "--out", str(tmp_path / "run"), "--split", "gone"]) == 2
    assert "data check" not in capsys.readouterr().err
