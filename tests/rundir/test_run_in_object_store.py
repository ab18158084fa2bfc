"""Runs in an object store, a real S3 server on this machine: the same bytes as on a disk, whatever happens."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gill_bench.analysis.compare import compare
from gill_bench.analysis.golden import check, golden_of
from gill_bench.analysis.side import Side
from gill_bench.cli import main
from gill_bench.errors import GillBenchError, InputError
from gill_bench.evaluate import execute, score
from gill_bench.planning.plan import make_plan
from gill_bench.rundir.folders import is_done
from gill_bench.rundir.load import read_results
from gill_bench.rundir.load_units import read_unit
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import Unit
from gill_bench.rundir.session import this_session
from gill_bench.rundir.verify import verify
from gill_bench.rundir.writer import Output, add_session, write_unit
from gill_bench.storage.cache import cache_folder
from gill_bench.storage.files import folder_of, local_copy, remove_folder
from tests.support.caches import cache_with_own
from tests.support.cli import run_command, start_command
from tests.support.runs import change_a_score, command_line, run, run_request, tree
from tests.support.s3_server import BUCKET, counted_requests, s3_server

pytestmark = [
    pytest.mark.allow_hosts(["127.0.0.1"]),
    # aiohttp's sessions live as long as the process.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

SMALL: dict[str, Any] = {"limit": 5, "seeds": 1, "contexts": ("1-caption", "5-captions")}
"""The stories, seeds and contexts of most runs here: two units of each context."""


@pytest.fixture(scope="module", autouse=True)
def _own_objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Copies of objects are damaged and removed here."""
    with cache_with_own("objects", tmp_path_factory.mktemp("cache") / "cache"):
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with s3_server() as environment:
        yield environment


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run on a disk."""
    out = tmp_path_factory.mktemp("local") / "run"
    run(out, **SMALL)
    return out


@pytest.fixture(scope="module")
def whole(server: dict[str, str]) -> Path:
    """The same run in a bucket, which tests must not change."""
    out = folder_of(f"s3://{BUCKET}/runs/whole")
    run(out, **SMALL)
    return out


@pytest.fixture
def out(server: dict[str, str], whole: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of `whole` that a test may change."""
    folder = folder_of(f"s3://{BUCKET}/runs/{request.node.name}")
    for file in whole.rglob("*"):
        (folder / file.relative_to(whole)).write_bytes(file.read_bytes())
    return folder


def outputs_of(out: Path) -> dict[str, bytes]:
    """The files of a run whose bytes are promised, but for spec.json, which says where the data is."""
    return {name: content for name, content in tree(out).items() if name != "spec.json"}


def first_file(out: Path, pattern: str) -> Path:
    return sorted(out.rglob(pattern))[0]


def test_a_run_in_a_store_has_the_same_bytes_as_on_a_disk(whole: Path, local: Path) -> None:
    assert outputs_of(whole) == outputs_of(local)
    assert len(outputs_of(whole)) > 12  # pictures, samples, scores, results
    for file in local.rglob("unit.json"):
        disk_unit, stored_unit = (json.loads((root / file.relative_to(local)).read_text()) for root in (local, whole))
        assert {**disk_unit, "made": None} == {**stored_unit, "made": None}


def test_results_and_comparisons_of_a_run_in_a_store_are_those_of_a_disk(whole: Path, local: Path) -> None:
    in_store, on_disk = RunReader.open(whole), RunReader.open(local)
    assert in_store.results == on_disk.results
    assert golden_of(in_store) == golden_of(on_disk)
    assert {verdict.state for verdict in check(in_store, golden_of(on_disk)["numbers"])} == {"ok"}
    for comparison in compare(Side.parse(str(whole)), Side.parse(f"{local}:noisy")):
        assert comparison.difference.mean == 0
        assert not comparison.changes
    assert asdict(verify(whole)) == asdict(verify(local))


