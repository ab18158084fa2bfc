"""A served model by itself: its requests, its outputs for a server's replies, and its errors for a server's errors."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from gill_bench.errors import InputError
from gill_bench.interfaces import (
    ImageGenerator,
    Noise,
    RefusedError,
    TextGenerator,
    TextScorer,
    TryLater,
    UnavailableError,
)
from gill_bench.models import openai_api
from gill_bench.models.openai_api import client
from gill_bench.models.openai_api.model import ServedModel
from gill_bench.models.openai_api.refusals import ServerError
from gill_bench.models.openai_api.settings import Settings
from gill_bench.prompt import Prompt
from tests.support.fake_server import BROKEN, CUT, EMPTY, FakeServer, Reply, fake_server, png

pytestmark = pytest.mark.enable_socket

KEY = "k-123456"
RED, BLUE = Image.new("RGB", (6, 4), "red"), Image.new("RGB", (4, 8), "blue")
STORY = Prompt(("a dog .", RED, "it runs .", BLUE, "the end ."))


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server() as running:
        yield running


def model(server: FakeServer, **settings: Any) -> ServedModel:
    return openai_api.load({}, Settings(**{"model": "painter", "url": server.url, "retries": 2, **settings}), "cpu")


def paint(served: ServedModel, prompt: Prompt = STORY, seed: int = 7) -> Image.Image:
    ((picture,),) = served.generate_images([prompt], [[Noise(seed)]])
    return picture.image


def test_a_served_model_generates_pictures_and_texts_and_scores_nothing(server: FakeServer) -> None:
    served = model(server)
    assert isinstance(served, ImageGenerator)
    assert isinstance(served, TextGenerator)
    assert not isinstance(served, TextScorer)
    assert not server.requests  # loading asks nothing
    assert not server.paths


def test_pictures_of_a_prompt_are_sent_in_order_and_named_where_they_stood(server: FakeServer) -> None:
    picture = paint(model(server, generator_device="cpu", num_inference_steps=4, size="512x256", extra='{"n": null}'))
    assert (picture.size, picture.mode) == ((16, 16), "RGB")
    ((path, fields),) = server.requests
    files = fields.pop("image[]")
    assert path == "/v1/images/edits"
    assert [size[:2] for size in files] == [[6, 4], [4, 8]]
    assert fields == {
        "model": "painter",
        "prompt": "a dog . image 1 it runs . image 2 the end .",
        "size": "512x256",
        "response_format": "b64_json",
        "num_inference_steps": "4",
        "seed": "7",
        "generator_device": "cpu",
    }
    paint(model(server, picture_name="Picture"), Prompt((RED, "runs")))
    fields = server.requests[1][1]
    assert fields["prompt"] == "Picture 1 runs"
    assert len(fields["image"]) == 1


def test_prompts_without_pictures_are_json(server: FakeServer) -> None:
    served = model(server, guidance_scale=2.5, negative_prompt="blur", extra='{"quality": "high", "background": false}')
    big = 2**62 + 1
    pictures = served.generate_images([Prompt(("a dog .", "it runs ."))], [[Noise(1), Noise(big)]])
    assert len({picture.image.tobytes() for picture in pictures[0]}) == 2
    assert [path for path, _ in server.requests] == ["/v1/images/generations"] * 2
    assert server.requests[1][1] == {
        "model": "painter",
        "prompt": "a dog . it runs .",
        "n": 1,
        "size": "1024x1024",
        "response_format": "b64_json",
        "negative_prompt": "blur",
        "guidance_scale": 2.5,
        "seed": big,
        "quality": "high",
        "background": False,
    }
    paint(model(server, seed=False), Prompt(("a dog .",)))
    assert "seed" not in server.requests[2][1]
    with pytest.raises(InputError, match="shared"):
        served.generate_images([Prompt(("a dog .",))], [[Noise(1, skip=2)]])


def test_a_chat_gets_texts_and_pictures_in_reading_order(server: FakeServer) -> None:
    served = model(server, system="Be brief.", extra='{"max_tokens": null, "max_completion_tokens": 9}')
    (whole,), (cut,) = served.generate_texts([STORY], 5), served.generate_texts([STORY], 5, ["\n", "x"])
    assert whole == f"{cut}\nmore"
    assert cut.startswith("word")
    path, fields = server.requests[0]
    assert path == "/v1/chat/completions"
    first, second = fields["messages"]
    assert first == {"role": "system", "content": "Be brief."}
    assert [part.get("text") for part in second["content"]] == ["a dog .", None, "it runs .", None, "the end ."]
    kind, _, encoded = second["content"][3]["image_url"]["url"].partition(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as sent:
        assert (sent.size, sent.getpixel((0, 0))) == (BLUE.size, (0, 0, 255))
    assert (fields["temperature"], fields["seed"], fields["max_completion_tokens"]) == (0.0, 0, 9)
    assert "max_tokens" not in fields


def test_a_request_that_failed_by_the_servers_fault_is_repeated(server: FakeServer) -> None:
    server.faults = {0: BROKEN, 1: CUT, 3: EMPTY, 4: EMPTY}
    served = model(server)
    assert paint(served).tobytes() == paint(served).tobytes()
    assert len(server.requests) == 6
    server.faults = dict.fromkeys(range(6, 20), BROKEN)
    with pytest.raises(ServerError, match=r"2 pictures: answered 500: out of order \(attempts: 3\)"):
        paint(served)
    assert server.paths == ["/v1/models"]  # it is there, so that this prompt is the reason
    server.faults = dict.fromkeys(range(9, 20), EMPTY)
    with pytest.raises(ServerError, match=r"answered without a picture \(attempts: 3\)"):
        paint(served)


def test_a_request_to_a_slow_server_is_repeated(server: FakeServer) -> None:
    served = model(server, timeout=0.05, retries=1)
    server.delay = 0.2
    with pytest.raises(ServerError, match=r"no answer: (Read|Connect)Timeout.* \(attempts: 2\)"):
        served.generate_texts([STORY], 5)


def test_a_server_that_cannot_be_reached_is_an_error_that_says_so() -> None:
    with fake_server() as gone:
        served = model(gone)
    with pytest.raises(
        UnavailableError, match=r"cannot be reached: no answer: ConnectError: .*\n.*same command goes on"
    ):
        served.generate_texts([STORY], 5)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "Retry-After": "9"}, 1.5),
        ({"Retry-After": format_datetime(datetime.now(UTC) - timedelta(seconds=60), usegmt=True)}, 0.0),
        ({"Retry-After": format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)}, 3600.0),
        ({"Retry-After": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_to_wait_is_waited_for_as_long_as_it_asks(
    server: FakeServer, status: int, headers: dict[str, str], seconds: float
) -> None:
    server.faults = {0: Reply(status, {"error": {"message": "slow down"}}, headers)}
    with pytest.raises(TryLater, match=f"answered {status}: slow down") as caught:
        model(server).generate_texts([STORY], 5)
    assert caught.value.seconds == pytest.approx(seconds, abs=1800 if seconds == 3600 else 0)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "content_policy_violation", "message": "no"}},
        {"error": {"code": None, "type": "invalid_request_error", "message": "a result of our safety system."}},
        {"error": {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}, "message": "no"}},
        {"error": {"code": "x", "type": "image_generation_user_error", "message": "blocked by our moderation system"}},
    ],
)
def test_refusals_of_picture_servers_are_recognised(server: FakeServer, body: Any) -> None:
    for status in (400, 403, 200):
        server.faults = {len(server.requests): Reply(status, body)}
        with pytest.raises(RefusedError):
            paint(model(server))


@pytest.mark.parametrize(
    "choice",
    [
        {"finish_reason": "content_filter", "message": {"content": ""}},
        {"finish_reason": "stop", "message": {"content": None, "refusal": "I cannot help with that."}},
    ],
)
def test_refusals_of_chats_are_recognised(server: FakeServer, choice: Any) -> None:
    server.faults = {0: Reply(200, {"choices": [choice]})}
    with pytest.raises(RefusedError, match=r"content filter|cannot help"):
        model(server).generate_texts([STORY], 5)


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (400, {"detail": "Received 2 images, this model reads 1"}, ServerError, "2 pictures: answered 400: Received 2"),
        (413, b"too large", ServerError, "answered 413: too large"),
        (400, {"error": {"message": "bad size", "param": "size"}}, ServerError, "answered 400: bad size"),
        (400, {"error": {"message": "moderation: too long", "code": "invalid"}}, ServerError, "too long"),
        (
            400,
            {"error": {"message": "Unknown parameter: 'seed'.", "param": "seed", "code": "unknown_parameter"}},
            UnavailableError,
            r"--set MODEL.seed=false",
        ),
        (
            422,
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "generator_device"], "msg": "no"}]},
            UnavailableError,
            r"generator_device out of every request: --set 'MODEL.extra=\{\"generator_device\": null\}'",
        ),
        (401, {"error": {"message": f"Incorrect API key: {KEY[:4]}***"}}, UnavailableError, "variable OPENAI_API_KEY"),
        (
            404,
            {"error": {"message": "no such model"}},
            UnavailableError,
            r"edits answered 404: no such model\n.*'painter'",
        ),
        (429, {"error": {"message": "x", "code": "insufficient_quota"}}, UnavailableError, "answered 429"),
    ],
)
def test_errors_of_the_server_say_what_to_do(
    server: FakeServer, status: int, body: Any, kind: type[Exception], message: str
) -> None:
    server.faults = {0: Reply(status, body)}
    with pytest.raises(kind, match=message) as caught:
        paint(model(server))
    assert KEY[:4] not in str(caught.value)
    assert len(server.requests) == 1
    assert len(str(caught.value).splitlines()) <= 3


def test_a_key_that_the_server_repeats_is_not_shown(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    server.faults = {0: Reply(400, {"error": {"message": f"who is {KEY}?"}})}
    with pytest.raises(ServerError, match="who is …") as caught:
        paint(model(server))
    assert caught.value.__cause__ is None
    assert KEY not in caplog.text
    assert KEY not in repr(vars(model(server)))


@pytest.mark.parametrize("key", ["two words", "zwölf", "a\nb"])
def test_a_text_that_cannot_be_a_key_is_refused_and_not_shown(
    server: FakeServer, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", key)
    with pytest.raises(UnavailableError, match="MINE: not a key") as caught:
        model(server, key_variable="MINE")
    assert key not in str(caught.value)


def test_without_a_key_no_authorisation_is_sent(server: FakeServer) -> None:
    paint(model(server, key_variable="NO_SUCH_VARIABLE"))
    assert server.keys == {None}


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"b64_json": "no base64!"}, "cannot be read"),
        ({"b64_json": base64.b64encode(b"no picture").decode()}, "cannot be read: not a picture"),
        ({"url": "ftp://127.0.0.1/1.png"}, "neither b64_json nor a url that answers"),
        ({}, "neither b64_json nor a url"),
    ],
)
def test_replies_without_a_readable_picture_are_errors(server: FakeServer, item: Any, message: str) -> None:
    server.faults = {0: Reply(200, {"data": [item]})}
    with pytest.raises(ServerError, match=message):
        paint(model(server))


def test_a_picture_may_be_an_address_or_inline(server: FakeServer) -> None:
    encoded = base64.b64encode(png(3)).decode()
    server.faults = {0: Reply(200, {"data": [{"url": f"data:image/png;base64,{encoded}", "revised_prompt": "a cat"}]})}
    served = model(server)
    assert paint(served).tobytes() == Image.frombytes("RGB", (16, 16), paint_bytes(3)).tobytes()
    assert served.answered_by() == {"rewrites_prompts": True, "version": "0.30.0"}
    assert server.paths == ["/version"]


def paint_bytes(seed: int) -> bytes:
    with Image.open(io.BytesIO(png(seed))) as picture:
        return picture.tobytes()


def test_no_more_requests_are_sent_than_allowed_per_minute(server: FakeServer) -> None:
    served = model(server, per_minute=1200)  # one every 50 ms
    start = time.monotonic()
    served.generate_texts([STORY] * 4, 5)
    assert time.monotonic() - start >= 0.15


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "http://me:pw@host/v1"}, "without user, password"),
        ({"url": "http://host/v1?key=abc"}, "without user, password, query"),
        ({"url": "host"}, "expected the address of a server"),
        ({"extra": "[1]"}, "expected a JSON object"),
        ({"extra": "{"}, "expected a JSON object"),
        ({"size": "big"}, "pattern"),
        ({"at_once": 0}, "greater than 0"),
        ({"key_variable": "sk-abc"}, "pattern"),
        ({"model": ""}, "at least 1"),
        ({"api_key": "abc"}, "not permitted"),
    ],
)
def test_settings_of_a_server_that_cannot_be_used_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings(**{"model": "painter", **settings})
