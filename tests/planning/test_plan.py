"""Plans: their cells, the examples left out and why, requests that are refused, and the settings of models."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gill_bench.cards.find import builtin_folder
from gill_bench.cli import main
from gill_bench.errors import InputError
from gill_bench.mini.embedded import world_folder
from gill_bench.planning.plan import Plan, make_plan
from tests.support.able import run_request
from tests.support.runs import CARDS


def cells(plan: Plan) -> list[str]:
    return ["/".join(planned.cell.key) for planned in plan.cells]


def reasons(plan: Plan) -> dict[str, str]:
    return {"/".join(filter(None, entry[:3])): entry[3] for entry in plan.cannot}


def scale(plan: Plan, model: str) -> set[object]:
    """The guidance scales of a model in a plan: of what is loaded, and of what is hashed."""
    loaded: set[object] = {
        resolved.card.settings["guidance_scale"] for resolved in plan.models.values() if resolved.card.name == model
    }
    hashed = {p.cell.recipe["settings"]["guidance_scale"] for p in plan.cells if p.cell.model == model}
    assert loaded == hashed
    return loaded


def test_a_task_sets_sampling_and_the_user_wins(tmp_path: Path) -> None:
    def planned(*tasks: str, settings: tuple[str, ...] = ()) -> Plan:
        return make_plan(run_request(tmp_path / "run", *tasks, settings=settings))

    assert scale(planned("vist"), "able") == {7.5}
    assert scale(planned("coco-fid"), "able") == {1.5}  # of the card's [mini]
    assert scale(planned("vist", "coco-fid"), "able") == {1.5, 7.5}
    assert scale(planned("coco-fid", settings=("coco-fid.guidance_scale=2.5",)), "able") == {2.5}
    assert scale(planned("coco-fid", "vist", settings=("able.guidance_scale=4",)), "able") == {4}
    both = ("coco-fid.guidance_scale=2.5", "able.guidance_scale=4.0")
    assert scale(planned("coco-fid", settings=both), "able") == {4.0}


def test_contexts_of_the_paper_by_default_and_all_with_all_tasks(tmp_path: Path) -> None:
    def contexts(*tasks: str, **changes: object) -> set[str]:
        return {
            p.cell.context.name for p in make_plan(run_request(tmp_path / "run", *tasks, limit=100, **changes)).cells
        }

    assert contexts("vist-retrieval") == {"candidates", "5-captions-4-images"}
    sweep = {"candidates", "1-caption", "5-captions", "5-captions-4-images"}
    assert contexts("vist-retrieval", contexts=("sweep",)) == sweep
    assert contexts("vist-retrieval", contexts=("2-captions", "paper")) == {
        "candidates",
        "2-captions",
        "5-captions-4-images",
    }
    assert contexts("partiprompts") == {"candidates", "heuristic", "classifier"}
    assert contexts("partiprompts", contexts=("all",)) == {"candidates", "heuristic", "classifier", "decide"}
    everything = contexts("all")
    assert everything >= {"decide", "9-rounds", "2-captions-1-image", "search", "question"}
    assert contexts("all", contexts=("paper",)) < everything


def test_seeds_are_those_of_the_card(tmp_path: Path) -> None:
    plan = make_plan(run_request(tmp_path / "run", "vist", "coco-fid", "vqav2", "partiprompts"))
    seeds = {p.cell.context.name: (len(p.cell.sample_seeds), len(p.cell.row_seeds)) for p in plan.cells}
    assert seeds == {
        "1-caption": (5, 5),
        "5-captions": (5, 5),
        "5-captions-4-images": (5, 5),
        "caption": (1, 1),
        "question": (1, 1),
        "candidates": (1, 0),
        "heuristic": (1, 1),
        "classifier": (1, 5),
    }
    fewer = make_plan(run_request(tmp_path / "run", "vist", "coco-fid", seeds=3))
    assert {p.cell.seeds for p in fewer.cells} == {(0, 1, 2)}


def test_variants_run_in_the_contexts_that_ask_for_them(tmp_path: Path) -> None:
    def of(*tasks: str, **changes: object) -> list[str]:
        plan = make_plan(run_request(tmp_path / "run", *tasks, **({"models": ("all",)} | changes)))
        return [name for name in cells(plan) if "/able" in name]

    assert of("vist") == [
        "vist/able/1-caption",
        "vist/able/5-captions",
        "vist/able/5-captions-4-images",
        "vist/able-striped/5-captions-4-images",
    ]
    assert of("visdial") == ["visdial/able/1-round", "visdial/able/5-rounds", "visdial/able/10-rounds"]
    assert "visdial/able-striped/1-round" in of("visdial", models=("able-striped",))
    plan = make_plan(run_request(tmp_path / "run", "cc3m-fid", models=("able", "able-striped")))
    assert {p.cell.recipe["settings"]["style"] for p in plan.cells} == {"plain", "striped"}


def test_candidates_are_one_cell_of_a_model_and_task(tmp_path: Path) -> None:
    plan = make_plan(run_request(tmp_path / "run", "vist-retrieval", "visdial-retrieval", contexts=("sweep",)))
    names = cells(plan)
    assert names[0] == "vist-retrieval/able/candidates"
    assert [name for name in names if "candidates" in name] == [
        "vist-retrieval/able/candidates",
        "visdial-retrieval/able/candidates",
    ]
    searching = [p.cell for p in plan.cells if p.cell.asks == "embeddings"]
    assert len({id(cell.candidates) for cell in searching}) == 2
    assert len(searching) == 6


def test_a_search_without_candidates_is_left_out_or_refused(tmp_path: Path) -> None:
    plan = make_plan(run_request(tmp_path / "run", "partiprompts", settings=("partiprompts.candidates=",)))
    assert cells(plan) == ["partiprompts/able/classifier"]
    assert "no pictures for partiprompts to search among" in reasons(plan)["partiprompts/able/heuristic"]
    with pytest.raises(InputError, match=r"nothing to do: .*no pictures for partiprompts to search among"):
        make_plan(
            run_request(
                tmp_path / "run", "partiprompts", settings=("partiprompts.candidates=",), contexts=("heuristic",)
            )
        )


def test_all_tasks_leave_out_those_without_data_and_named_ones_do_not(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for folder in ("vist", "vqav2"):
        shutil.copytree(world_folder() / folder, data / folder)
    settings = {"data": str(data), "metric_weights": "mini", "split": None}
    plan = make_plan(run_request(tmp_path / "run", "all", **settings, contexts=("paper",), limit=3))
    assert {p.cell.task.card.name for p in plan.cells} == {"vist", "vist-retrieval", "vqav2"}
    left_out = {name for name in reasons(plan) if "/" not in name}
    assert left_out == {f.stem for f in (builtin_folder() / "tasks").glob("*.toml")} - {
        "vist",
        "vist-retrieval",
        "vqav2",
    }
    assert all(str(data) in reasons(plan)[name] for name in left_out)
    with pytest.raises(InputError, match=f"{data}"):
        make_plan(run_request(tmp_path / "run", "vqav2", "visdial-retrieval", **settings))


def test_all_tasks_leave_out_a_context_that_a_task_does_not_have(tmp_path: Path) -> None:
    plan = make_plan(run_request(tmp_path / "run", "all", contexts=("sweep",)))
    assert {p.cell.task.card.name for p in plan.cells} == {"vist", "visdial", "vist-retrieval", "visdial-retrieval"}
    assert "'sweep'" in reasons(plan)["vqav2"]
    with pytest.raises(InputError, match="'sweep'"):
        make_plan(run_request(tmp_path / "run", "vqav2", contexts=("sweep",)))


def write_model(folder: Path, name: str, *lines: str) -> None:
    folder.mkdir(exist_ok=True)
    shutil.copy(CARDS / "noisy.py", folder)
    text = (CARDS / "able.toml").read_text().replace('name = "able"', f'name = "{name}"')
    (folder / f"{name}.toml").write_text(text + "\n".join(lines) + "\n")


def test_all_models_leave_out_models_without_weights_and_named_ones_do_not(tmp_path: Path) -> None:
    write_model(tmp_path / "cards", "lacking", "[weights.net]", 'folder = "nowhere-net"')
    folders = (CARDS, tmp_path / "cards")
    plan = make_plan(run_request(tmp_path / "run", "vqav2", models=("all",), card_folders=folders))
    assert "vqav2/able/question" in cells(plan)
    assert "no embedded weights; give a folder" in reasons(plan)["vqav2/lacking/question"]
    for tasks in (("vqav2",), ("all",)):  # with all tasks it is not the task that is at fault
        with pytest.raises(InputError, match="nowhere-net: there are no embedded weights"):
            make_plan(run_request(tmp_path / "run", *tasks, models=("able", "lacking"), card_folders=folders))


def test_too_few_pictures_are_refused_before_weights_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "coco-fid", "--models", "able", "--cards", str(CARDS), "--limit", "7", "--device", "cpu"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "coco-fid: FID: 7 samples, but at least 100 are needed" in said
    assert "--set coco-fid.min_samples=7" in said
    assert "loading" not in said
    assert main([*words, "--out", str(tmp_path / "run"), "--dry-run", "--set", "coco-fid.min_samples=7"]) == 0
    plan = make_plan(run_request(tmp_path / "run", "all", limit=7))
    assert reasons(plan)["cc3m-fid/able/caption"].endswith("--set cc3m-fid.min_samples=7")
    assert "vist/able/1-caption" in cells(plan)


@pytest.mark.parametrize("tasks", ["named", "all"])
@pytest.mark.parametrize(
    ("task", "setting", "message"),
    [
        ("vqav2", "vqav2.max_new_tokens=many", "--set vqav2.max_new_tokens=many: expected a value such as 10"),
        ("vqav2", "vqav2.max_new_tokens=2.5", "--set vqav2.max_new_tokens=2.5: expected a value such as 10"),
        ("vqav2", "vqav2.max_new_tokens=0", "vqav2: max_new_tokens = 0; expected a whole number from 1 to"),
        ("vqav2", "vqav2.evaluator=2020", "vqa-accuracy: settings: evaluator"),
        ("vqav2", "vqav2.answer=words", "vqa-accuracy: settings: answer"),
        ("vqav2", "vqav2.question_prompt=dialogue", "question_prompt"),
        ("vist-retrieval", "vist-retrieval.mask_seen=1", "mask_seen=1: expected a value such as True"),
        ("coco-fid", "coco-fid.guidance_scale=true", "guidance_scale=True: expected a value such as 1.5"),
        ("coco-fid", "coco-fid.min_samples=1", "fid: settings: min_samples"),
        ("coco-fid", "coco-fid.real=crop", "crop"),
        ("coco-fid", "coco-fid.scale=3", "--set coco-fid.scale: unknown setting"),
        ("visdial-answers", "visdial-answers.dense_round=next", "answer-ranking: settings: dense_round"),
        ("partiprompts", "partiprompts.train=0.5", "train=0.5: expected a value such as 150"),
        ("speed", "speed.search_candidates=0", "speed: search_candidates = 0; expected a whole number from 1"),
        ("speed", "speed.warmup=-1", "speed: warmup = -1; expected a whole number from 0"),
        ("vqav2", "able.guidance_scale=much", "guidance_scale"),
    ],
)
def test_wrong_settings_are_errors_also_with_all_tasks(
    tmp_path: Path, task: str, tasks: str, setting: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        make_plan(run_request(tmp_path / "run", task if tasks == "named" else "all", settings=(setting,)))
    assert message in str(caught.value)


def test_a_wrong_setting_of_one_of_all_models_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown setting 'guidance_scal'"):
        make_plan(run_request(tmp_path / "run", "vqav2", models=("all",), settings=("able.guidance_scal=3.0",)))
