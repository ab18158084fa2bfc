"""Whole trainings of a few steps: checkpoints, resuming, options, what goes wrong."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from gill_bench.errors import InputError
from gill_bench.models.gill import Settings
from gill_bench.models.gill.model import Gill
from gill_bench.models.interleaved.checkpoint import read_tensors
from gill_bench.prompt import Prompt
from gill_bench.training import TrainConfig, train
from gill_bench.training import trainer as trainer_module
from gill_bench.training.targets import write_targets
from tests.support.cli import start_command
from tests.training.conftest import Configure

SETTINGS = Settings(squash_size=32)


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return read_tensors(folder / "pretrained_ckpt.pth.tar")


def same(left: Path, right: Path) -> bool:
    first, second = tensors(left), tensors(right)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_the_adapter_loads_what_was_trained(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []
    run = trainer_module._Trainer.run

    def keeping(self: Any) -> Any:
        kept.append(self)
        return run(self)

    monkeypatch.setattr(trainer_module._Trainer, "run", keeping)
    result = train(configure(tmp_path / "out", mapper_layers=4, num_tokens=4, validation_batch=4))
    assert (result.steps, result.skipped) == (3, 0)
    network, tokens = kept[0].network, kept[0].setup.tokens
    gill = Gill.from_pretrained(result.last, settings=SETTINGS)
    text = "a red square is at the left ."
    rows = network.builder.image_tokens([[tokens.bos, *tokens.encode(text), *tokens.image_ids]], packed=False)
    with torch.no_grad():
        states = network.read(rows, None).states
        conditioning = network.heads.condition(states)
    assert_close(gill.image_token_states([Prompt((text,))]), states, rtol=1e-4, atol=1e-5)
    assert_close(gill.conditioning([Prompt((text,))]), conditioning, rtol=1e-4, atol=1e-5)
    # Both formats hold the same tensors, under the authors' 137 names.
    other = read_tensors(result.last / "pretrained_ckpt.safetensors")
    assert len(other) == 137
    assert all(torch.equal(value, other[key]) for key, value in tensors(result.last).items())
    # Relative names, so that the folder can be moved together with the models.
    assert not Path(json.loads((result.last / "model_args.json").read_text())["opt_version"]).is_absolute()


def test_training_learns_and_validates(configure: Configure, tmp_path: Path) -> None:
    result = train(
        configure(tmp_path / "out", steps=40, steps_per_epoch=20, warmup_steps=4, validate_first=True, lr=3e-3)
    )
    assert [measured["step"] for measured in result.history] == [0, 20, 40]
    first, last = result.history[0], result.history[-1]
    assert last["generation"] < first["generation"] / 2
    assert last["captioning"] < first["captioning"] - 1
    assert all(0 <= last[f"bleu_{n}"] <= 1 for n in (1, 2, 3, 4))
    assert 0 <= last["text_to_image_r1"] <= last["text_to_image_r5"] <= 1
    assert result.best is not None
    Gill.from_pretrained(result.best, settings=SETTINGS)
    log = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if "lr" in line] == list(range(1, 41))
    assert log[1]["lr"] == 0.0


def test_the_first_step_changes_nothing_but_the_norm_of_the_image_embeddings(
    configure: Configure, tmp_path: Path
) -> None:
    """The learning rate of the first step is exactly 0 (protocol 2.5)."""
    plain = tensors(train(configure(tmp_path / "one", steps=1)).last)
    with_warm_up = tensors(
        train(configure(tmp_path / "two", steps=1, data=configure(tmp_path).data, warmup_steps=5)).last
    )
    assert all(torch.equal(value, with_warm_up[key]) for key, value in plain.items())
    assert float(plain["model.logit_scale"]) == pytest.approx(2.65926, abs=1e-5)


def test_training_starts_from_initial_values(configure: Configure, tmp_path: Path) -> None:
    drawn = tensors(train(configure(tmp_path / "drawn", steps=1)).last)["model.visual_embeddings.weight"]
    file = tmp_path / "initial.safetensors"
    save_file({"visual_embeddings.weight": torch.full_like(drawn, 0.25)}, file)
    # The learning rate of the first step is 0, so that the initial values are what is written.
    given = tensors(train(configure(tmp_path / "given", steps=1, initial=file)).last)
    assert bool((given["model.visual_embeddings.weight"] == 0.25).all())
    assert not bool((drawn == 0.25).all())
    save_file({"visual_embeddings.weight": drawn[:3].clone()}, file)
    with pytest.raises(InputError, match=r"initial\.safetensors: visual_embeddings\.weight: shape \[3, "):
        train(configure(tmp_path / "wrong", initial=file))
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(InputError, match=r"initial\.safetensors: cannot be read, it may be truncated"):
        train(configure(tmp_path / "cut", initial=file))
    with pytest.raises(InputError, match=r"none\.safetensors: no such file"):
        train(configure(tmp_path / "none", initial=tmp_path / "none.safetensors"))


class _KilledError(Exception):
    pass


@pytest.mark.parametrize("cache", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_interrupted_and_resumed_gives_the_same_weights(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: Path, cache: bool
) -> None:
    values: dict[str, Any] = {
        "steps": 9,
        "steps_per_epoch": 4,
        "save_every": 3,
        "cache": cache,
        "stories": world / "stories.jsonl",
        "story_share": 0.5,
        "validate_first": True,
        "validation_limit": 4,
    }
    whole = train(configure(tmp_path / "whole", **values))
    step = trainer_module._Trainer._step
    for killed_at in (2, 5, 8):

        def dying(self: Any, batch: Any, killed_at: int = killed_at) -> None:
            if self.state.step == killed_at:
                raise _KilledError
            step(self, batch)

        monkeypatch.setattr(trainer_module._Trainer, "_step", dying)
        with pytest.raises(_KilledError):
            train(configure(tmp_path / "parts", **values))
    monkeypatch.setattr(trainer_module._Trainer, "_step", step)
    parts = train(configure(tmp_path / "parts", **values))
    assert same(whole.last, parts.last)
    assert whole.best is not None
    assert parts.best is not None
    assert same(whole.best, parts.best)
    assert whole.history == parts.history
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "parts")]
    steps = [[json.loads(line)["step"] for line in log] for log in logs]
    assert sorted(steps[0]) == sorted(steps[1])
    # Once more: nothing is left to do.
    again = train(configure(tmp_path / "parts", **values))
    assert again.steps == 9
    assert same(whole.last, again.last)


@pytest.mark.slow
def test_a_killed_process_resumes(configure: Configure, tmp_path: Path) -> None:
    """The command is killed by a signal once it has written a state."""
    config = configure(tmp_path / "killed", steps=40, save_every=2)
    options = [
        *("--data", config.data, "--llm", config.llm, "--visual-encoder", config.visual_encoder, "--out", config.out),
        *("--ret-emb-dim", 16, "--mapper-width", 16, "--mapper-layers", 1, "--visual-tokens", 2, "--max-len", 24),
        *(
            "--batch-size",
            4,
            "--steps",
            40,
            "--steps-per-epoch",
            100,
            "--warmup-steps",
            2,
            "--cache",
            "--device",
            "cpu",
        ),
        *("--save-every", 2, "--log-every", 1, "--threads", 1),
    ]
    process = start_command("train", *map(str, options))
    try:
        while process.poll() is None and not (config.out / "state.pt").exists():
            assert process.stderr is not None
            process.stderr.readline()
    finally:
        process.kill()
        process.communicate()
    assert (config.out / "state.pt").exists()
    assert not (config.out / "last").exists()
    resumed = train(config)
    assert same(resumed.last, train(configure(tmp_path / "whole", steps=40)).last)


def test_a_folder_with_another_training_is_refused(configure: Configure, tmp_path: Path) -> None:
    train(configure(tmp_path / "out"))
    with pytest.raises(InputError, match=r"seed = 0, not 1"):
        train(configure(tmp_path / "out", seed=1))
    assert train(configure(tmp_path / "out", steps=4)).steps == 4
    (tmp_path / "out" / "state.pt").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"state\.pt: cannot be read"):
        train(configure(tmp_path / "out"))


@pytest.mark.parametrize(("mapper", "num_tokens"), [("linear", 8), ("mlp", 1), ("encoder", 1), ("encoder", 8)])
def test_mapper_variants_load_in_the_adapter(
    configure: Configure, tmp_path: Path, mapper: str, num_tokens: int
) -> None:
    # 77 vectors of width 48 are shared evenly by 1 and 8 positions.
    result = train(configure(tmp_path / "out", mapper=mapper, num_tokens=num_tokens, steps=2))
    gill = Gill.from_pretrained(result.last, settings=SETTINGS)
    assert gill.conditioning([Prompt(("a red square",))]).shape == (1, 77, 48)


def test_generation_only_leaves_the_retrieval_heads(configure: Configure, tmp_path: Path) -> None:
    before, after = (
        tensors(train(configure(tmp_path / str(steps), ret_loss_scale=0.0, steps=steps)).last) for steps in (1, 4)
    )
    changed = {key.removeprefix("model.").split(".")[0] for key in before if not torch.equal(before[key], after[key])}
    assert changed == {"input_embeddings", "visual_embeddings", "gen_text_hidden_fcs"}


def test_stories_let_pictures_reach_the_image_tokens(configure: Configure, tmp_path: Path, world: Path) -> None:
    """With the generation pass alone, W_cap learns from stories and from nothing else."""
    values: dict[str, Any] = {"cap_loss_scale": 0.0, "ret_loss_scale": 0.0}
    stories = {"stories": world / "stories.jsonl", "story_share": 0.5}
    key = "model.visual_embeddings.weight"
    for extra, changes in (({}, False), (stories, True)):
        first, last = (
            tensors(train(configure(tmp_path / f"{changes}{steps}", steps=steps, **values, **extra)).last)
            for steps in (1, 3)
        )
        assert torch.equal(first[key], last[key]) != changes


@pytest.mark.parametrize("precision", ["bf16", "mixed"])
def test_in_bfloat16_scale_and_gains_stay_and_in_mixed_precision_they_move(
    configure: Configure, tmp_path: Path, precision: str
) -> None:
    """In bf16 the scale and the norms' gains cannot move (protocol 2.6); in fp32 they do."""
    state = tensors(train(configure(tmp_path / "out", precision=precision, steps=8)).last)
    gain = state["model.gen_text_hidden_fcs.0.tfm.encoder.norm.weight"]
    if precision == "bf16":
        assert {value.dtype for value in state.values()} == {torch.bfloat16}
        assert float(state["model.logit_scale"]) == 2.65625
        assert torch.equal(gain, torch.ones_like(gain))
    else:
        assert {value.dtype for value in state.values()} == {torch.float32}
        assert float(state["model.logit_scale"]) != pytest.approx(2.65926, abs=1e-5)
        assert not torch.equal(gain, torch.ones_like(gain))


