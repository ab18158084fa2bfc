"""The server of annotators: what it tells, whom it answers, and that a vote is on disk before it is acknowledged."""

from __future__ import annotations

import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gill_bench.analysis.annotation.material import StudyMaterial
from gill_bench.analysis.annotation.returned import vote_for_page
from gill_bench.analysis.annotation.votes import file_name_of, read_votes
from gill_bench.reporting.annotate import AnnotationServer
from gill_bench.reporting.annotate.server import LARGEST_REQUEST
from tests.reporting.annotate.conftest import ask
from tests.support.annotation import PROMPTS, TELLTALE, vote

pytestmark = pytest.mark.enable_socket


def cast(material: StudyMaterial, example: int, side: str = "generated", annotator: str = "Ann") -> dict[str, Any]:
    return {"annotator": annotator, "vote": vote_for_page(vote(example, side), material.study)}


def items_of(server: AnnotationServer) -> dict[str, Any]:
    text = ask(server, "/items.js")[1].decode()
    content: dict[str, Any] = json.loads(text.removeprefix("gillBenchAnnotate(").removesuffix(");\n"))
    return content


def test_nothing_that_is_served_says_which_picture_is_whose(server: AnnotationServer, material: StudyMaterial) -> None:
    answers = [ask(server, path) for path in ("/", "/items.js", "/annotate.js", "/annotate.css", "/page.css")]
    assert [status for status, _, _ in answers] == [200] * 5
    content = b"".join(content for _, content, _ in answers)
    telltales = [side.name for side in material.study.sides] + [material.study.secret, "pictures/gen", ".jpg"]
    assert [word for word in telltales if word.encode() in content] == []
    first = 0
    for item in items_of(server)["items"]:
        assert item["pictures"] == sorted(item["pictures"])
        first += material.study.sides_by_name[item["pictures"][0]][1] == "generated"
        for name in item["pictures"]:
            status, picture, headers = ask(server, f"/pictures/{name}.png")
            assert (status, headers["Content-Type"]) == (200, "image/png")
            assert TELLTALE.encode() not in picture
            with Image.open(io.BytesIO(picture)) as opened:
                assert (opened.format, opened.mode, opened.info) == ("PNG", "RGB", {})
    assert 0 < first < PROMPTS
    names = {header for _, _, headers in answers for header in headers.values()}
    assert not any("generated" in name or "retrieved" in name for name in names)


def test_a_vote_is_on_disk_before_it_is_acknowledged_and_can_be_taken_back(
    server: AnnotationServer, material: StudyMaterial, tmp_path: Path
) -> None:
    folder, study = tmp_path / "votes", material.study
    assert json.loads(ask(server, "/votes", cast(material, 2))[1]) == {"votes": 1}
    assert read_votes(folder, study) == {"Ann": {"2": vote(2, "generated")}}
    assert json.loads(ask(server, "/votes?annotator=Ann")[1]) == {"votes": [cast(material, 2)["vote"]]}
    assert json.loads(ask(server, "/votes?annotator=Bo")[1]) == {"votes": []}
    assert json.loads(ask(server, "/votes", {"annotator": "Ann", "takenBack": "2"})[1]) == {"votes": 0}
    assert read_votes(folder, study) == {"Ann": {}}


def test_many_annotators_at_once_lose_nothing(
    server: AnnotationServer, material: StudyMaterial, tmp_path: Path
) -> None:
    names = ["Ann", "Bo", "../../../../escaped", "名前"]
    requests = [cast(material, example, annotator=name) for example in range(PROMPTS) for name in names]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda request: ask(server, "/votes", request)[0], requests))
    assert answers == [200] * len(requests)
    votes = read_votes(tmp_path / "votes", material.study)
    assert {name: sorted(of_annotator) for name, of_annotator in votes.items()} == {
        name: [str(example) for example in range(PROMPTS)] for name in names
    }
    assert {file.name for file in (tmp_path / "votes" / "votes").iterdir()} == set(map(file_name_of, names))


