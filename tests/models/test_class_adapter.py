"""A model that is a class: its capabilities and settings, how it is constructed, and the errors when it is no model."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

from gill_bench.cards.find import Cards, ModelCard
from gill_bench.cards.user_files import names_a_class
from gill_bench.cli import main
from gill_bench.datasets import dataset
from gill_bench.errors import GillBenchError, InputError
from gill_bench.planning.resolve import resolve_model
from gill_bench.planning.selection import cannot_reason, choose_models, model_card, parse_settings

MODEL = '''
from typing import Annotated, Literal

from PIL import Image
from pydantic import Field

from gill_bench.interfaces import GeneratedImage


class Painter:
    inputs = ("text",)

    def __init__(self, device="cpu", side: Annotated[int, Field(gt=0)] = 16, style: Literal["plain", "dark"] = "plain",
                 copy=1.5, schema=True, words=None, guidance_scale=7.5):
        self.made_with = dict(device=device, side=side, style=style, copy=copy, schema=schema, words=words)
        self.guidance_scale = guidance_scale

    def generate_images(self, prompts, noise):
        side = self.made_with["side"]
        return [[GeneratedImage(Image.new("RGB", (side, side), (one.seed % 256, 0, 0))) for one in seeds]
                for seeds in noise]


class Speaker:
    def generate_texts(self, prompts, max_new_tokens, stop=()):
        return ["a word"] * len(prompts)

    def score_texts(self, prompts, continuations):
        return [-1.0] * len(prompts)


class Half:
    def embed_images(self, images):
        return None


class Nothing:
    def generate_image(self):
        return None


class Needs:
    def __init__(self, path): ...

    def generate_texts(self, prompts, max_new_tokens, stop=()): ...


class Sees:
    inputs = ("text", "sound")

    def generate_texts(self, prompts, max_new_tokens, stop=()): ...


class Falls:
    def __init__(self):
        self.weights = open("/nowhere/weights.bin")

    def generate_texts(self, prompts, max_new_tokens, stop=()): ...


class Weighty(Speaker):
    def __init__(self, weights, device, side=3):
        self.made_with = weights, device, side


class Parts(Speaker):
    def __init__(self, network, *, words="small", side=3):
        self.made_with = network, words, side


class Loaded(Speaker):
    def __init__(self, weights="large"):
        self.made_with = weights


class Anything(Speaker):
    def __init__(self, **options): ...


class Gill(Speaker):
    """Called as a built-in card."""


number = 3
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my_model.py"
    path.write_text(MODEL)
    return path


@pytest.fixture
def card(file: Path) -> Callable[[str], Any]:
    return lambda name: model_card(Cards(), f"{file}:{name}")


def test_a_card_is_read_from_the_class(card: Callable[[str], Any]) -> None:
    painter, speaker = card("Painter"), card("Speaker")
    assert (painter.name, painter.title, painter.adapter) == ("painter", "Painter", "my_model.py:Painter")
    assert painter.capabilities == ("image-generator",)
    assert painter.inputs == ("text",)
    assert painter.settings == {"side": 16, "style": "plain", "copy": 1.5, "schema": True, "guidance_scale": 7.5}
    assert set(speaker.capabilities) == {"text-generator", "text-scorer"}
    assert speaker.inputs == ("text", "image")
    assert speaker.settings == {}


def test_a_class_is_constructed_with_device_and_settings(card: Callable[[str], Any]) -> None:
    resolved = resolve_model(
        card("Painter"),
        weights="mini",
        settings={"side": 8},
        sampling={"guidance_scale": 3.0, "num_inference_steps": 9},
    )
    model: Any = resolved.load("meta")
    expected = {"device": "meta", "side": 8, "style": "plain", "copy": 1.5, "schema": True, "words": None}
    assert model.made_with == expected
    assert model.guidance_scale == 3.0  # the task's, as for any model that has the setting
    assert resolved.notes() == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"side": 0}, "side = 0: input should be greater than 0"),
        ({"side": "wide"}, "side = 'wide': input should be a valid integer"),
        ({"style": "light"}, "style = 'light': input should be 'plain' or 'dark'"),
        ({"sied": 8}, "unknown setting 'sied'; did you mean 'side'"),
        ({"device": "cuda"}, "unknown setting 'device'"),
    ],
)
def test_settings_are_checked_by_the_annotations(
    card: Callable[[str], Any], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        resolve_model(card("Painter"), weights="mini", settings=settings)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (":Paintr", "no class named 'Paintr' in .*; did you mean 'Painter'"),
        (":number", "int, not a class, named 'number'"),
        ("", "expected a class too, as in .*my_model.py:MyModel; choose from .*'Painter'"),
        (":Nothing", "none of the methods of a model.*\n.*image-generator: generate_images; image-retriever: embed_im"),
        (":Half", "has 'embed_images', but an image-retriever needs 'embed_prompts' too"),
        (":Weighty", r"its constructor needs 'weights'; give it a default, .* from its \[weights.NAME\]"),
        (":Needs", "its constructor needs 'path'; give it a default"),
        (":Sees", r"inputs = \('text', 'sound'\): .*expected a list of \"text\" and \"image\""),
        (":Gill", "'gill' in tables is another model's name already"),
    ],
)
def test_a_class_or_name_that_is_no_model_is_refused(file: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        model_card(Cards(), f"{file}{name}")
    assert len(str(caught.value).splitlines()) <= 3


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"nowhere.py: no such file"):
        model_card(Cards(), "./nowhere.py:Model")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import math\n\nmath.sqrt(-1)\n", "line 3: ValueError: "),
        ("x = (\n", "line 1: SyntaxError: "),
        ("import nowhere_at_all\n", "line 1: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("\nraise SystemExit\n", "line 2: SystemExit"),
    ],
)
def test_an_exception_in_the_file_is_shown_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "broken.py"
    file.write_text(text)
    for _ in range(2):  # nothing half-run is left behind
        with pytest.raises(InputError, match=message):
            model_card(Cards(), f"{file}:Model")


def test_an_exception_in_the_constructor_is_shown_with_its_line(file: Path, card: Callable[[str], Any]) -> None:
    resolved = resolve_model(card("Falls"), weights="mini", settings={})
    line = MODEL.splitlines().index('        self.weights = open("/nowhere/weights.bin")') + 1
    with pytest.raises(GillBenchError, match=f"could not be constructed: line {line}: FileNotFoundError"):
        resolved.load("cpu")


def test_the_content_of_the_file_is_part_of_the_recipe(file: Path, tmp_path: Path, card: Callable[[str], Any]) -> None:
    before = resolve_model(card("Painter"), weights="mini", settings={}).digests["adapter"]
    file.write_text(MODEL.replace("side: Annotated[int, Field(gt=0)] = 16", "side: int = 99"))
    after = resolve_model(card("Painter"), weights="mini", settings={})
    assert after.digests["adapter"] != before
    model: Any = after.load("cpu")
    assert model.made_with["side"] == 99  # what runs is what was digested


UNIFIED = """
class Unified:
    inputs = {reads}

    def generate_images(self, prompts, noise): ...

    def embed_images(self, images): ...

    def embed_prompts(self, prompts): ...

    def generate_texts(self, prompts, max_new_tokens, stop=()): ...
