"""A run as a file: `experiment.toml` says what the command line of `gill-bench run` can say, in the same words.

    tasks = ["vist"]
    models = ["gill", "stable-diffusion"]
    seeds = 5
    data = "../data"              # relative paths are relative to the file

    [settings.gill]
    guidance_scale = 3.0

Several commands are tables `[[run]]`, done in their order; keys above the tables hold for each of them. Every run
directory has such a file (`experiment_text.stored_experiment`), so that the run can be repeated.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gill_bench.cards.find import read_toml
from gill_bench.cards.limits import MOST
from gill_bench.cards.user_files import names_a_class
from gill_bench.errors import InputError, did_you_mean
from gill_bench.planning.request import settings_as_texts
from gill_bench.storage.files import folder_of
from gill_bench.storage.paths import PROTOCOL, is_remote
from gill_bench.storage.reading import read_text, shorten
from gill_bench.weights.find import MINI

RUNS = "run"
_CARD_KEYS = {"schema", "name", "title", "capability", "metrics"}
_SCREEN = ("dry-run", "pilot", "json", "save", "quiet", "verbose", "debug")
"""Options that say what one command prints, and not what is run."""


class ExperimentKey(NamedTuple):
    """A key of the file.

    Attributes:
        option: The attribute of `RunRequest`.
        read: Turns the value into that of the request; a ValueError says what was expected.
        is_path: Tells whether a text is a path, which is relative to the file.
    """

    option: str
    read: Callable[[str, Any], Any]
    is_path: Callable[[str], bool] = lambda text: False


def _text(word: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text in quotation marks")
    return value


def _texts(word: str, value: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise ValueError('a list of texts, such as ["a", "b"]')
    return tuple(texts)


def _names(word: str, value: Any) -> tuple[str, ...]:
    """Names, as the command line has them: in a list, or in one text between commas."""
    names = [name.strip() for text in _texts(word, value) for name in text.split(",") if name.strip()]
    if not names:
        raise ValueError('a list of texts, such as ["a", "b"]')
    return tuple(dict.fromkeys(names)) if word not in ("device", "devices") else tuple(names)


def _count(word: str, value: Any) -> int:
    name, least = word.replace("-", "_"), 0 if word == "max-failures" else 1
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST[name]:
        raise ValueError(f"a whole number from {least} to {MOST[name]}")
    return value


def _seeds(word: str, value: Any) -> int | tuple[int, ...]:
    """The number of seeds; or the seeds themselves, as a call from Python can name them."""
    if not isinstance(value, list):
        return _count(word, value)
    whole = [seed for seed in value if isinstance(seed, int) and not isinstance(seed, bool)]
    if not value or len(set(whole)) < len(value) or not all(0 <= seed <= MOST["seeds"] for seed in whole):
        raise ValueError(f"the number of seeds, or a list of different seeds from 0 to {MOST['seeds']}")
    return tuple(value)


def _flag(word: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return not value if word == "no-locks" else value


def _shard(word: str, value: Any) -> tuple[int, int]:
    number, _, parts = value.partition("/") if isinstance(value, str) else ("", "", "")
    if not (number.isdecimal() and parts.isdecimal() and 1 <= int(number) <= int(parts) <= MOST["parts"]):
        raise ValueError('PART/PARTS, such as "3/16"')
    return int(number), int(parts)


def _settings(word: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, dict):
        raise ValueError("a table, such as [settings.gill] with guidance_scale = 3.0")
    for card, table in value.items():
        if not isinstance(table, dict) and "." not in card:
            raise ValueError(f"a table [settings.CARD], but {card!r} is {table!r}")
        for key, single in table.items() if isinstance(table, dict) else ():
            if not isinstance(single, str | bool | int | float):
                raise ValueError(f"a text, number, true or false as {card}.{key}, which is {shorten(repr(single))}")
    return settings_as_texts(value)


def _card_path(text: str) -> bool:
    return text.endswith(".toml") or names_a_class(text)


def _folder(text: str) -> bool:
    return text != MINI


KEYS = {
    "tasks": ExperimentKey("tasks", _texts, _card_path),
    "models": ExperimentKey("models", _names, _card_path),
    "contexts": ExperimentKey("contexts", _names),
    "seeds": ExperimentKey("seeds", _seeds),
    "limit": ExperimentKey("limit", _count),
    "data": ExperimentKey("data", _text, _folder),
    "split": ExperimentKey("split", _text),
    "weights": ExperimentKey("weights", _text, _folder),
    "metric-weights": ExperimentKey("metric_weights", _text, _folder),
    "out": ExperimentKey("out", _text, lambda text: True),
    "cards": ExperimentKey("card_folders", _texts, lambda text: True),
    "device": ExperimentKey("device", _names),
    "devices": ExperimentKey("device", _names),
    "batch-size": ExperimentKey("batch_size", _count),
    "threads": ExperimentKey("threads", _count),
    "workers": ExperimentKey("workers", _count),
    "engine": ExperimentKey("engine", _text),
    "address": ExperimentKey("address", _text),
    "shard": ExperimentKey("shard", _shard),
    "no-locks": ExperimentKey("locks", _flag),
    "max-failures": ExperimentKey("max_failures", _count),
    "probe": ExperimentKey("probe", _flag),
    "set": ExperimentKey("settings", _texts),
    "settings": ExperimentKey("settings", _settings),
}
"""The keys of the file, by the words of the command line. A key may have underscores in place of hyphens."""
WORDS = {key.option: word for word, key in reversed(KEYS.items()) if word not in ("devices", "settings")}
"""The word of the command line for each option of a request."""


def experiment_among(names: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The experiment's file among the arguments of `run`, or None, and the other arguments, which are tasks.

    Raises:
        InputError: There are several such files, or a file cannot be read or is not TOML.
    """
    files = [name for name in names if name.endswith(".toml") and _is_experiment(read_toml(folder_of(name)))]
    if len(files) > 1:
        raise InputError(f"{files[0]} and {files[1]}: each is a run of its own; give one of them")
    return folder_of(files[0]) if files else None, [name for name in names if name not in files]


