"""A run as a file: its keys are read, checked and overridden, and a request that is written comes back."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from gill_bench.errors import InputError
from gill_bench.planning.experiment import experiment_among, overriding, read_experiment
from gill_bench.planning.experiment_text import saved_experiment, stored_experiment
from gill_bench.planning.request import RunRequest
from gill_bench.rundir.records import EXPERIMENT

EVERYTHING = RunRequest(
    ("vist", "cards/own.toml"),
    Path("runs/all"),
    models=("gill", "models/mine.py:Mine"),
    contexts=("paper", "1-caption"),
    seeds=(0, 3),
    limit=8,
    data="data",
    split="test",
    weights="mini",
    metric_weights="weights",
    settings=("gill.guidance_scale=3.0", 'vist.caption_join=a\n"b"', 'vist.x="3"', "Mine.on=true"),
    device="cuda:0,cuda:1",
    batch_size=4,
    threads=2,
    workers=3,
    engine="ray",
    address="auto",
    max_failures=0,
    shard=(2, 4),
    card_folders=(Path("cards"),),
    locks=False,
    probe=True,
)


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "experiment.toml"
    file.write_text(text, encoding="utf-8")
    return file


def request(options: dict[str, Any]) -> RunRequest:
    return RunRequest.of(options.pop("tasks"), **options)


@pytest.mark.parametrize("folder", [".", "experiments", "runs/all"])
def test_a_request_that_is_saved_comes_back(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(folder).mkdir(parents=True, exist_ok=True)
    file = Path(folder) / "e.toml"
    file.write_text(saved_experiment(file, [EVERYTHING]), encoding="utf-8")
    [options] = read_experiment(file)
    again = request(options)
    settings = {text.partition("=")[0]: text.partition("=")[2] for text in again.settings}
    assert settings.pop("vist.caption_join") == '"a\\n\\"b\\""'
    assert settings == {"gill.guidance_scale": "3.0", "vist.x": '"3"', "Mine.on": "true"}
    assert again == RunRequest(**{**vars(EVERYTHING), "settings": again.settings})


def test_only_what_is_asked_for_is_written_and_absolute_paths_stay(tmp_path: Path) -> None:
    plain = RunRequest(("vist",), tmp_path / "run", data="/data/vist", weights="./mini")
    saved = tomllib.loads(saved_experiment(tmp_path / "e.toml", [plain]))
    assert list(saved) == ["tasks", "models", "data", "weights", "out"]
    assert saved["data"] == "/data/vist"
    assert saved["weights"] != "mini"  # which would be the embedded ones
    stored = tomllib.loads(stored_experiment(tmp_path / "run", plain, whole=True))
    assert stored["out"] == "."
    assert stored["data"].startswith("../")  # no path of the machine in a run


def test_the_commands_of_a_run_are_kept_until_others_take_their_place(tmp_path: Path) -> None:
    def add(*, whole: bool = False, **options: Any) -> list[tuple[list[str], int]]:
        text = stored_experiment(tmp_path, RunRequest(out=tmp_path, **options), whole=whole)
        written(tmp_path, text)
        runs = tomllib.loads(text)
        return [(run["tasks"], run.get("limit", 0)) for run in runs.get("run", [runs])]

    assert add(tasks=("vist",), limit=2, whole=True) == [(["vist"], 2)]
    assert add(tasks=("visdial",), shard=(1, 3)) == [(["vist"], 2), (["visdial"], 0)]
    assert "shard" not in (tmp_path / EXPERIMENT).read_text()
    assert add(tasks=("vist",), limit=4) == [(["visdial"], 0), (["vist"], 4)]
    assert add(tasks=("vist", "visdial"), whole=True) == [(["vist", "visdial"], 0)]


def test_a_damaged_file_of_a_run_is_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, "tasks = 3\n")
    text = stored_experiment(tmp_path, RunRequest(("vist",), tmp_path), whole=False)
    assert tomllib.loads(text)["tasks"] == ["vist"]
    assert "line 1: tasks = 3: expected a list of texts" in capsys.readouterr().err


def test_keys_above_several_runs_hold_for_each(tmp_path: Path) -> None:
    text = 'models = "gill, clip"\nsettings.gill.a = 1\n[[run]]\ntasks = ["vist"]\n[run.settings.gill]\na = 2\n'
    first, second = read_experiment(written(tmp_path, text + '[[run]]\ntasks = ["visdial"]\nmodels = ["opt"]\n'))
    assert (first["models"], first["settings"]) == (("gill", "clip"), ("gill.a=2",))
    assert (second["models"], second["settings"]) == (("opt",), ("gill.a=1",))


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        ("# a comment\n\nseed = 3", 4, "unknown key 'seed'; did you mean 'seeds'?"),
        ("[settings]\n[setings.gill]\nx = 1", 3, "unknown key 'setings'; did you mean 'settings'?"),
        ('limit = "8"', 2, "limit = '8': expected a whole number from 1 to"),
        ("seeds = true", 2, "seeds = True: expected a whole number"),
        ("seeds = [1,\n1]", 2, "seeds = [1, 1]: expected the number of seeds, or a list"),
        ("batch_size = 0", 2, "batch_size = 0: expected a whole number from 1"),
        ("models = [\n  1,\n]", 2, "models = [1]: expected a list of texts"),
        ("models = []", 2, "models = []: expected a list of texts"),
        ('no-locks = "yes"', 2, "no-locks = 'yes': expected true or false"),
        ("data = 3", 2, "data = 3: expected a text"),
        ('shard = "4/3"', 2, "shard = '4/3': expected PART/PARTS"),
        ('set = "gill.x=1"\nsettings = 3', 3, "settings = 3: expected a table"),
        ("[settings]\ngill = 3", 2, "expected a table [settings.CARD]"),
        ("[settings.gill]\nx = [1]", 2, "expected a text, number, true or false as gill.x"),
        ('device = "cpu"\ndevices = "cpu"', 3, "devices: given twice"),
        ("dry-run = true", 2, "give it as --dry-run"),
        ("verbose = true", 2, "give it as --verbose"),
        ("pilot = true", 2, "give it as --pilot"),
        ("run = 3", 2, "run: expected tables [[run]]"),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_key(lines: str, line: int, message: str, tmp_path: Path) -> None:
    file = written(tmp_path, f'tasks = ["vist"]\n{lines}\n')
    with pytest.raises(InputError) as raised:
        read_experiment(file)
    assert str(raised.value).startswith(f"{file}, line {line}: ")
    assert message in str(raised.value)


def test_a_file_without_tasks_or_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names no tasks"):
        read_experiment(written(tmp_path, "limit = 3\n"))
    with pytest.raises(InputError, match=r"not valid TOML: .*line 2"):
        read_experiment(written(tmp_path, 'tasks = ["vist"]\nlimit = = 3\n'))


def test_an_experiment_is_told_from_a_task_card(tmp_path: Path) -> None:
    card = tmp_path / "own.toml"
    card.write_text('schema = 1\nname = "own"\n')
    for text in ('tasks = ["vist"]\n', "taks = 3\n", "[[run]]\n", 'name = "mine"\ntasks = ["vist"]\n'):
        file = written(tmp_path, text)
        assert experiment_among([str(file), str(card), "vist"]) == (file, [str(card), "vist"])
    assert experiment_among([str(card), "vist"]) == (None, [str(card), "vist"])
    with pytest.raises(InputError, match="give one of them"):
        experiment_among([str(file), str(file.rename(tmp_path / "other.toml")), str(written(tmp_path, text))][1:])


def test_the_command_line_overrides_and_says_so() -> None:
    file = Path("e.toml")
    described = {"tasks": ("vist",), "seeds": 5, "data": "d", "locks": False, "settings": ("gill.a=1", "gill.b=2")}
    given = {"seeds": 1, "limit": 3, "locks": True, "settings": ("gill.b=3",), "tasks": ("visdial",)}
    options, sentences = overriding(file, described, {"data": "e", "weights": "w"}, given)
    assert options == {
        **{"tasks": ("visdial",), "seeds": 1, "limit": 3, "data": "d", "weights": "w", "locks": True},
        "settings": ("gill.a=1", "gill.b=3"),
    }
    assert sentences == [
        "e.toml: data = d: overrides the environment's",
        "e.toml: no-locks = true: overridden by --no-locks false",
        "e.toml: seeds = 5: overridden by --seeds 1",
        "e.toml: gill.b=2: overridden by --set",
        "e.toml: tasks = vist: overridden by the tasks visdial",
    ]