"""


@pytest.mark.parametrize(
    "reads",
    [
        {"generate_images": ("text",)},
        {"image-generator": ["text"], "text-generator": ("text", "image")},
        {"generate_images": ("text",), "embed_images": ("image",), "embed_prompts": ("text", "image")},
    ],
)
def test_inputs_may_differ_by_capability(tmp_path: Path, reads: dict[str, Any]) -> None:
    file = tmp_path / "unified.py"
    file.write_text(UNIFIED.format(reads={name: value for name, value in reads.items() if name != "embed_images"}))
    model = model_card(Cards(), f"{file}:Unified")
    assert model.reads("image-generator") == ("text",)
    assert model.reads("image-retriever") == model.reads("text-generator") == ("text", "image")
    task = Cards().task("vist")
    reason = cannot_reason(model, task, dataset("sis").context("5-captions-4-images"))
    assert reason == "unified reads no images as image-generator"
    assert cannot_reason(model, task, dataset("sis").context("5-captions")) == ""
    answers = Cards().task("vqav2")
    assert cannot_reason(model, answers, dataset("vqa").context("question")) == ""


@pytest.mark.parametrize(
    ("reads", "message"),
    [
        ({"paint": ("text",)}, r"inputs\['paint'\]: choose from"),
        ({"generate_image": ("text",)}, "did you mean 'generate_images'"),
        ({"generate_images": ("sound",)}, 'expected a list of "text" and "image"'),
        ({"generate_images": "text"}, 'expected a list of "text" and "image"'),
        ({"generate_images": ("text",), "image-generator": ("image",)}, "differ, but both are"),
        ({"text-scorer": ("text",)}, "text-scorer"),
        ((), 'expected a list of "text" and "image"'),
    ],
)
def test_wrong_declarations_of_inputs_are_refused(tmp_path: Path, reads: object, message: str) -> None:
    file = tmp_path / "unified.py"
    file.write_text(UNIFIED.format(reads=reads))
    with pytest.raises(InputError, match=message):
        model_card(Cards(), f"{file}:Unified")


def test_names_that_end_in_py_or_name_a_class_in_it_are_classes() -> None:
    assert [names_a_class(name) for name in ("a.py", "./a.py:B", "gill", "a.toml", "./my.pyx")] == [
        True,
        True,
        *[False] * 3,
    ]


def test_settings_can_be_given_by_the_name_of_the_class_or_of_its_rows() -> None:
    known = ["vist", "my-model"]
    assert parse_settings(["MyModel.side=8", "my-model.style=dark"], known) == {
        "my-model": {"side": 8, "style": "dark"}
    }
    with pytest.raises(InputError, match="'MyModle' is neither"):
        parse_settings(["MyModle.side=8"], known)
    assert parse_settings(["MyModel.side=8", "my-model.side=8"], known) == {"my-model": {"side": 8}}
    with pytest.raises(InputError, match=r"my-model\.side: given twice, as 8 and 9"):
        parse_settings(["MyModel.side=8", "my-model.side=9"], known)


@pytest.mark.parametrize("text", ["9" * 5000, "-" + "9" * 30, str(2**63), "NaN", "-Infinity", "1e999"])
def test_numbers_of_settings_are_finite_and_have_64_bits(text: str) -> None:
    with pytest.raises(InputError, match="expected a finite number of at most 64 bits") as caught:
        parse_settings([f"my-model.side={text}"], ["my-model"])
    assert len(str(caught.value)) < 200
    assert parse_settings([f"m.side={2**63 - 1}", "m.x=[" + "[" * 10000], ["m"])["m"]["side"] == 2**63 - 1


def test_every_setting_of_the_adapter_can_be_set_whether_or_not_the_card_names_it(file: Path, tmp_path: Path) -> None:
    toml = tmp_path / "plain.toml"
    toml.write_text(
        f'schema = 1\nname = "plain"\ntitle = "Plain"\nadapter = "{file.name}:Painter"\n'
        'capabilities = ["image-generator"]\ninputs = ["text"]\n[settings]\nside = 4\n'
    )
    plain = model_card(Cards(), str(toml))
    sampling = {"guidance_scale": 3.0}
    assert resolve_model(plain, weights="mini", settings={}, sampling=sampling).card.settings == {"side": 4}
    resolved = resolve_model(plain, weights="mini", settings={"style": "dark"}, sampling=sampling)
    assert resolved.card.settings == {"side": 4, "style": "dark"}
    model: Any = resolved.load("cpu")
    assert (model.made_with["style"], model.made_with["side"]) == ("dark", 4)
    with pytest.raises(
        InputError, match=r"'stile'; did you mean 'style'\? \(all: copy, guidance_scale, schema, side, s"
    ):
        resolve_model(plain, weights="mini", settings={"stile": "dark"})


def test_two_models_of_one_name_are_refused(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text(MODEL)
    with pytest.raises(InputError, match="two models are called 'painter'"):
        choose_models(Cards(), [f"{file}:Painter", f"{other}:Painter"], [])


def test_a_class_runs_and_another_version_does_not_reuse_what_it_made(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(file.parent)
    words = ["run", "vist", "--models", "./my_model.py:Painter", "--limit", "1", "--seeds", "2", "--workers", "1"]
    words += ["--contexts", "1-caption", "--set", "Painter.side=8"]
    assert main(words) == 0
    spec = json.loads(Path("runs/vist/spec.json").read_text())
    (cell,) = spec["cells"]
    assert cell["recipe"]["adapter"] == "my_model.py:Painter"
    assert cell["recipe"]["settings"]["side"] == 8
    assert str(file.parent) not in Path("runs/vist/spec.json").read_text()
    file.write_text(MODEL.replace("% 256, 0, 0", "% 256, 9, 9"))
    capsys.readouterr()
    assert main([*words, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cells"][0]["samples_pending"] == 2


def test_a_card_may_name_a_class(file: Path) -> None:
    toml = file.parent / "mine.toml"
    toml.write_text(
        'schema = 1\nname = "mine"\ntitle = "Mine"\nadapter = "my_model.py:Painter"\n'
        'capabilities = ["image-generator"]\ninputs = ["text"]\n[settings]\nside = 4\n'
    )
    model: Any = resolve_model(model_card(Cards(), str(toml)), weights="mini", settings={}).load("cpu")
    assert (model.made_with["side"], model.made_with["style"]) == (4, "plain")
    toml.write_text(toml.read_text().replace(":Painter", ":Paintre"))
    with pytest.raises(InputError, match="has no 'Paintre'; did you mean 'Painter'"):
        resolve_model(model_card(Cards(), str(toml)), weights="mini", settings={})


def with_weights(file: Path, name: str, *components: str, more: str = "") -> ModelCard:
    """A card of a class with weights, each of which lies in a folder of its name in `weights`."""
    for component in components:
        folder = file.parent / "weights" / component
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.safetensors").write_bytes(component.encode())
    tables = "".join(f'[weights.{component}]\nfolder = "{component}"\n' for component in components)
    toml = file.parent / "weighed.toml"
    toml.write_text(
        f'schema = 1\nname = "weighed"\ntitle = "Mine"\nadapter = "my_model.py:{name}"\n'
        f'capabilities = ["text-generator"]\ninputs = ["text"]\n{tables}{more}'
    )
    return model_card(Cards(), str(toml))


def test_the_weights_of_a_card_are_handed_to_its_class(file: Path) -> None:
    folder = file.parent / "weights"
    resolved = resolve_model(
        with_weights(file, "Weighty", "network", "words", more="[settings]\nside = 4\n"),
        weights=str(folder),
        settings={"side": 5},
    )
    model: Any = resolved.load("meta")
    assert model.made_with == ({"network": folder / "network", "words": folder / "words"}, "meta", 5)
    assert set(resolved.digests) == {"network", "words", "adapter"}
    resolved = resolve_model(with_weights(file, "Parts", "network", "words"), weights=str(folder), settings={})
    model = resolved.load("cpu")
    assert model.made_with == (folder / "network", folder / "words", 3)
    # Without weights of its name an argument is a setting, as it is without a card.
    resolved = resolve_model(with_weights(file, "Parts", "network"), weights=str(folder), settings={})
    model = resolved.load("cpu")
    assert model.made_with == (folder / "network", "small", 3)
    model = resolve_model(model_card(Cards(), f"{file}:Loaded"), weights="mini", settings={"weights": "s"}).load("cpu")
    assert model.made_with == "s"
    model = resolve_model(with_weights(file, "Loaded", "network"), weights=str(folder), settings={}).load("cpu")
    assert model.made_with == {"network": folder / "network"}


@pytest.mark.parametrize(
    ("name", "components", "more", "message"),
    [
        ("Painter", ["network"], "", r"the card has \[weights.network\], which no argument .* takes; give .*'weights'"),
        ("Anything", ["network"], "", r"\[weights.network\], which no argument"),
        ("Parts", ["network", "vae"], "", r"\[weights.vae\], .* one argument per component \(network, vae\)"),
        ("Parts", ["words"], "", r"needs 'network'; .* weights come from its \[weights.network\]"),
        ("Speaker", ["device"], "", r"\[weights.device\], which no argument"),
        ("Weighty", ["network"], '[settings]\nweights = "x"\n', "settings: unknown key 'weights'"),
        ("Parts", ["network"], '[settings]\nnetwork = "x"\n', "settings: unknown key 'network'"),
    ],
)
def test_weights_that_nothing_takes_are_refused_before_they_are_looked_for(
    name: str, components: list[str], more: str, message: str, file: Path, tmp_path: Path
) -> None:
    card = with_weights(file, name, *components, more=more)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        resolve_model(card, weights=str(tmp_path / "empty"), settings={})


def test_weights_called_adapter_are_part_of_the_recipe(file: Path) -> None:
    """The weights count like those of a LoRA, although the class's file is digested under the name "adapter", too."""

    card = with_weights(file, "Weighty", "adapter")

    def digest() -> str:
        return resolve_model(card, weights=str(file.parent / "weights"), settings={}).digests["adapter"]

    first = digest()
    (file.parent / "weights" / "adapter" / "model.safetensors").write_bytes(b"other weights")
    second = digest()
    file.write_text(MODEL + "# changed")
    assert len({first, second, digest()}) == 3


@pytest.fixture
def installed(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution as pip installs one, on the path of this process."""
    site = tmp_path / "site"
    info = site / "painters-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "painters_of_a_test.py").write_text(MODEL)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: painters\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[gill_bench.models]\npainter-by-mail = painters_of_a_test:Painter\nlost = painters_of_a_test:Lost\n"
    )
    monkeypatch.syspath_prepend(str(site))
    assert any(package.metadata["Name"] == "painters" for package in distributions())


@pytest.mark.usefixtures("installed")
def test_an_installed_package_offers_a_class_by_name() -> None:
    (card,) = choose_models(Cards(), ["painter-by-mail"], [])
    assert (card.name, card.capabilities, card.settings["side"]) == ("painter-by-mail", ("image-generator",), 16)
    model: Any = resolve_model(card, weights="mini", settings={"side": 5}).load("cpu")
    assert model.made_with["side"] == 5
    with pytest.raises(InputError, match="did you mean 'painter-by-mail'"):
        choose_models(Cards(), ["painter-by-mial"], [])
    with pytest.raises(InputError, match="lost: painters_of_a_test:Lost cannot be imported: AttributeError"):
        choose_models(Cards(), ["lost"], [])