@pytest.fixture
def damaged(world: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(world / "data", tmp_path / "data"))


def test_missing_files_are_an_error_or_counted(configure: Configure, tmp_path: Path, damaged: Path) -> None:
    (damaged / "cc3m" / "training" / "3.png").unlink()
    (damaged / "cc3m" / "validation" / "clip_embs" / "1.png.npy").unlink()
    with pytest.raises(InputError, match=r"3\.png: no such file"):
        train(configure(tmp_path / "out", data=damaged))
    assert not (tmp_path / "out").exists()
    assert train(configure(tmp_path / "out", data=damaged, missing="skip")).skipped == 2


@pytest.mark.parametrize(("cache", "workers"), [(True, 0), (False, 0), (False, 1)])
def test_damaged_files_are_never_replaced(
    configure: Configure, tmp_path: Path, damaged: Path, cache: bool, workers: int
) -> None:
    values = {"data": damaged, "cache": cache, "workers": workers, "steps": 6}
    picture = damaged / "cc3m" / "training" / "3.png"
    content = picture.read_bytes()
    picture.write_bytes(content[:60])
    with pytest.raises(InputError, match=r"^[^\n]*3\.png: damaged"):
        train(configure(tmp_path / "out", **values))
    picture.write_bytes(content)
    torch.save({}, damaged / "cc3m" / "training" / "clip_embs" / "5.png.npy")
    with pytest.raises(InputError, match=r"^[^\n]*5\.png\.npy: cannot be read"):
        train(configure(tmp_path / "out", **values))


