"""A user's own model without a card: a class in a Python file, or in an installed package.

`./my_model.py:MyModel` names a class. The methods of the class (`gill_bench.interfaces`) determine its capabilities.
Its attribute `inputs` says what it reads (default: text and pictures; a dict if that differs by capability or method).
The arguments of its constructor that have a bool, number or text as default are its settings. The class is constructed
with these by name, and with `device` if it has an argument of this name. Its attribute `execution_only` names those of
its settings that change nothing that comes out (`gill_bench.models.execution_only`).

A card may name a class too. The constructor then gets the card's weights: all of them as `weights`, a dict of paths by
component, or each component as an argument of its own name.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from gill_bench.cards.schema import SCHEMA_VERSION, ModelCard
from gill_bench.cards.user_files import dashed, explain_exception, run_file
from gill_bench.cards.user_files import names_a_class as names_a_class
from gill_bench.errors import GillBenchError, InputError, choose_from_all, did_you_mean
from gill_bench.interfaces import PROTOCOLS, Capability
from gill_bench.models.execution_only import EXECUTION_ONLY

GROUP = "gill_bench.models"
DEVICE = "device"
WEIGHTS = "weights"
_EVERYTHING = ("text", "image")


class ClassAdapter:
    """The adapter of a class, with `Settings`, `check` and `load` like an adapter module.

    Args:
        kind: The class.
        where: Name of the class in errors, as the user wrote it.
        components: Names of the components in the class's card; arguments of these names are no settings.

    Raises:
        InputError: An argument of the constructor has no default, no argument takes the weights, or `execution_only`
            names something else than settings.
    """

    def __init__(self, kind: type, where: str, components: Collection[str] = ()) -> None:
        self._kind, self._where = kind, where
        self._paths = _arguments_for_weights(kind, where, components)
        self.defaults = dict(_settings_of(kind, where, self._paths))
        self.Settings = schema_of(kind, self.defaults, execution_only_of(kind, where, self.defaults))

    def check(self, weights: Mapping[str, Path], settings: BaseModel) -> None:
        """Accept everything: errors show when the class is constructed."""

    def load(self, weights: Mapping[str, Path], settings: BaseModel, device: str) -> object:
        """Construct the class.

        Raises:
            GillBenchError: The constructor raised an exception; names the line.
        """
        arguments: dict[str, Any] = {name: getattr(settings, _field(name)) for name in self.defaults}
        if DEVICE in inspect.signature(self._kind).parameters:
            arguments[DEVICE] = device
        arguments |= {name: dict(weights) if name == WEIGHTS else weights[name] for name in self._paths}
        try:
            return self._kind(**arguments)
        except GillBenchError:
            raise
        except Exception as error:
            raise GillBenchError(
                f"{self._where}: could not be constructed: {explain_exception(error, file_of(self._kind))}"
            ) from error


def card_of_class(name: str) -> ModelCard:
    """Make a card from a class in a file.

    Args:
        name: `file.py:Class`. The file is run: whoever names it trusts it.

    Raises:
        InputError: The file or class does not exist, the file cannot be run, or the class is no model; says what was
            expected.
    """
    path, _, class_name = name.partition(":")
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{name}: {path}: no such file")
    module = run_file(file)
    classes = {
        key: kind for key, kind in vars(module).items() if inspect.isclass(kind) and kind.__module__ == module.__name__
    }
    if not class_name:
        hint = did_you_mean("", classes) if classes else "it has none"
        raise InputError(f"{name}: expected a class too, as in {path}:MyModel; {hint}")
    kind = getattr(module, class_name, None)
    if not inspect.isclass(kind):
        what = "no class" if kind is None else f"{type(kind).__name__}, not a class,"
        raise InputError(f"{name}: {what} named {class_name!r} in {path}; {did_you_mean(class_name, classes)}")
    return card_of(kind, dashed(class_name, name), f"{file.name}:{class_name}", str(file.resolve().parent), name)


def card_of_entry_point(name: str) -> ModelCard | None:
    """Make a card from a class that an installed package offers in the group `gill_bench.models`; else None.

    Raises:
        InputError: The class is no model, or the entry point cannot be imported.
    """
    point = next((point for point in entry_points(group=GROUP) if point.name == name), None)
    if point is None:
        return None
    try:
        kind = point.load()
    except Exception as error:
        raise InputError(f"{name}: {point.value} cannot be imported: {explain_exception(error, None)}") from error
    return card_of(kind, name, name, "", name) if inspect.isclass(kind) and not is_adapter(kind) else None


def is_adapter(module: object) -> bool:
    """Whether a module, or an object like one, is an adapter: whether it has `Settings`, `check` and `load`."""
    return all(hasattr(module, part) for part in ("Settings", "check", "load"))


def entry_point_names() -> list[str]:
    """The names of all entry points in the group `gill_bench.models`."""
    return [point.name for point in entry_points(group=GROUP)]


def card_of(
    kind: type,
    name: str,
    adapter: str,
    home: str,
    where: str,
    settings: Mapping[str, bool | int | float | str] | None = None,
) -> ModelCard:
    """Make a card from a class.

    Args:
        kind: The class.
        name: The model's name in rows.
        adapter: The name of the adapter, as cards have it.
        home: The folder that the adapter's file is in; "" if it has none.
        where: The beginning of errors.
        settings: The settings; None for the defaults of the constructor.

    Raises:
        InputError: The class is no model.
    """
    capabilities = capabilities_of(kind, where)
    try:
        return ModelCard(
            schema=SCHEMA_VERSION,
            name=name,
            title=kind.__name__,
            adapter=adapter,
            capabilities=capabilities,
            inputs=_inputs_of(kind, capabilities, where),
            settings=dict(ClassAdapter(kind, where).defaults if settings is None else settings),
            home=home,
        )
    except ValidationError as error:
        first = error.errors()[0]
        key = f"{first['loc'][0]} = {first['input']!r}: " if first["loc"] else ""
        raise InputError(f"{where}: {key}{first['msg'].lower()}") from error


def capabilities_of(kind: type, where: str) -> tuple[Capability, ...]:
    """The capabilities of a class; a class that has only some methods of a capability is an error."""
    capabilities: list[Capability] = []
    all_methods = {name: _methods(protocol) for name, protocol in PROTOCOLS.items()}
    for name, methods in all_methods.items():
        present = [method for method in methods if callable(getattr(kind, method, None))]
        if present and len(present) < len(methods):
            lacking = next(method for method in methods if method not in present)
            raise InputError(f"{where}: has {present[0]!r}, but {_a(name)} needs {lacking!r} too")
        if present:
            capabilities.append(name)
    if not capabilities:
        expected = "; ".join(f"{name}: {', '.join(methods)}" for name, methods in all_methods.items())
        raise InputError(f"{where}: has none of the methods of a model; expected those of one or more of\n{expected}")
    return tuple(capabilities)


def _inputs_of(kind: type, capabilities: Sequence[Capability], where: str) -> Any:
    """The `inputs` of a class: as the class has them, or by capability if the class has a dict.

    The keys of the dict are capabilities or methods. Capabilities that it leaves out read text and pictures, and so
    does a class without `inputs`.
    """
    given = getattr(kind, "inputs", _EVERYTHING)
    if not isinstance(given, Mapping):
        return given
    by_capability: dict[str, Any] = dict.fromkeys(capabilities, _EVERYTHING)
    names: dict[str, Capability] = {name: name for name in capabilities}
    for capability in capabilities:
        # Only methods that take prompts count: the pictures that `embed_images` is given are no prompt.
        protocol = PROTOCOLS[capability]
        for method in _methods(protocol):
            if "prompts" in inspect.signature(getattr(protocol, method)).parameters:
                names[method] = capability
    named_by: dict[str, str] = {}
    for name, reads in given.items():
        if name not in names:
            raise InputError(f"{where}: inputs[{name!r}]: {choose_from_all(str(name), names)}")
        target = names[name]
        if target in named_by and set(by_capability[target]) != set(reads):
            raise InputError(
                f"{where}: inputs[{named_by[target]!r}] and inputs[{name!r}] differ, but both are {_a(target)}"
            )
        by_capability[target], named_by[target] = reads, name
    return by_capability


def _methods(protocol: type) -> list[str]:
    return [name for name, value in vars(protocol).items() if inspect.isfunction(value) and not name.startswith("_")]


def _arguments_for_weights(kind: type, where: str, components: Collection[str]) -> tuple[str, ...]:
    """The constructor's arguments that take a card's weights: `weights`, or an argument for each component."""
    if not components:
        return ()
    named = {
        name
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    if WEIGHTS in named:
        return (WEIGHTS,)
    untaken = [name for name in components if name not in named - {DEVICE}]
    if untaken:
        raise InputError(
            f"{where}: the card has [weights.{untaken[0]}], which no argument of the constructor takes; give the"
            f" constructor an argument {WEIGHTS!r}, a dict of paths by name, or one argument per component"
            f" ({', '.join(components)}), or take the weights out of the card"
        )
    return tuple(components)


def _settings_of(kind: type, where: str, paths: Collection[str]) -> Iterator[tuple[str, bool | int | float | str]]:
    for name, parameter in inspect.signature(kind).parameters.items():
        if name == DEVICE or name in paths or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.default is parameter.empty or parameter.kind is parameter.POSITIONAL_ONLY:
            raise InputError(
                f"{where}: its constructor needs {name!r}; give it a default, by which it becomes a setting, or write"
                f" a card: weights come from its [weights.{'NAME' if name == WEIGHTS else name}] (see CONTRIBUTING.md)"
            )
        if isinstance(parameter.default, bool | int | float | str):
            yield name, parameter.default


def execution_only_of(kind: type, where: str, settings: Collection[str]) -> Collection[str]:
    """The settings that a class names in `execution_only`."""
    names = getattr(kind, "execution_only", ())
    if isinstance(names, str) or not isinstance(names, Collection):
        raise InputError(f'{where}: execution_only = {names!r}: expected names of settings, such as ("at_once", "url")')
    for name in names:
        if name not in settings:
            raise InputError(f"{where}: execution_only: {name!r} is no setting; {did_you_mean(str(name), settings)}")
    return names


def schema_of(kind: type, defaults: Mapping[str, object], execution_only: Collection[str] = ()) -> type[BaseModel]:
    """The schema of the settings, with the constructor's annotations as types, or else the types of the defaults."""
    try:
        hints = get_type_hints(kind.__init__, include_extras=True)  # type: ignore[misc]
    except (
        NameError,
        AttributeError,
        TypeError,
    ):  # annotations may name types that are imported for type checkers alone
        hints = {}
    types: dict[str, Any] = {name: hints.get(name, type(value)) for name, value in defaults.items()}
    types |= {name: Annotated[types[name], EXECUTION_ONLY] for name in execution_only}
    # The fields have a prefix, so that a setting may have the name of a method of pydantic.
    fields = {_field(name): (types[name], Field(value, alias=name)) for name, value in defaults.items()}
    config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
    return create_model("Settings", __config__=config, **fields)  # type: ignore[no-any-return, call-overload]


def _field(name: str) -> str:
    return f"setting_{name}"


def row_name(class_name: str) -> str:
    """The model name in rows of a class of this name; a name that no class can have is returned unchanged."""
    return dashed(class_name, class_name) if class_name.isidentifier() and class_name.isascii() else class_name


def file_of(kind: type) -> Path | None:
    """The file that defines a class; None for a class without a file."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return Path(file).resolve() if file else None


def _a(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"
