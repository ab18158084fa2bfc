"""The doctor: sound models pass, and every check finds the model that was made to fail it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from gill_bench.cards.find import Cards, ModelCard
from gill_bench.checks.doctor import Finding, examine
from gill_bench.checks.doctor.samples import LONG_WORDS, long_prompt
from gill_bench.checks.doctor.state import ProcessState
from gill_bench.cli import main
from gill_bench.errors import InputError
from gill_bench.interfaces import PROTOCOLS, Decision, GeneratedImage
from gill_bench.models import asks_a_server
from gill_bench.prompt import Prompt
from tests.conftest import ROOT


def number(*parts: object) -> int:
    text = "|".join(str(part.tobytes()) if isinstance(part, Image.Image) else str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


def key(prompt: Prompt) -> int:
    return number(*prompt.segments)


def vector(seed: int) -> Any:
    values = np.random.default_rng(seed).normal(size=8)
    return (values / np.linalg.norm(values)).astype(np.float32)


class Sound:
    """Answers every method as the interface says."""

    def picture(self, seed: int, mode: str = "RGB") -> Image.Image:
        pixels = np.random.default_rng(seed).integers(0, 256, size=(8, 8, 3), dtype=np.uint8)
        return Image.fromarray(pixels).convert(mode)

    def generate_images(self, prompts: Any, noise: Any) -> Any:
        return [
            [GeneratedImage(self.picture(number(key(prompt), sample_noise.seed))) for sample_noise in seeds]
            for prompt, seeds in zip(prompts, noise, strict=True)
        ]

    def embed_images(self, images: Any) -> Any:
        return np.stack([vector(number(image)) for image in images])

    def embed_prompts(self, prompts: Any) -> Any:
        return np.stack([vector(key(prompt)) for prompt in prompts])

    def generate_texts(self, prompts: Any, max_new_tokens: int, stop: Any = ()) -> Any:
        texts = [f" answer {key(prompt)} ." for prompt in prompts]
        for end in stop:
            texts = [text.partition(end)[0] for text in texts]
        return texts

    def score_texts(self, prompts: Any, continuations: Any) -> Any:
        pairs = zip(prompts, continuations, strict=True)
        return [-float(number(key(prompt), text) % 1000) / 100 for prompt, text in pairs]

    def decision_features(self, prompts: Any) -> Any:
        return np.stack([5 * vector(key(prompt)) for prompt in prompts])

    def decide(self, prompts: Any) -> Any:
        probabilities = [(key(prompt) % 1000) / 1000 for prompt in prompts]
        return [Decision("retrieve" if probability > 0.5 else "generate", probability) for probability in probabilities]


def card(**changes: Any) -> ModelCard:
    fields = {"capabilities": tuple(PROTOCOLS), "inputs": ("text", "image"), **changes}
    return ModelCard(schema=1, name="sound", title="Sound", adapter="sound", **fields)


def failed(model: object, **changes: Any) -> list[Finding]:
    return [finding for finding in examine(model, card(**changes)) if not finding.passed]


def test_a_sound_model_passes() -> None:
    findings = list(examine(Sound(), card()))
    assert [finding for finding in findings if not finding.passed] == []
    assert {finding.about for finding in findings} == {
        name for protocol in PROTOCOLS.values() for name in vars(protocol) if hasattr(Sound, name) and name[0] != "_"
    }
    assert len(findings) == len(set(findings)) == 6 * 7 + 6 + 4 - 1


def test_pictures_without_a_generated_image_pass() -> None:
    assert failed(pictures(lambda output: output.image)()) == []


def change(method: str, alter: Any) -> type[Sound]:
    """A model whose method's answer is altered."""

    def altered(self: Sound, *arguments: Any) -> Any:
        return alter(getattr(Sound, method)(self, *arguments))

    return type("Bad", (Sound,), {method: altered})


def pictures(alter: Any) -> type[Sound]:
    return change("generate_images", lambda groups: [[alter(output) for output in group] for group in groups])


