"""Prompts of a vision-language model: templates, control tokens, sizes, and errors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from gill_bench.errors import InputError
from gill_bench.models import image_text_to_text as adapter
from gill_bench.models.image_text_to_text import Settings
from gill_bench.models.image_text_to_text.model import VisionLanguageModel
from gill_bench.models.writing.control import ControlTokens, continuation_ids
from gill_bench.prompt import Prompt
from tests.support.tiny_vision_language import chat, hf

PICTURE = Image.new("RGB", (120, 80), "red")
ASKED = Prompt(("look:", PICTURE, "what is it?"))
Folders = Callable[[str], Path]


def load(folder: Path, **settings: Any) -> VisionLanguageModel:
    return adapter.load({"network": folder}, Settings(**settings), "cpu")


def read(model: VisionLanguageModel, prompt: Prompt) -> str:
    """The ids of a prompt as text, control tokens included."""
    return str(model.processor.tokenizer.decode(model._encoded([prompt])["input_ids"][0]))


def test_a_prompt_is_a_chat_in_reading_order_and_thinking_is_off(vision_language: Folders) -> None:
    text = read(load(vision_language("llava")), ASKED)
    assert text == "<|start|>user\nlook:" + "<image>" * 4 + "\nwhat is it?<|end|>\n<|start|>assistant\n"


def test_a_system_message_comes_first_or_is_refused(vision_language: Folders) -> None:
    folder = vision_language("llava")
    assert read(load(folder, system="Be brief."), ASKED).startswith("<|start|>system\nBe brief.<|end|>\n<|start|>user")
    deaf = "{% for message in messages if message['role'] == 'user' %}" + chat("<image>").partition("%}")[2]
    with pytest.raises(InputError, match="ignores the system message; leave `system` out"):
        load(folder, system="Be brief.", template=deaf)
    with pytest.raises(InputError, match=r"system = 'Be brief.' needs a chat template"):
        load(vision_language("git"), system="Be brief.")


def test_the_chat_template_can_be_set_or_left_out(vision_language: Folders) -> None:
    folder = vision_language("qwen2.5-vl")
    own = "{% for part in messages[0]['content'] %}{{ part['text'] or '<|image_pad|>' }}|{% endfor %}"
    assert read(load(folder, template=own), ASKED).startswith("look:|<|image_pad|>")
    # Without a template, the placeholder is the one that the template of the files writes.
    plain = read(load(folder, template="none"), ASKED)
    assert plain.startswith("look:<|vision_start|><|image_pad|>")
    assert plain.endswith("<|image_pad|><|vision_end|>what is it?")
    for wrong, message in (
        ("short", "template = 'short': expected \"none\", or a chat template in Jinja"),
        ("{% if %}", "cannot be rendered"),
        ("{{ messages[0]['content'] }}", "takes no list of texts and pictures"),
        ("{{ messages[0]['content'][0]['text'] }}", "leaves texts of a message out"),
    ):
        with pytest.raises(InputError, match=message):
            load(folder, template=wrong)


@pytest.mark.parametrize("by_library", [True, False])
@pytest.mark.parametrize("name", ["llava", "qwen3-vl", "paligemma", "git"])
def test_control_tokens_of_the_data_are_text(name: str, by_library: bool, vision_language: Folders) -> None:
    model = load(vision_language(name))
    if not by_library:
        model.inputs._sanitizes = False  # type: ignore[union-attr]
    control = model.inputs.control
    written = " ".join(control._names)
    clean, hostile = (model._encoded([Prompt((PICTURE, text))])["input_ids"] for text in ("what?", f"what? {written}"))
    assert control.count(clean) == control.count(hostile)
    assert hostile.shape[1] > clean.shape[1]
    ids = continuation_ids(model.processor.tokenizer, control.broken(written))
    assert not {*ids} & {*control._ids.tolist()}
    assert model.generate_texts([ASKED if name in ("llava", "qwen3-vl") else Prompt((PICTURE, "a"))], 2)


def test_a_broken_control_token_keeps_its_letters() -> None:
    class Tokens:
        added_tokens_decoder: dict[int, Any] = {}  # noqa: RUF012
        all_special_tokens = ("</s>", "<|end|>")
        unk_token_id = None

        def convert_tokens_to_ids(self, names: list[str]) -> list[int]:
            return list(range(len(names)))

    control = ControlTokens(Tokens(), ["<image>"])
    assert control.within("a</s>b")
    assert not control.within("a < b > c")
    assert control.broken("a</s>b<image><|end|>") == "a< /s>b< image>< |end|>"


def test_pictures_are_shrunk_to_max_pixels(vision_language: Folders) -> None:
    small, large = (load(vision_language("qwen2.5-vl"), max_pixels=size) for size in (28 * 28 * 2, 0))
    grids = [model._encoded([ASKED])["image_grid_thw"].prod().item() for model in (small, large)]
    assert grids[0] <= 2 * 4 < grids[1]
    llava = load(vision_language("llava"), max_pixels=1000)
    assert llava._encoded([ASKED])["pixel_values"].shape[-2:] == (28, 28)
    shrunk = Prompt(("look:", PICTURE.resize((38, 25), Image.Resampling.BICUBIC), "what is it?"))
    assert llava._encoded([ASKED])["pixel_values"].equal(llava._encoded([shrunk])["pixel_values"])


def test_a_prompt_that_is_too_long_is_an_error(vision_language: Folders) -> None:
    model = load(vision_language("llava"))
    long = Prompt((PICTURE, "a" * 2100))
    for ask in (lambda: model.generate_texts([long], 4), lambda: model.score_texts([long], ["yes"])):
        with pytest.raises(InputError, match=r"prompt 0: \d+ tokens of text and pictures, .* reads at most 2048"):
            ask()


def test_a_continuation_never_begins_with_two_spaces() -> None:
    """Llama's tokenizers put a space before every text: the one with which a continuation begins is that."""
    import tokenizers

    words = {token: token_id for token_id, token in enumerate(["<unk>", "▁", "▁yes", "yes", "a", "▁a"])}
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    backend.normalizer = tokenizers.normalizers.Sequence(
        [tokenizers.normalizers.Prepend("▁"), tokenizers.normalizers.Replace(" ", "▁")]
    )
    llama = hf.PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")
    assert continuation_ids(llama, " yes") == continuation_ids(llama, "yes") == [words["▁yes"]]


