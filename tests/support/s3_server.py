"""An S3 server on this machine: that of moto, in a process of its own, which keeps all objects in memory."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest

BUCKET = "bucket"


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """Run a server with one empty bucket; yields the environment variables by which clients find it."""
    pytest.importorskip("moto.server", reason="moto[server] is not installed")
    pytest.importorskip("s3fs", reason="gill-bench[s3] is not installed")
    import fsspec

    with tempfile.TemporaryFile() as log:  # not a pipe: it would fill with a line a request, and stop the server
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], stdout=log, stderr=log
        )
        try:
            address = _address(process, log)
            with pytest.MonkeyPatch.context() as patch:
                environment = {
                    "AWS_ENDPOINT_URL": address,
                    "AWS_ACCESS_KEY_ID": "test",
                    "AWS_SECRET_ACCESS_KEY": "test",
                    "AWS_DEFAULT_REGION": "us-east-1",
                }
                for name, value in environment.items():
                    patch.setenv(name, value)
                fsspec.filesystem("s3").clear_instance_cache()
                fsspec.filesystem("s3").mkdir(BUCKET)
                yield environment
                fsspec.filesystem("s3").clear_instance_cache()
        finally:
            process.kill()
            process.wait()


@contextmanager
def counted_requests(patch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count the requests of S3 clients by the name of the operation."""
    import s3fs

    counts: Counter[str] = Counter()
    call = s3fs.S3FileSystem._call_s3

    async def counting(self: object, method: str, *arguments: object, **options: object) -> object:
        counts[method] += 1
        return await call(self, method, *arguments, **options)

    with patch.context() as counted:
        counted.setattr(s3fs.S3FileSystem, "_call_s3", counting)
        yield counts


def _address(process: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    """The address that the server prints when ready, within five minutes; it chooses a free port itself."""
    for _ in range(3000):
        log.seek(0)
        said = log.read().decode(errors="replace")
        if match := re.search(r"Running on (http://127\.0\.0\.1:\d+)", said):
            return match[1]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"the server did not start: {said}")