def spoil(array: Any, value: float) -> Any:
    array[0, 0] = value
    return array


FORMS = [
    (change("generate_images", tuple), "expected a list, found tuple"),
    (change("generate_images", lambda groups: groups[:2]), "returned 2 lists of pictures, expected 3"),
    (
        change("generate_images", lambda groups: [group[:1] for group in groups]),
        "returned 1 pictures of a prompt, expected 2",
    ),
    (
        pictures(lambda output: np.asarray(output.image)),
        r"returned a NumPy array .* among its pictures, expected a PIL picture or GeneratedImage; convert it",
    ),
    (
        pictures(lambda output: output.image.convert("F")),
        "returned a picture of mode F, expected RGB of 8 bits; scale it first",
    ),
    (
        pictures(lambda output: GeneratedImage(np.asarray(output.image))),  # type: ignore[arg-type]
        "a NumPy array .* in a GeneratedImage, expected a PIL",
    ),
    (pictures(lambda output: GeneratedImage(output.image.convert("L"))), "expected an RGB picture, found mode L"),
    (
        pictures(lambda output: GeneratedImage(output.image, truncated=0)),  # type: ignore[arg-type]
        "expected a bool in truncated, found int",
    ),
    (
        change("embed_images", torch.from_numpy),
        r"returned a tensor \(3, 8\) of torch.float32, expected a NumPy array \(3, width\)",
    ),
    (
        change("embed_images", lambda vectors: vectors[0]),
        r"returned a NumPy array \(8,\) of float32, expected a NumPy array \(3, width\)",
    ),
    (change("embed_prompts", lambda vectors: vectors.astype(np.float64)), "expected float32, found float64"),
    (change("embed_prompts", lambda vectors: spoil(vectors, np.nan)), "returned vectors that are not finite"),
    (
        change("embed_prompts", lambda vectors: vectors * 2),
        "returned an embedding of length 2, expected L2-normalised ones",
    ),
    (change("decision_features", lambda vectors: spoil(vectors, np.inf)), "returned vectors that are not finite"),
    (
        change("generate_texts", lambda texts: [text.encode() for text in texts]),
        "returned bytes among its texts, expected str",
    ),
    (change("generate_texts", lambda texts: texts[0]), "returned str, expected a list of 3 texts"),
    (
        change("score_texts", lambda scores: [-score for score in scores]),
        "expected log-likelihoods, which are not above 0",
    ),
    (
        change("score_texts", lambda scores: [float("nan")] * 3),
        "returned a log-likelihood of nan, expected finite numbers",
    ),
    (change("score_texts", np.array), r"returned a NumPy array \(3,\) .*, expected a list of 3 log-likelihoods"),
    (
        change("decide", lambda decisions: [decision.label for decision in decisions]),
        "returned str among its decisions, expected Decision",
    ),
    (
        change("decide", lambda decisions: [Decision("retrieve", 7.0)] * 3),
        "probability=7.0.*, expected 'generate' or 'retrieve' with a",
    ),
    (change("decide", lambda decisions: [Decision("retrieve", 0.5)] * 3), "expected 'generate' with probability 0.500"),
]


@pytest.mark.parametrize(("kind", "message"), FORMS, ids=[message[:40] for _, message in FORMS])
def test_outputs_of_the_wrong_form_fail_with_a_remedy(kind: type[Sound], message: str) -> None:
    findings = failed(kind())
    method = next(name for name in vars(kind) if hasattr(Sound, name) and name[0] != "_")
    assert [(finding.about, finding.check) for finding in findings] == [(method, "form")]
    assert re.search(message, findings[0].detail), findings[0].detail


class Forgetful(Sound):
    calls = 0

    def embed_prompts(self, prompts: Any) -> Any:
        self.calls += 1
        return np.stack([vector(key(prompt) + self.calls) for prompt in prompts])