def test_only_the_page_of_this_server_may_ask_for_votes_and_cast_them(
    server: AnnotationServer, material: StudyMaterial, tmp_path: Path
) -> None:
    port = server.server_address[1]
    assert server.server_address[0] == "127.0.0.1"
    request = cast(material, 0)
    for headers, status in (
        ({"X_Gill_Bench_Token": None}, 403),
        ({"X_Gill_Bench_Token": "x"}, 403),
        ({"X_Gill_Bench_Token": "é"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": f"http://127.0.0.1:{port + 1}"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Host": f"evil.example:{port}"}, 421),
        ({"Host": None}, 421),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": None}, 415),
        ({"Content_Length": None}, 411),
        ({"Content_Length": "-1"}, 411),
        ({"Content_Length": str(LARGEST_REQUEST + 1)}, 413),
        ({"Content_Length": "9" * 400}, 413),
    ):
        answer = ask(server, "/votes", request, **headers)
        assert answer[0] == status, headers
        assert not any(name.lower().startswith("access-control") for name in answer[2])
    for headers in ({"X_Gill_Bench_Token": None}, {"Origin": "http://evil.example"}):
        assert ask(server, "/votes?annotator=Ann", **headers)[0] == 404
    assert ask(server, "/items.js", Host="evil.example")[0] == 421
    assert not (tmp_path / "votes" / "votes").exists()
    assert ask(server, "/votes", request, Origin=f"http://localhost:{port}", Host=f"localhost:{port}")[0] == 200
    assert ask(server, "/", request)[0] == 404
    policy = ask(server, "/")[2]["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 10_000,
        b'{"annotator": "Ann"}',
        b'{"annotator": "Ann", "vote": 5}',
        b'{"annotator": "Ann", "vote": {"item": "99"}}',
        b'{"annotator": "", "vote": {"item": "0"}}',
        b'{"annotator": "Ann", "takenBack": ["0"]}',
        b'{"annotator": "Ann", "takenBack": "99"}',
        b'{"annotator": {"a": 1}, "takenBack": "0"}',
    ],
)
def test_requests_that_are_no_votes_are_refused(server: AnnotationServer, tmp_path: Path, content: bytes) -> None:
    assert ask(server, "/votes", content)[0] == 400
    assert not (tmp_path / "votes" / "votes").exists()


def test_a_picture_of_another_pair_is_no_answer(server: AnnotationServer, material: StudyMaterial) -> None:
    request = cast(material, 0)
    request["vote"]["relevance"] = material.study.picture_name("1", 0)
    status, reason, _ = ask(server, "/votes", request)
    assert status == 400
    assert reason.startswith(b"item 0: relevance")


def test_a_vote_that_cannot_be_written_is_not_acknowledged(
    server: AnnotationServer, material: StudyMaterial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert ask(server, "/votes", cast(material, 0))[0] == 500
    assert ask(server, "/votes", cast(material, 1))[0] == 200
    assert list(read_votes(tmp_path / "votes", material.study)["Ann"]) == ["1"]


def test_no_other_file_is_served_and_no_picture_that_changed(
    server: AnnotationServer, material: StudyMaterial, tmp_path: Path
) -> None:
    name = material.study.picture_name("0", 0)
    assert ask(server, f"/pictures/{name}.png")[0] == 200
    for path in (
        "/votes/study.json",
        "/study.json",
        "/pictures/",
        f"/pictures/../pictures/{name}.png",
        "/pictures/0.png",
        "/../../etc/passwd",
        "//etc/passwd",
        "/%2e%2e/study.json",
    ):
        assert ask(server, path)[0] == 404, path
    material.pictures["0"][0].file.write_bytes(material.pictures["1"][0].file.read_bytes())
    status, reason, _ = ask(server, f"/pictures/{name}.png")
    assert status == 500
    assert b"not the picture that the votes are on" in reason