def _is_experiment(content: Mapping[str, Any]) -> bool:
    """Whether a TOML file describes runs; a card of a task or model has keys that no run has."""
    return bool({"tasks", RUNS} & content.keys()) or not _CARD_KEYS & content.keys()


def read_experiment(file: Path) -> list[dict[str, Any]]:
    """The options of each run that a file describes, by the attributes of `RunRequest`; paths are as seen from here.

    Raises:
        InputError: A key is unknown, or has a value of another type; the message has file, line and key.
    """
    content = read_toml(file)
    tables = content.pop(RUNS, [{}])
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise InputError(f"{_where(file, (RUNS,))}: {RUNS}: expected tables [[{RUNS}]]")
    shared = _options(file, content, ())
    several = [_options(file, table, (RUNS, number)) for number, table in enumerate(tables)]
    merged = []
    for options in several:
        settings = [*_overridden_settings(shared.get("settings", ()), options.get("settings", ()))]
        merged.append({**shared, **options, **({"settings": tuple(settings)} if settings else {})})
        if not merged[-1].get("tasks"):
            raise InputError(f'{file}: names no tasks; expected a line such as tasks = ["vist"]')
    return merged


def _options(file: Path, table: Mapping[str, Any], above: tuple[str | int, ...]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in table.items():
        word = name.replace("_", "-")
        where = _where(file, (*above, name))
        if word in _SCREEN:
            raise InputError(f"{where}: {name}: is an option of one command, and not of a run: give it as --{word}")
        if word not in KEYS:
            raise InputError(f"{where}: unknown key {name!r}; {did_you_mean(name, KEYS)}")
        key = KEYS[word]
        try:
            read = key.read(word, value)
        except ValueError as error:
            raise InputError(f"{where}: {name} = {shorten(repr(value))}: expected {error}") from error
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        if key.option in options and key.option != "settings":
            raise InputError(f"{where}: {name}: given twice, in other words above; leave one out")
        if isinstance(read, str | tuple):
            paths = [_from_here(file, text) if key.is_path(text) else text for text in _as_tuple(read)]
            read = paths[0] if isinstance(read, str) else tuple(paths)
        options[key.option] = (*options.get(key.option, ()), *read) if key.option == "settings" else read
    return options


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _overridden_settings(settings: Sequence[str], others: Sequence[str]) -> list[str]:
    """Settings as texts `CARD.KEY=VALUE`, where others win over those of the same card and key."""
    named = {text.partition("=")[0] for text in others}
    return [*(text for text in settings if text.partition("=")[0] not in named), *others]


class Overridden(NamedTuple):
    """The options of a run of a file, under those of the command line.

    Attributes:
        options: The options, by the attributes of `RunRequest`.
        sentences: What is not as the file, or an environment variable, has it.
    """

    options: dict[str, Any]
    sentences: list[str]


def overriding(
    file: Path, described: Mapping[str, Any], variables: Mapping[str, Any], given: Mapping[str, Any]
) -> Overridden:
    """Lay the options of the command line over those of a run of a file.

    Args:
        file: The file.
        described: The options that the file has for the run.
        variables: The options that environment variables have, which count where the file says nothing.
        given: The options that the command line has.
    """
    options, sentences = {**variables, **described, **given}, []
    for option in sorted(described.keys() & variables.keys() - given.keys()):
        old = shown(option, described[option])
        sentences.append(f"{file}: {WORDS[option]} = {old}: overrides the environment's")
    for option in sorted(described.keys() & given.keys()):
        if option == "settings":
            options[option] = tuple(_overridden_settings(described[option], given[option]))
            changed = set(described[option]) - set(options[option])
            sentences += [f"{file}: {text}: overridden by --set" for text in sorted(changed)]
        elif described[option] != given[option]:
            old, new = (shown(option, values[option]) for values in (described, given))
            word = "the tasks" if option == "tasks" else f"--{WORDS[option]}"
            sentences.append(f"{file}: {WORDS[option]} = {old}: overridden by {word} {new}")
    return Overridden(options, sentences)


def shown(option: str, value: Any) -> str:
    """The value of an option as the file has it."""
    if option == "shard":
        return "{}/{}".format(*value)
    if option == "locks":
        return str(not value).lower()
    texts = [str(item) for item in _as_tuple(value)]
    return ",".join(texts)


def _from_here(file: Path, text: str) -> str:
    """A path of the file as seen from the current folder."""
    if PROTOCOL.match(text) or Path(text).is_absolute():
        return text
    if is_remote(file):
        return text
    path = os.path.normpath(file.parent / text)
    return f"./{path}" if path == MINI else path


def _where(file: Path, path: tuple[str | int, ...]) -> str:
    """File and line of a key, for errors: the key begins after the longest beginning of the file that lacks it."""
    lines = read_text(file).splitlines()
    begins = 0
    for count in range(1, len(lines) + 1):
        try:
            content: Any = tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:  # in the middle of a list or text
            continue
        try:
            for part in path:
                content = content[part]
        except (LookupError, TypeError):
            begins = count
            continue
        return f"{file}, line {begins + 1}"
    return str(file)
