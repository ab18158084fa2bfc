"""The training stages: a few steps of each, and the same weights whether or not they were interrupted."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gill_bench.cli import main
from gill_bench.errors import InputError
from gill_bench.mini.dialogs import ROUNDS
from gill_bench.mini.grammar import describe, double_scene, single_scenes
from gill_bench.mini.scene import Scene, split_of
from gill_bench.mini.train import clip, glide, heads, lpips, opt, prompts, unet, vae
from gill_bench.mini.train.heads import Variant, configuration, train_heads
from gill_bench.mini.train.loop import Stage, TrainingWork, rate_at, train
from gill_bench.mini.train.pool import ScenePool, pixels_of
from gill_bench.mini.train.prompts import write_prompts
from gill_bench.mini.train.ship import ship
from gill_bench.mini.train.stages import STAGES
from gill_bench.training.inputs import read_stories


class Line(Stage):
    """A model of one weight."""

    name = "line"
    steps = 12
    averaged = 0.5

    def build(self) -> nn.Module:
        return nn.Linear(3, 1)

    def loss(self, model: nn.Module, rng: random.Random) -> dict[str, Tensor]:
        inputs = torch.randn(4, 3)
        return {"square": (model(inputs) - rng.random()).square().mean()}

    def finish(self, model: nn.Module, folder: Path) -> dict[str, float]:
        torch.save(model.state_dict(), folder / "line.pt")
        return {"goodness": 1.0}


def line(folder: Path) -> dict[str, Tensor]:
    values: dict[str, Tensor] = torch.load(folder / "line" / "line.pt", weights_only=True)
    return values


def test_interrupted_after_every_step_the_weights_are_the_same(tmp_path: Path) -> None:
    once, often = TrainingWork(tmp_path / "once"), TrainingWork(tmp_path / "often")
    assert train(Line(), once)
    rounds = 1
    while not train(Line(), often, seconds=0):
        rounds += 1
    assert rounds == Line.steps
    assert all(torch.equal(value, line(often.folder)[key]) for key, value in line(once.folder).items())
    assert json.loads((often.folder / "log.jsonl").read_text().splitlines()[-1])["goodness"] == 1.0
    assert not list((often.folder / ".states").glob("*.pt"))


def test_a_finished_stage_is_not_trained_again(tmp_path: Path) -> None:
    work = TrainingWork(tmp_path)
    train(Line(), work)
    before = (tmp_path / "line" / "line.pt").stat().st_mtime_ns
    assert train(Line(), work)
    assert (tmp_path / "line" / "line.pt").stat().st_mtime_ns == before


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    for seed in (0, 1):
        train(Line(), TrainingWork(tmp_path / str(seed), seed))
    assert not torch.equal(line(tmp_path / "0")["weight"], line(tmp_path / "1")["weight"])


def test_the_rate_warms_up_and_falls() -> None:
    rates = [rate_at(step, 200) for step in range(200)]
    assert max(rates) == 1.0 == rates[9]
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] < 1e-3


def test_a_missing_part_of_the_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gill-bench mini train clip-mini"):
        TrainingWork(tmp_path).finished("clip-mini")
    with pytest.raises(InputError, match="not there yet"):
        ship(TrainingWork(tmp_path), tmp_path / "weights")


def test_prompts_are_about_training_scenes_and_have_the_full_description_as_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompts, "pool", training_pool)
    targets = write_prompts(tmp_path, seed=5, count=120)
    items = read_stories(tmp_path / prompts.FILE)
    assert len(items) == 120
    known = {describe(scene) for scene in training_pool("train", 5).scenes}
    assert {targets[item.target] for item in items} <= known
    assert all(file.is_file() for item in items for file in item.pictures)
    texts = {item: "".join(part for part in item.segments if isinstance(part, str)) for item in items}
    stories = [item for item in items if not texts[item].startswith(("Q:", "A picture"))]
    assert {len(item.pictures) for item in stories} >= {0, 4}
    for item in stories:
        assert item.caption == targets[item.target]
        assert item.caption.split()[-2] not in texts[item].split(), "no caption of a story names the background"
    endings = {"\nA:", "\nA: ", "A picture of"}
    questions = [item for item in items if item.pictures and item not in stories]
    assert {next(end for end in endings if texts[item].endswith(end)) for item in questions} == endings
    for item in questions:
        # The answer follows the prompt without a token between them.
        assert item.caption.startswith(" ") != texts[item].endswith(" ")
    dialogs = [item for item in items if not item.pictures and item not in stories]
    rounds = [texts[item].count("Q: ") for item in dialogs]
    assert 1 == min(rounds) < 6 < max(rounds) <= ROUNDS


def training_pool(split: str, seed: int) -> ScenePool:
    rng = random.Random(seed)
    scenes = [*single_scenes(split), *(double_scene(rng, split) for _ in range(5))]
    return ScenePool(scenes, torch.empty(0))


def small_pool(split: str, seed: int, doubles: int | None = None) -> ScenePool:
    rng = random.Random(seed)
    scenes: list[Scene] = [*rng.sample(single_scenes(split), 60), double_scene(rng, split)]
    assert {split_of(scene) for scene in scenes} == {split}
    return ScenePool(scenes, pixels_of(scenes))


def whole_kinds(split: str, seed: int, doubles: int | None = None) -> ScenePool:
    """All things at two positions each, so that every scene has partners for pairs."""
    scenes = [scene for scene in single_scenes(split) if scene.thing.position in ("top", "bottom")]
    return ScenePool(scenes, pixels_of(scenes))


@pytest.mark.slow
def test_every_stage_from_nothing_to_the_shipped_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (vae, clip, unet, glide, heads):
        monkeypatch.setattr(module, "pool", small_pool)
    monkeypatch.setattr(lpips, "pool", whole_kinds)
    image_stages = (
        vae.VaeStage,
        clip.ClipStage,
        unet.UnetStage,
        glide.BaseStage,
        glide.UpsampleStage,
        lpips.LpipsStage,
    )
    for stage in (*image_stages, opt.StoryStage, opt.OptStage):
        monkeypatch.setattr(stage, "steps", 2)
        monkeypatch.setattr(stage, "batch", 4)
    monkeypatch.setattr(unet.UnetStage, "measure", lambda *_: {})
    monkeypatch.setattr(glide.GlideStage, "measure", lambda *_: {})
    monkeypatch.setattr(heads, "PROMPTS", 40)
    monkeypatch.setattr(heads, "BATCH", 4)
    monkeypatch.setattr("gill_bench.mini.writers.cc3m.PAIRS", {"train": 24, "val": 8})
    work = TrainingWork(tmp_path / "work")
    for name in (
        "vae",
        "clip-mini",
        "opt-stories",
        "opt-mini",
        "sd-mini",
        "glide-base",
        "glide-upsample",
        "lpips-mini",
    ):
        assert STAGES[name](work, float("inf"))
        assert STAGES[name](work, 0.0), "finished: nothing is trained"
    recall = json.loads((work.folder / "opt-mini" / "measured.json").read_text())
    assert recall.keys() >= {"captions, background", "captions and pictures, background"}
    fromage = Variant("fromage-mini", mapper="linear", num_tokens=1, visual_tokens=1, steps=6, generation=False)
    for variant in (Variant("gill-mini", steps=6), Variant("gill-mini-r1", num_tokens=1, steps=6), fromage):
        assert train_heads(variant, work)
    sizes = ship(work, tmp_path / "weights")
    assert set(sizes) == {
        "clip-mini",
        "opt-mini",
        "sd-mini",
        "lpips-mini",
        "gill-mini",
        "gill-mini-r1",
        "fromage-mini",
        "glide-mini",
    }
    for file in (tmp_path / "weights").rglob("*.json"):
        assert str(tmp_path) not in file.read_text()
    assert not list((tmp_path / "weights").rglob("*.bin"))
    works(tmp_path / "weights")
    with pytest.raises(InputError, match="exists already"):
        ship(work, tmp_path / "weights")
    monkeypatch.setattr("gill_bench.mini.train.ship.LIMIT", 1000)
    with pytest.raises(InputError, match="at most 1000"):
        ship(work, tmp_path / "smaller")


def works(weights: Path) -> None:
    """The adapters load what was shipped."""
    from gill_bench.interfaces import Noise
    from gill_bench.models.fromage import Settings as FromageSettings
    from gill_bench.models.fromage.model import Fromage
    from gill_bench.models.gill import Settings
    from gill_bench.models.gill.model import Gill
    from gill_bench.models.glide import Settings as GlideSettings
    from gill_bench.models.glide.generator import load_generator as load_glide
    from gill_bench.prompt import Prompt

    settings = Settings(squash_size=32, num_inference_steps=2, safety_checker=False)
    for name in ("gill-mini", "gill-mini-r1"):
        gill = Gill.from_pretrained(weights / name, image_decoder=weights / "sd-mini", settings=settings)
        scene = single_scenes("val")[0]
        [[picture]] = gill.generate_images([Prompt(("it is", scene.render(), "there ."))], [[Noise(1)]])
        assert picture.image.size == (32, 32)
    fromage = Fromage.from_pretrained(weights / "fromage-mini", settings=FromageSettings(squash_size=32))
    assert fromage.heads.visual_tokens(torch.zeros(1, 128)).shape == (1, 1, 128)
    assert fromage.embed_prompts([Prompt(("it is", scene.render()))]).shape == (1, 64)
    generator = load_glide(weights / "glide-mini", weights / "glide-mini", GlideSettings(base_steps=2), "cpu")
    [[picture]] = generator.generate_images([Prompt(("it is",))], [[Noise(1)]])
    assert picture.image.size == (32, 32)


def test_the_trainer_gets_the_settings_of_the_model_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "training_data", lambda _: tmp_path)
    work = TrainingWork(tmp_path)
    monkeypatch.setattr(heads, "initial_projection", lambda _, slots: tmp_path / f"projection-{slots}")
    for name in ("clip-mini", "opt-mini"):
        (tmp_path / name).mkdir()
    wanted: Any = configuration(Variant("x", num_tokens=2, retrieval=False), work, tmp_path / "out")
    assert (wanted.num_tokens, wanted.ret_loss_scale, wanted.mapper) == (2, 0.0, "gill_mapper")
    assert (wanted.n_visual_tokens, wanted.gen_loss_scale) == (4, 1.0)
    fromage: Any = configuration(Variant("y", visual_tokens=1, generation=False), work, tmp_path / "out")
    assert (fromage.n_visual_tokens, fromage.gen_loss_scale) == (1, 0.0)
    assert (wanted.initial, fromage.initial) == (tmp_path / "projection-4", tmp_path / "projection-1")
    assert wanted.stories == tmp_path / "stories.jsonl"
    assert wanted.total_steps == fromage.total_steps, "equal training for every variant"


def test_wrong_options_of_the_training_command_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mini", "train", "sd-mni", "--work", str(tmp_path)]) == 2
    assert "did you mean 'sd-mini'" in capsys.readouterr().err
    assert main(["mini", "write", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["mini", "train", "sd-mini", "--work", str(tmp_path)]) == 2
    assert "train it first: gill-bench mini train vae" in capsys.readouterr().err


def test_the_command_mini_write_writes_the_mini_world(tmp_path: Path) -> None:
    assert main(["mini", "write", str(tmp_path / "world"), "--no-train"]) == 0
    assert (tmp_path / "world" / "vist" / "sis" / "val.story-in-sequence.json").is_file()