class Batched(Sound):
    """Reads padding: answers depend on the longest prompt of the batch."""

    def embed_prompts(self, prompts: Any) -> Any:
        longest = max(len(prompt.text) for prompt in prompts)
        return np.stack([vector(key(prompt) + longest) for prompt in prompts])


class Ordered(Sound):
    def generate_texts(self, prompts: Any, max_new_tokens: int, stop: Any = ()) -> Any:
        first = key(prompts[0])
        texts = [f" answer {key(prompt)} after {first} ." for prompt in prompts]
        return [text.partition(stop[0])[0] for text in texts] if stop else texts


class Places(Sound):
    """Draws all pictures from one generator, so that they depend on their place in the batch."""

    def generate_images(self, prompts: Any, noise: Any) -> Any:
        generator = np.random.default_rng(noise[0][0].seed)
        return [[GeneratedImage(self.picture(int(generator.integers(1 << 30)))) for _ in seeds] for seeds in noise]


class Seedless(Sound):
    def generate_images(self, prompts: Any, noise: Any) -> Any:
        return [[GeneratedImage(self.picture(key(p))) for _ in n] for p, n in zip(prompts, noise, strict=True)]


class Unstoppable(Sound):
    def generate_texts(self, prompts: Any, max_new_tokens: int, stop: Any = ()) -> Any:
        return Sound.generate_texts(self, prompts, max_new_tokens)


class Merging(Sound):
    """Gives a wrong score to the continuations of a prompt object that comes several times."""

    def score_texts(self, prompts: Any, continuations: Any) -> Any:
        if len({id(prompt) for prompt in prompts}) < len(prompts):
            return [-50.0] * len(prompts)
        return Sound.score_texts(self, prompts, continuations)


class Short(Sound):
    """Fails on long prompts with the message of torch for a table of positions that is too small."""

    error: ClassVar[Exception] = IndexError("index out of range in self")

    def embed_prompts(self, prompts: Any) -> Any:
        if any(len(prompt.text.split()) > 100 for prompt in prompts):
            raise self.error
        return Sound.embed_prompts(self, prompts)


class Silent(Short):
    error = ValueError()


class Raises(Sound):
    def decide(self, prompts: Any) -> Any:
        raise KeyError("no such layer")


class Draws(Sound):
    def embed_images(self, images: Any) -> Any:
        vectors = Sound.embed_images(self, images)
        images[0].putpixel((0, 0), (1, 2, 3))
        return vectors


class Pops(Sound):
    def score_texts(self, prompts: Any, continuations: Any) -> Any:
        scores = Sound.score_texts(self, prompts, continuations)
        continuations.clear()
        return scores


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Forgetful, {("embed_prompts", check) for check in ("same again", "one by one", "another order")}),
        (Batched, {("embed_prompts", "one by one")}),
        (Ordered, {("generate_texts", "one by one"), ("generate_texts", "another order")}),
        (Places, {("generate_images", "one by one"), ("generate_images", "another order")}),
        (Seedless, {("generate_images", "another seed")}),
        (Unstoppable, {("generate_texts", "stop strings")}),
        (Merging, {("score_texts", "one prompt, several continuations")}),
        (Short, {("embed_prompts", "long prompt")}),
        (Silent, {("embed_prompts", "long prompt")}),
        (Raises, {("decide", "form")}),
        (Draws, {("embed_images", "arguments")}),
        (Pops, {("score_texts", "arguments")}),
    ],
)
def test_every_check_finds_the_model_that_was_made_to_fail_it(
    kind: type[Sound], expected: set[tuple[str, str]]
) -> None:
    findings = failed(kind())
    assert {(finding.about, finding.check) for finding in findings} == expected
    assert all("expected" in finding.detail and "found" in finding.detail for finding in findings)