def test_missing_targets_are_written_first(configure: Configure, tmp_path: Path, damaged: Path, world: Path) -> None:
    file = damaged / "cc3m" / "training" / "clip_embs" / "2.png.npy"
    content = file.read_bytes()
    file.unlink()
    with pytest.raises(InputError, match="--text-encoder"):
        train(configure(tmp_path / "out", data=damaged))
    train(configure(tmp_path / "out", data=damaged, text_encoder=world / "weights" / "sd-mini", steps=1))
    assert len(file.read_bytes()) == len(content)


def test_targets_are_what_the_pipeline_computes(world: Path, tmp_path: Path) -> None:
    import numpy as np

    diffusers: Any = import_module("diffusers")
    captions = {tmp_path / "a.npy": "a red square", tmp_path / "b.npy": "a long one " * 60}
    assert write_targets(captions, world / "weights" / "sd-mini") == 2
    assert write_targets(captions, world / "weights" / "sd-mini") == 0
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(world / "weights" / "sd-mini", local_files_only=True)
    expected, _ = pipeline.encode_prompt(list(captions.values()), "cpu", 1, False)
    for file, values in zip(captions, expected, strict=True):
        assert_close(torch.from_numpy(np.load(file)), values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"llm": "nowhere/at/all"}, "no such folder"),
        ({"stories": "x.jsonl", "story_share": 0.5}, "x.jsonl: cannot be read"),
        ({"mapper": "linear", "num_tokens": 5}, "cannot share"),
    ],
)
def test_mistakes_are_found_before_weights_load(
    configure: Configure, tmp_path: Path, values: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gill_bench.training import setup

    monkeypatch.setattr(setup, "load_network", None)
    with pytest.raises(InputError, match=words):
        train(configure(tmp_path / "out", **values))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 1: not JSON"),
        ("{}", "exactly segments"),
        ('{"segments": [], "target_caption": "a", "target": "b"}', "segments = []"),
        ('{"segments": [{"picture": "x"}], "target_caption": "a", "target": "b"}', "expected a text or"),
        ('{"segments": ["a"], "target_caption": 1, "target": "b"}', "must be a text"),
        ('{"segments": ["a"], "target_caption": "c", "target": "nope.npy"}', "nope.npy: no such file"),
    ],
)
def test_malformed_stories_are_refused_with_their_line(
    configure: Configure, tmp_path: Path, line: str, words: str
) -> None:
    file = tmp_path / "stories.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(InputError) as caught:
        train(configure(tmp_path / "out", stories=file, story_share=0.5))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [{"batch_size": 5}, {"story_share": 0.5}, {"max_len": 9}, {"mapper": "x"}, {"mapper_width": 18}, {"unknown": 1}],
)
def test_training_configurations_that_cannot_be_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        TrainConfig.model_validate({"data": ".", "llm": "a", "visual_encoder": "b", "out": ".", **values})
