"""`gill-bench annotate` and `compare --human`: votes go in; agreement, files and a preference come out."""

from __future__ import annotations

import json
import signal
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from gill_bench.analysis.annotation.returned import vote_for_page
from gill_bench.analysis.annotation.study import read_study
from gill_bench.cli import main
from tests.support.annotation import PROMPTS, prompts_and_pictures, vote
from tests.support.cli import start_command


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The command for pictures in folders, up to its options."""
    data, pictures = prompts_and_pictures(tmp_path)
    return ["annotate", str(pictures), "--task", "partiprompts", "--data", str(data)]


def votes_sent(study_folder: Path, annotator: str, sides: str) -> str:
    """A file of votes on the first prompts, as an annotator sends it."""
    study = read_study(study_folder)
    names = {"g": "generated", "r": "retrieved", "s": "same"}
    votes = [vote_for_page(vote(number, names[side]), study) for number, side in enumerate(sides)]
    top = {"format": "gill-bench votes", "version": 1, "study": study.digest}
    file = study_folder.parent / f"{annotator}.json"
    file.write_text(json.dumps({**top, "annotator": annotator, "votes": votes}))
    return str(file)


def test_from_a_folder_for_annotators_to_labels_and_a_preference(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, static = words[1], str(tmp_path / "static")
    assert main([*words, "--static", static]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'static' / 'index.html'}\n"
    assert len(list((tmp_path / "static" / "pictures").iterdir())) == 2 * PROMPTS
    assert main([*words, "--static", static]) == 0  # of the same study, it is finished
    assert main([*words, "--static", pictures]) == 2
    assert "not empty; name a new folder" in capsys.readouterr().err
    (study_folder,) = (tmp_path / "pictures" / "annotations").iterdir()
    files = [votes_sent(study_folder, name, sides) for name, sides in (("Ann", "ggrsgggg"), ("Bo", "ggrrgggs"))]
    assert main(["annotate", pictures, "--import", files[0], "--import", files[1]]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Ann: 8 new votes, 8 of 8 examples in all",
        "Bo: 8 new votes, 8 of 8 examples in all",
    ]
    assert main(["annotate", pictures, "--agreement"]) == 0
    printed = capsys.readouterr().out
    assert "8 of 8 examples have votes, 8 of them two or more" in printed
    assert "relevance: generated 11, retrieved 3, same 2" in printed
    assert "four of five agree              - (no example with five votes)" in printed
    assert main(["annotate", str(study_folder), "--agreement", "--json"]) == 0
    alpha = json.loads(capsys.readouterr().out)["questions"][0]["alpha"]
    assert f"Krippendorff's alpha (nominal)  {alpha:.3f}" in printed
    assert main(["annotate", pictures, "--export", str(tmp_path / "labels")]) == 0
    assert len(list((tmp_path / "labels").iterdir())) == 3
    capsys.readouterr()
    compare = ["compare", "retrieved", "generated", "--human", "--votes", str(study_folder)]
    assert main(compare) == 0
    compared = capsys.readouterr().out
    assert "generated (B) against retrieved (A)" in compared
    assert "human-relevance" in compared
    assert main([*compare, "--json"]) == 0
    (relevance, _) = json.loads(capsys.readouterr().out)["comparisons"]
    assert relevance["means"] == [0.25, 0.75]
    assert "16 votes of 2 annotators" in relevance["notes"][0]


@pytest.mark.enable_socket
def test_annotate_serves_until_it_is_stopped(words: list[str]) -> None:
    command = start_command(*words)
    assert command.stdout is not None
    address = command.stdout.readline().strip()
    with urllib.request.urlopen(address, timeout=600) as answer:
        assert b"Two pictures" in answer.read()
    assert address.startswith("http://127.0.0.1:")
    command.send_signal(signal.SIGTERM)
    out, err = command.communicate()
    assert (command.returncode, out) == (0, "")
    assert "8 examples of partiprompts, pictures of generated and retrieved; votes are kept in" in err
    assert err.splitlines()[-1] == "stopped"


def test_wrong_uses_are_refused_in_a_short_message(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = words[1]
    for arguments, message in (
        (["annotate", pictures, "--agreement", "--export", "x"], "--export and --agreement: one at a time"),
        (["annotate", pictures, "--json"], "--json: goes with --agreement"),
        (["annotate", pictures], "name the task of their texts with --task"),
        (["annotate", pictures, "--agreement"], "no votes (annotations/*/study.json)"),
        ([*words, "--models", "a,b,c"], "two pictures are shown at a time"),
        ([*words, "--models", "generated,retreived"], "did you mean 'retrieved'?"),
        ([*words, "--context", "5-captions"], "--context: goes with a run"),
        (["annotate", str(tmp_path / "nothing"), *words[2:]], "no such folder; expected a run"),
        (["compare", "a", "b", "--votes", pictures], "--votes: goes with --human"),
        (["compare", "a", "b", "--human", "--metric", "lpips"], "--human and --metric"),
        (["compare", "a", "b", "--human"], "expected RUN:MODEL"),
    ):
        assert main(arguments) == 2, arguments
        said = capsys.readouterr().err.splitlines()
        lines = [line for line in said if not line.startswith(("checking ", "embedded "))]
        assert message in lines[0], arguments
        assert len(lines) <= 3


def test_pictures_may_be_named_with_a_seed(words: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "pictures" / "seeded" / "1"
    folder.mkdir(parents=True)
    for number in range(PROMPTS):
        Image.new("RGB", (8, 8), (0, 0, number)).save(folder / f"{number}.png")
        Image.new("RGB", (8, 8), (9, 0, number)).save(folder.parent / f"{number}_0.png")
    pictures: list[str] = []
    for seed in ("0", "1"):
        votes = tmp_path / f"votes-{seed}"
        more = ["--models", "seeded,generated", "--seed", seed, "--votes", str(votes), "--static", f"{votes}-page"]
        assert main([*words, *more]) == 0
        pictures += [item.sha256[0] for item in read_study(votes).items]
    assert len(set(pictures)) == 2 * PROMPTS