def test_folders_that_hold_no_such_model_are_refused(vision_language: Folders, tmp_path: Path) -> None:
    source = vision_language("llava")

    def changed(name: str) -> Path:
        return Path(shutil.copytree(source, tmp_path / name))

    def refused(folder: Path, message: str) -> None:
        with pytest.raises(InputError, match=message) as raised:
            load(folder)
        assert len(str(raised.value).splitlines()) <= 3

    refused(tmp_path / "nowhere", "no such folder")
    with pytest.raises(InputError, match="expected 'network' alone"):
        adapter.check({"llm": source}, Settings())
    folder = changed("incomplete")
    state = load_file(folder / "model.safetensors")
    key = next(name for name in sorted(state) if "down_proj" in name)
    save_file({name: value for name, value in state.items() if name != key}, folder / "model.safetensors")
    refused(folder, r"1 weights of \w+ForConditionalGeneration are missing")
    folder = changed("unknown")
    config = json.loads((folder / "config.json").read_text())
    code = {"AutoConfig": "code.Config", "AutoModelForImageTextToText": "code.Model"}
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "new-vlm", "auto_map": code}))
    (folder / "code.py").write_text("raise SystemExit('code of the weights ran')")
    refused(folder, "new-vlm|custom code")
    folder = changed("text")
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", "vocab_size": 300}))
    refused(folder, "GPT2Config")
    folder = changed("blind")
    for file in folder.glob("*processor_config.json"):
        file.unlink()
    refused(folder, "has no preprocessor_config.json or processor_config.json")
