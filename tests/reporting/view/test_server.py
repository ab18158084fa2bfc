"""The server of pages: to whom it answers what, and that it reads nothing but pages and committed pictures."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

import pytest

from gill_bench.errors import InputError
from gill_bench.reporting.view import Library, PageServer, viewed
from tests.reporting.view.conftest import Serve, files_of, grow
from tests.support.runs import half

pytestmark = pytest.mark.enable_socket


def ask(
    server: PageServer, path: str, method: str = "GET", host: str | None = None
) -> tuple[int, bytes, dict[str, str]]:
    """Status, content and headers of an answer; the path is sent as it is."""
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        connection.putrequest(method, path, skip_host=True)
        if host != "":
            connection.putheader("Host", host or f"127.0.0.1:{port}")
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def state(server: PageServer, path: str) -> dict[str, object]:
    text = ask(server, path)[1].decode()
    content: dict[str, object] = json.loads(text.removeprefix("gillBenchState(").removesuffix(");\n"))
    return content


def test_a_run_is_served_and_not_written(growing: Path, serve: Serve) -> None:
    before = files_of(growing)
    server = serve(growing)
    assert server.address == f"http://127.0.0.1:{server.server_address[1]}/growing/"
    assert ask(server, "/")[2]["Location"] == "/growing/"
    assert ask(server, "/growing")[2]["Location"] == "/growing/"
    status, content, headers = ask(server, "/growing/")
    assert status == 200
    assert b'<script src="follow.js" data-version="' in content
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    for name in ("gallery-vist.html", "page.css", "page.js", "follow.js", "follow.css"):
        assert ask(server, f"/growing/{name}")[0] == 200, name
    assert files_of(growing) == before


def test_the_state_follows_the_run(growing: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewed, "_REST", 0)
    server = serve(growing)
    first = state(server, "/growing/state.js")
    assert (first["state"], first["done"], first["expected"]) == ("unfinished", 8, 32)
    pictures = first["pictures"]
    assert isinstance(pictures, list)
    assert ask(server, f"/growing/{pictures[0]}")[1].startswith(b"\x89PNG")
    grow(growing)
    for _ in range(10_000):
        second = state(server, "/growing/state.js")
        if second["version"] != first["version"]:
            break
    assert (second["done"], second["expected"], second["alone"]) == (16, 32, True)


def test_only_this_machine_is_answered_and_only_get_and_head(growing: Path, serve: Serve) -> None:
    server = serve(growing)
    port = server.server_address[1]
    assert server.server_address[0] == "127.0.0.1"
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", f"[::1]:{port}", ""):
        assert ask(server, "/growing/", host=host)[0] == 421, host
    assert ask(server, "/growing/", host=f"localhost:{port}")[0] == 200
    status, content, headers = ask(server, "/growing/", "HEAD")
    assert (status, content) == (200, b"")
    assert int(headers["Content-Length"]) > 0
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "ANYTHING"):
        status, _, headers = ask(server, "/growing/", method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD"), method


def test_the_server_serves_no_file_outside_the_page_and_its_run(growing: Path, serve: Serve, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    (unit,) = growing.glob("units/*/*/*/*")
    picture = next(unit.glob("*.png"))
    secret.write_bytes(picture.read_bytes())
    server = serve(growing)
    base = "/growing/" + f"run/{unit.relative_to(growing / 'units').as_posix()}"
    assert ask(server, f"{base}/{picture.name}")[0] == 200
    ask(server, "/growing/")
    (tmp_path / "pages-growing" / "0" / "data" / "link.js").symlink_to(growing / "spec.json")
    elsewhere = [
        "/growing/../growing/spec.json",
        "/growing/..%2f..%2fruns/growing/spec.json",
        "/growing/spec.json",
        "/growing/data/link.js",
        "/growing/data/",
        "/growing/data",
        "/growing/.gill-bench-page",
        "/growing/%00",
        f"/{secret}",
        "/growing//etc/passwd",
        "/growing/run/",
        "/growing/run/spec.json",
        f"{base}/unit.json",
        f"{base}/../../../../../spec.json",
        f"{base}/%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2fsecret.png",
        f"{base}/nothing.png",
        "/growing/run/../units/x/y/z.png",
        "/growing/run/%2e%2e/%2e%2e/%2e%2e/0123456789abcdef/secret.png",
        "/other/",
        "/%ff/",
        "/growing/%ff",
    ]
    answers = {path: ask(server, path)[0] for path in elsewhere}
    assert answers == dict.fromkeys(elsewhere, 404)


def test_links_and_pictures_that_changed_are_not_served(growing: Path, serve: Serve, tmp_path: Path) -> None:
    (unit,) = growing.glob("units/*/*/*/*")
    linked, changed = sorted(unit.glob("*.png"))[:2]
    secret = tmp_path / "secret.png"
    secret.write_bytes(linked.read_bytes())
    linked.unlink()
    linked.symlink_to(secret)
    changed.write_bytes(b"\x89PNG changed")
    outside = tmp_path / unit.name
    unit.rename(outside)
    server = serve(growing)
    base = f"/growing/run/{unit.relative_to(growing / 'units').as_posix()}"
    unit.symlink_to(outside)
    assert ask(server, f"{base}/{changed.name}")[0] == 404
    unit.unlink()
    outside.rename(unit)
    assert [ask(server, f"{base}/{file.name}")[0] for file in (linked, changed)] == [404, 404]
    assert ask(server, f"{base}/{sorted(unit.glob('*.png'))[2].name}")[0] == 200


def test_a_folder_of_runs_is_a_list(growing: Path, serve: Serve) -> None:
    half(growing.parent / "others" / "second")
    server = serve(growing.parent)
    assert server.address.endswith(f":{server.server_address[1]}/")
    assert ask(server, "/")[0] == 200
    runs = state(server, "/state.js")["runs"]
    assert isinstance(runs, list)
    assert [(run["name"], run["address"], run["done"]) for run in runs] == [
        ("growing", "growing/", 8),
        ("others/second", "others%2Fsecond/", 8),
    ]
    assert ask(server, "/others%2Fsecond/")[0] == 200
    assert state(server, "/others%2Fsecond/state.js")["alone"] is False
    assert ask(server, "/others/second/")[0] == 404
    half(growing.parent / "third")
    third = state(server, "/state.js")["runs"]
    assert isinstance(third, list)
    assert len(third) == 3


def test_a_run_that_cannot_be_read_has_its_reason_in_the_list(growing: Path, serve: Serve) -> None:
    (growing / "spec.json").write_text("{")
    server = serve(growing.parent)
    runs = state(server, "/state.js")["runs"]
    assert isinstance(runs, list)
    assert ["spec.json" in run["problem"] for run in runs] == [True]
    status, content, _ = ask(server, "/growing/")
    assert (status, b"spec.json" in content) == (500, True)


def test_a_port_that_is_taken_is_said(growing: Path, serve: Serve, tmp_path: Path) -> None:
    port = serve(growing).server_address[1]
    with pytest.raises(InputError, match=f"--port {port}: cannot be used"):
        PageServer(Library(growing, tmp_path), port)
