"""METEOR 1.5 (Denkowski and Lavie 2014): the jar of pycocoevalcap 1.2, with its options, over its line protocol.

The jar takes five seconds to start, so one process serves all calls. pycocoevalcap's own driver is not used: it waits
for ever on a line break in a caption, fails on decimal commas, and reads "|||" inside a reference as the border
between two references.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import IO

from gill_bench.errors import GillBenchError
from gill_bench.metrics.functional.captions.java import LOCALE, jar, require_java
from gill_bench.metrics.functional.captions.tokenizer import one_line

_SECONDS_TO_ANSWER = 300.0  # the process starts in 5 seconds, on a crowded machine in 60
_SECONDS_TO_EXIT = 5.0  # between the end of the answers and the end of the process
_BORDER = "|||"


class Meteor:
    """A METEOR process. It starts at the first use; `close`, the context manager or the end of Python ends it.

    Calls from several threads take turns. A forked child process needs a `Meteor` of its own.
    """

    def __init__(self, seconds_to_answer: float = _SECONDS_TO_ANSWER) -> None:
        self._seconds = seconds_to_answer
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def start(self) -> None:
        """Start the process, unless it runs already, without waiting for it."""
        with self._lock:
            self._start()

    def score(self, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, list[float]]:
        """The score of the whole set, which is not a mean over hypotheses, and the score of each hypothesis, 0 to 1.

        Raises:
            InputError: Java or the jar is missing.
            GillBenchError: The process has ended or does not answer. The next call starts another process.
        """
        scores = [
            " ||| ".join(("SCORE", *map(_clean, several), _clean(hypothesis)))
            for hypothesis, several in zip(hypotheses, references, strict=True)
        ]
        with self._lock:
            self._start()
            try:
                statistics = self._ask(scores, len(scores))
                values = self._ask([" ||| ".join(("EVAL", *statistics))], len(scores) + 1)
                try:
                    *each, whole = map(float, values)
                except ValueError as error:
                    raise GillBenchError(f"METEOR answered {str(error)!r} instead of a score") from error
            except BaseException:
                # The process ends even after an interrupt: late answers would be read as answers to the next call.
                self._end()
                raise
        return whole, each

    def close(self) -> None:
        """End the process if it is running."""
        if self._owner == os.getpid():
            with self._lock:
                self._end()

    def __enter__(self) -> Meteor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        if self._process is not None:
            return
        archive = jar("pycocoevalcap.meteor.meteor", "meteor-1.5.jar")
        command = [require_java(), *LOCALE, "-Xmx2G", "-jar", str(archive)]
        # Errors go to a file and not to a pipe, because a full pipe that nobody reads would stop the process.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(  # noqa: S603 - the user's own Java
            [*command, "-", "-", "-stdio", "-l", "en", "-norm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._owner = os.getpid()
        atexit.register(self.close)
        assert self._process.stdout is not None
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(self._process.stdout, self._answers), daemon=True).start()

    def _ask(self, lines: Sequence[str], answers: int) -> list[str]:
        assert self._process is not None
        assert self._process.stdin is not None
        text = "".join(f"{line}\n" for line in lines).encode()
        # Another thread than the reader writes, because both pipes can be full at the same time.
        threading.Thread(target=_write, args=(self._process.stdin, text), daemon=True).start()
        return [self._answer() for _ in range(answers)]

    def _answer(self) -> str:
        try:
            line = self._answers.get(timeout=self._seconds)
        except queue.Empty:
            raise GillBenchError(
                f"METEOR has not answered for {self._seconds:g} s, and was stopped; try again"
            ) from None
        if line is None:
            raise GillBenchError(self._death())
        answer = line.decode().strip()
        if not answer[:1].isdigit():
            raise GillBenchError(f"METEOR answered {answer[:200]!r} instead of numbers; please report this")
        return answer

    def _death(self) -> str:
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS_TO_EXIT)
        code = self._process.returncode
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()[-500:]
        return (
            f"METEOR's Java process has ended, exit code {code}{f': {said}' if said else ''}; try again, with 2 GB free"
        )

    def _end(self) -> None:
        if self._process is None:
            return
        # The process is killed first, so that threads that still write to it or read from it end by themselves.
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):  # closing flushes the buffer to a process that no longer reads
            if self._process.stdin is not None:
                self._process.stdin.close()
        self._errors.close()
        self._process = None
        atexit.unregister(self.close)


_of_process: dict[int, Meteor] = {}


def shared_meteor() -> Meteor:
    """The `Meteor` that this Python process shares; a forked child process gets another one."""
    return _of_process.setdefault(os.getpid(), Meteor())


def _clean(tokens: str) -> str:
    # pycocoevalcap cleans hypotheses like this; here references are cleaned too.
    return one_line(tokens).replace(_BORDER, "").replace("  ", " ")


def _write(pipe: IO[bytes], text: bytes) -> None:
    # If the process has ended, the thread that waits for answers reports it.
    with contextlib.suppress(OSError, ValueError):
        pipe.write(text)
        pipe.flush()


def _read(pipe: IO[bytes], answers: queue.SimpleQueue[bytes | None]) -> None:
    with pipe:
        for line in pipe:
            answers.put(line)
    answers.put(None)