def test_the_command_line_takes_urls(
    whole: Path, local: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number in brackets, which fsspec would take for a pattern."""

    def said(*words: str) -> str:
        code = main(list(words))
        captured = capfd.readouterr()
        assert code == 0, captured.err
        return captured.out

    url = f"s3://{BUCKET}/runs/[1]"
    run_it = [str(word) if word != "16" else "5" for word in command_line(tmp_path)][:-1]
    said(*run_it, url, "--contexts", ",".join(SMALL["contexts"]), "--seeds", str(SMALL["seeds"]))
    assert outputs_of(folder_of(url)) == outputs_of(local)
    golden = str(tmp_path / "golden.json")
    said("check", str(local), "--against", golden, "--update")
    for name, *options in (["score"], ["report"], ["check", "--against", golden], ["verify"]):
        assert said(name, url, *options, "--json") == said(name, str(local), *options, "--json")
    with_names = f"{url}:noisy", f"s3://{BUCKET}/runs/whole"
    compared = json.loads(said("compare", *with_names, "--json"))["comparisons"]
    assert {comparison["difference"]["mean"] for comparison in compared} == {0}
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    said("track", url, "--to", f"mlflow=file:{tmp_path / 'store'}", "--name", "one")
    [kept] = (tmp_path / "store").rglob("results.json")
    assert kept.read_bytes() == (folder_of(url) / "results.json").read_bytes()
    assert list((tmp_path / "store").rglob("*.png"))
    page = Path(said("report", url, f"--html={tmp_path / 'page'}").strip())
    assert "noisy" in page.read_text()


@pytest.mark.slow
def test_a_killed_run_in_a_store_resumes_to_the_same_bytes(server: dict[str, str], tmp_path: Path) -> None:
    killed, undisturbed = folder_of(f"s3://{BUCKET}/runs/killed"), tmp_path / "run"
    run(undisturbed, limit=16)
    process = start_command(*command_line(tmp_path)[:-1], str(killed), NOISY_STOP_AFTER="8")
    wait_for(process, killed)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (killed / "results.json").exists()
    done = len(list(killed.rglob("unit.json")))
    plan = make_plan(run_request(killed, limit=16))
    assert sum(len(cell.done) for cell in plan.cells) == done
    execute(plan)
    assert outputs_of(killed) == outputs_of(undisturbed)


def wait_for(process: subprocess.Popen[str], out: Path) -> None:
    """Wait until a unit is committed, at most five minutes."""
    for _ in range(3000):
        if next(iter(out.rglob("unit.json")), None) is not None:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    raise AssertionError("no unit after five minutes")


def test_a_connection_lost_before_the_commit_leaves_no_unit(
    server: dict[str, str], local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    out = folder_of(f"s3://{BUCKET}/runs/lost")
    call = s3fs.S3FileSystem._call_s3

    async def losing(self: Any, method: str, *arguments: Any, **options: Any) -> Any:
        if method == "put_object" and options["Key"].endswith("unit.json"):
            raise ConnectionResetError("Connection lost")
        return await call(self, method, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(s3fs.S3FileSystem, "_call_s3", losing)
        with pytest.raises(InputError, match=r"s3://bucket/runs/lost.*\n?.*the same command goes on"):
            run(out, **SMALL)
    assert list(out.rglob("*.png"))
    assert not list(out.rglob("unit.json"))
    run(out, **SMALL)
    assert outputs_of(out) == outputs_of(local)


def test_an_altered_picture_is_found_when_it_is_scored(out: Path) -> None:
    picture = first_file(out, "*.png")
    picture.write_bytes(first_file(out, "001-*.png").read_bytes())
    for file in out.rglob("score-*.json"):
        file.unlink()
    with pytest.raises(GillBenchError, match=f"{picture.name}: its content is not what the model made"):
        score(out, "cpu")
    assert any(row.n_failed for row in read_results(out / "results.json").rows)


def test_an_altered_score_is_named_by_its_url_and_made_again(
    out: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = first_file(out, "score-lpips-*.json")
    change_a_score(file)
    assert main(["verify", str(out)]) == 1
    said = capsys.readouterr()
    assert f"{file.relative_to(out)}: damaged" in said.out
    assert f"then: gill-bench score {out}" in said.out
    assert f"error: {out}: 1 of what is stored" in said.err
    score(out, "cpu")
    assert outputs_of(out) == outputs_of(local)


def test_damaged_units_are_found_and_made_again(out: Path, local: Path) -> None:
    altered, cut, unreadable, without = (file.parent for file in sorted(out.rglob("unit.json"))[:4])
    picture = first_file(altered, "*.png")
    picture.write_bytes(picture.read_bytes()[:-1])
    report = verify(out)
    assert [damaged.unit for damaged in report.damaged] == [altered.relative_to(out).as_posix()]
    assert report.damaged[0].withdrawn
    assert not is_done(altered)
    (cut / "samples.jsonl").write_bytes((cut / "samples.jsonl").read_bytes()[:-10])
    (unreadable / "unit.json").write_bytes(b"{")
    first_file(without, "*.png").unlink()
    run(out, **SMALL)
    assert outputs_of(out) == outputs_of(local)
    assert verify(out).whole


def test_a_unit_that_another_machine_committed_meanwhile_stays(out: Path) -> None:
    folder = first_file(out, "unit.json").parent
    unit = read_unit(folder)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    other = Output(values={"text": "made of the same, on another kind of machine"})
    write_unit(folder, unit, [[other] * len(unit.seeds)] * len(unit.examples), [{}] * len(unit.examples), {})
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_vectors_in_a_store_are_read_through_a_local_copy(server: dict[str, str]) -> None:
    folder = folder_of(f"s3://{BUCKET}/vectors")
    unit = Unit("t", "m", "c", "r", (("a", "0"), ("b", "1")), (0,))
    vectors = np.arange(6, dtype=np.float32).reshape(2, 3)
    write_unit(folder / unit.key, unit, [[Output(vector=row)] for row in vectors], [{}, {}], {})
    file = folder / unit.key / "vectors.npy"
    assert np.array_equal(np.load(local_copy(file), mmap_mode="r"), vectors)
    assert np.array_equal(np.load(file.open("rb")), vectors)
    remove_folder(folder)
    assert not folder.exists()
    with pytest.raises(FileNotFoundError):
        local_copy(file)


def test_planning_sends_few_requests_to_a_store(whole: Path) -> None:
    """A listing answers for a thousand files, and small files are fetched once for each machine."""
    units = len(list(whole.rglob("unit.json")))
    make_plan(run_request(whole, **SMALL))
    with pytest.MonkeyPatch.context() as patch, counted_requests(patch) as requests:
        plan = make_plan(run_request(whole, **SMALL))
    assert sum(len(cell.done) for cell in plan.cells) == units
    cells = len(plan.cells)
    assert requests == {"put_object": 1, "delete_object": 1, "list_objects_v2": cells}


def test_damaged_copies_on_this_machine_are_fetched_again(whole: Path) -> None:
    plan = make_plan(run_request(whole, **SMALL))
    copies = list((cache_folder() / "objects").glob("*/*.json*"))
    for copy in copies:
        copy.write_bytes(copy.read_bytes().replace(b"e", b"f"))
    again = make_plan(run_request(whole, **SMALL))
    assert [cell.done for cell in again.cells] == [cell.done for cell in plan.cells]
    assert not again.samples_pending
    assert copies
    shutil.rmtree(cache_folder() / "objects")  # which may be done at any time
    assert [cell.done for cell in make_plan(run_request(whole, **SMALL)).cells] == [cell.done for cell in plan.cells]


def test_generating_sends_few_requests_to_a_store(server: dict[str, str]) -> None:
    """A request for each file, and four for each unit besides: whether it is done, and whether its folder is empty."""
    folder = folder_of(f"s3://{BUCKET}/cell")
    unit = Unit("t", "m", "c", "r", tuple((str(n), "0") for n in range(4)), (0,))
    with pytest.MonkeyPatch.context() as patch, counted_requests(patch) as requests:
        assert not is_done(folder / unit.key)
        write_unit(folder / unit.key, unit, [[Output(values={"text": "a"})]] * 4, [{}] * 4, {})
    assert requests == {"head_object": 2, "list_objects_v2": 2, "put_object": 2}


def test_records_of_a_run_hold_no_secrets_and_no_folders_of_this_machine(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = json.loads((out / "spec.json").read_text())
    assert all(not Path(task["data"]).is_absolute() for task in spec["tasks"].values())
    monkeypatch.setattr(sys, "argv", ["gill-bench", "--out", str(out), "--data=https://me:pass@host/data?sig=abc#word"])
    add_session(out, this_session("cpu", 1))
    sessions = json.loads((out / "env.json").read_text())["sessions"]
    assert sessions[-1]["argv"] == ["--out", str(out), "--data=https://…host/data…"]


def test_a_missing_bucket_is_named_before_any_output_is_made(server: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"^s3://no-bucket/run: there is no bucket 'no-bucket'; make it first"):
        make_plan(run_request(folder_of("s3://no-bucket/run")))


def test_denied_access_to_a_store_is_an_error_that_says_so(
    server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    async def denying(self: Any, method: str, *arguments: Any, **options: Any) -> Any:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", denying)
    run = folder_of("s3://bucket/run")
    denied = r"access denied \(Access Denied\); check the credentials"
    with pytest.raises(InputError, match=rf"^s3://bucket/run: {denied}"):
        make_plan(run_request(run))
    for question in (Path.exists, Path.is_file, Path.is_dir, Path.read_bytes, Path.iterdir, Path.unlink):
        with pytest.raises(InputError, match=rf"^s3://bucket/run.*: {denied}"):
            getattr(run / "spec.json", question.__name__)()


@pytest.mark.parametrize(
    ("url", "changes", "message"),
    [
        (
            f"s3://{BUCKET}/run",
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"},
            "cannot reach the store",
        ),
        (
            f"s3://{BUCKET}/run",
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true", "HOME": "/no"},
            "no credentials; set AWS_ACCESS_KEY_ID",
        ),
    ],
)
def test_errors_of_a_store_say_what_is_wrong(
    server: dict[str, str], url: str, changes: dict[str, str], message: str
) -> None:
    ended = run_command("compare", url, url, **changes)
    assert ended.returncode == 2
    assert f"error: {url}" in ended.stderr
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.partition("error: ")[2].strip().splitlines()) <= 3


def test_a_control_context_has_its_folder_in_a_store_too(server: dict[str, str], tmp_path: Path) -> None:
    contexts = ("5-captions@shuffled",)
    in_store, on_disk = folder_of(f"s3://{BUCKET}/runs/control"), tmp_path / "run"
    assert run(in_store, contexts=contexts, limit=2).complete
    assert run(on_disk, contexts=contexts, limit=2).complete
    assert outputs_of(in_store) == outputs_of(on_disk)
    assert any("/5-captions@shuffled/" in name for name in outputs_of(in_store))
    assert not verify(in_store).damaged
