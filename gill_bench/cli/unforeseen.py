"""Messages for errors that no command foresaw: wrong options, errors of the system, memory, and our own defects."""

from __future__ import annotations

from gill_bench.errors import memory_ran_out


def explain(error: Exception) -> tuple[str, int]:
    """Explain an error that is no `GillBenchError`.

    Returns:
        A message of one to three lines, and the exit code.
    """
    message, code = getattr(error, "format_message", None), getattr(error, "exit_code", None)
    if callable(message) and isinstance(code, int):  # click's own exceptions, which typer vendors in some versions
        context = getattr(error, "ctx", None)
        program = context.command_path if context is not None else "gill-bench"
        return f"{message()}\nsee: {program} --help", code
    if no_memory := memory_ran_out(error):
        return no_memory, 1
    if isinstance(error, UnicodeEncodeError) and any("\ud800" <= character <= "\udfff" for character in error.object):
        name = error.object[max(0, error.start - 60) : error.end + 40].encode("ascii", "backslashreplace").decode()
        return f"the name of a file or folder is not UTF-8: {name}\nrename it, and run the same command again", 2
    reason = str(error).splitlines()[0] if str(error) else ""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return (
            f"{where}{error.strerror or reason}\n"
            "nothing that was committed is lost: put it right and run the same command again"
        ), 1
    return (
        f"unexpected {type(error).__name__}: {reason}\n"
        "this is a defect of gill-bench: run again with --debug and report what it prints"
    ), 1