STATES: dict[str, Callable[[], object]] = {
    "torch generator": lambda: torch.manual_seed(random.SystemRandom().getrandbits(32)),
    "numpy generator": lambda: np.random.rand(),
    "python generator": random.random,
    "default dtype": lambda: torch.set_default_dtype(torch.float64),
    "gradients": lambda: torch.set_grad_enabled(False),
    "threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "working directory": lambda: os.chdir(Path.cwd().parent),
    "environment": lambda: os.environ.update(A_VARIABLE_OF_A_MODEL="1"),
    "warning filters": lambda: warnings.simplefilter("ignore"),
}


@pytest.mark.parametrize("what", STATES)
def test_state_that_is_touched_is_named_and_put_back(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    class Touching(Sound):
        def embed_images(self, images: Any) -> Any:
            STATES[what]()
            return Sound.embed_images(self, images)

    before = ProcessState.now()
    (finding,) = failed(Touching())
    assert finding == ("embed_images", "global state", False, f"expected it as it was, found changed: {what}")
    assert before.changes(ProcessState.now()) == []


def test_a_clear_refusal_of_a_long_prompt_is_an_answer() -> None:
    class Refuses(Short):
        error = InputError("prompt 0: 300 words, but at most 100 are read")

    details = {(finding.about, finding.check): finding.detail for finding in examine(Refuses(), card())}
    assert (
        details["embed_prompts", "long prompt"]
        == "300 words are refused: prompt 0: 300 words, but at most 100 are read"
    )
    assert len(long_prompt().text.split()) == LONG_WORDS


def test_a_model_without_a_method_that_its_card_claims_fails() -> None:
    class Lacks(Sound):
        decide: Any = None

    assert [(finding.about, finding.check) for finding in failed(Lacks())] == [("decide", "method")]


def test_only_claimed_capabilities_and_inputs_are_examined() -> None:
    seen: list[Prompt] = []

    class Listens(Sound):
        def generate_texts(self, prompts: Sequence[Prompt], max_new_tokens: int, stop: Any = ()) -> Any:
            seen.extend(prompts)
            return Sound.generate_texts(self, prompts, max_new_tokens, stop)

    assert {
        finding.about for finding in examine(Listens(), card(capabilities=("text-generator",), inputs=("text",)))
    } == {"generate_texts"}
    assert not any(prompt.images for prompt in seen)
    list(examine(Listens(), card(capabilities=("text-generator",))))
    assert any(prompt.images for prompt in seen)
    with pytest.raises(InputError, match="nothing to ask"):
        list(examine(Sound(), card(capabilities=("label-rule",))))


# Every card of its own with methods to ask, and one variant: the others differ in their weights, not in their code.
BUILTIN = [
    card.name
    for card in Cards([]).models()
    if set(card.capabilities) & set(PROTOCOLS)
    and not card.extends
    and all(component.mini for component in card.weights.values())
    and not asks_a_server(card)  # tests/evaluate/test_served.py has a server for these
]


FEW_STEPS = {
    "gill": ("num_inference_steps=2",),
    "gill-linear": ("num_inference_steps=2",),
    "stable-diffusion": ("num_inference_steps=2",),
    "glide": ("base_steps=2", "upsample_steps=2"),
}
"""Settings of samplers: what the checks see is the same after two steps as after fifty."""


@pytest.mark.parametrize("name", [*BUILTIN, pytest.param("gill-linear", marks=pytest.mark.slow)])
def test_the_card_of_every_builtin_adapter_passes_on_embedded_weights(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [word for setting in FEW_STEPS.get(name, ()) for word in ("--set", f"{name}.{setting}")]
    assert main(["doctor", name, "--device", "cpu", *settings]) == 0, capsys.readouterr().out
    assert "FAIL" not in capsys.readouterr().out


BAD = """
import torch
from PIL import Image
from gill_bench.interfaces import GeneratedImage


class Grey:
    def __init__(self, device="cpu", side=8):
        torch.set_default_dtype(torch.float64)
        self.side = side

    def generate_images(self, prompts, noise):
        return [[GeneratedImage(Image.new("RGB", (self.side, self.side))) for _ in seeds] for seeds in noise]
"""


PLANTED = """
import numpy as np
import torch
from PIL import Image
from gill_bench.interfaces import GeneratedImage


def noise_picture(seed, side=8):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


class Sound:
    def __init__(self, device="cpu"):
        pass

    def seed(self, prompt, one):
        return [one.seed % 2**32, *prompt.text.encode()]

    def generate_images(self, prompts, noise):
        return [
            [GeneratedImage(noise_picture(self.seed(prompt, one))) for one in seeds]
            for prompt, seeds in zip(prompts, noise)
        ]


class Shape(Sound):
    def generate_images(self, prompts, noise):
        return Sound.generate_images(self, prompts, noise)[:-1]


class Nondeterministic(Sound):
    calls = 0

    def seed(self, prompt, one):
        self.calls += 1
        return [*Sound.seed(self, prompt, one), self.calls]


class Seedless(Sound):
    def seed(self, prompt, one):
        return [*prompt.text.encode()]


class Batched(Sound):
    def generate_images(self, prompts, noise):
        self.longest = max(len(prompt.text) for prompt in prompts)
        return Sound.generate_images(self, prompts, noise)

    def seed(self, prompt, one):
        return [*Sound.seed(self, prompt, one), self.longest]


class Generator(Sound):
    def generate_images(self, prompts, noise):
        torch.manual_seed(noise[0][0].seed % 2**32)
        return Sound.generate_images(self, prompts, noise)
"""


@pytest.mark.parametrize(
    ("name", "checks"),
    [
        ("Sound", []),
        ("Shape", ["form"]),
        ("Nondeterministic", ["same again"]),
        ("Seedless", ["another seed"]),
        ("Batched", ["one by one"]),
        ("Generator", ["global state"]),
    ],
)
def test_faults_of_a_class_in_a_file_are_found_by_the_command(
    name: str, checks: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "planted.py"
    file.write_text(PLANTED)
    assert main(["doctor", f"{file}:{name}"]) == (1 if checks else 0)
    said = capsys.readouterr().out
    for check in checks:
        assert f"FAIL  generate_images: {check}: " in said
    assert ("FAIL" in said) == bool(checks)


def test_the_command_doctor_prints_checks_as_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.py").write_text(BAD)
    model = f"{tmp_path / 'bad.py'}:Grey"
    assert main(["doctor", model, "--set", "Grey.side=4", "--device", "cpu"]) == 1
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert "FAIL  loading: global state: expected it as it was, found changed: default dtype" in lines
    assert "ok    generate_images: form: 2 pictures a prompt of 4 x 4 pixels" in lines
    assert any(line.startswith("FAIL  generate_images: another seed: expected another picture") for line in lines)
    assert "2 of 9 checks failed" in said.err
    assert torch.get_default_dtype() == torch.float32
    assert main(["doctor", model, "--json", "--device", "cpu"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["model"], report["passed"], len(report["checks"])) == ("grey", False, 9)
    assert (report["context"]["task"], report["context"]["context"]) == ("vist", "5-captions-4-images")
    assert report["context"]["words"].startswith("reads captions none; pictures none")
    assert report["context"]["calls"] <= 20
    assert {check["check"] for check in report["checks"] if not check["passed"]} == {"global state", "another seed"}


def test_the_example_of_the_readme_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    (tmp_path / "my_model.py").write_text(example[1])
    assert main(["doctor", f"{tmp_path / 'my_model.py'}:MyModel", "--device", "cpu"]) == 0, capsys.readouterr().out


def test_wrong_arguments_of_the_command_doctor_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "gil"]) == 2
    assert "did you mean 'gill'" in capsys.readouterr().err
    assert main(["doctor", "clip", "--set", "clip.fusoin=mean"]) == 2
    assert "did you mean 'fusion'" in capsys.readouterr().err
    assert main(["doctor", "human"]) == 1
    assert "there is no model to load" in capsys.readouterr().err
