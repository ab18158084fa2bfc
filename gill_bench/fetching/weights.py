"""The weights of a model, or of a task's metrics: what of them is there and whole, and downloading the rest."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gill_bench.cards.find import Cards, Component, ModelCard, TaskCard
from gill_bench.errors import GillBenchError, InputError
from gill_bench.fetching.download import download, file_name_of
from gill_bench.fetching.sizes import check_room, readable_size
from gill_bench.fetching.web import Web
from gill_bench.metrics import BUILTIN as METRICS
from gill_bench.models import BUILTIN as ADAPTERS
from gill_bench.models import adapter, check_settings
from gill_bench.planning.metrics import metrics_of_card
from gill_bench.planning.selection import model_card
from gill_bench.progress import Bars, say
from gill_bench.storage.folder_lock import only_process
from gill_bench.storage.reading import refuse_pointer
from gill_bench.weights.checkpoints import listed_shards
from gill_bench.weights.find import Weights, find_weights
from gill_bench.weights.hub import download_repository, hub_files, without_downloads
from gill_bench.weights.tensor_files import check_weight_file

WORK = ".gill-bench-fetch"
"""The folder, in that of `--weights`, of downloads that are not finished."""
_TENSORS = (".safetensors", ".bin", ".pt", ".pth", ".tar", ".ckpt")


@dataclass(frozen=True)
class WeightFile:
    """A file of a component: its name in the component's folder, its size in bytes, and a problem, or ""."""

    name: str
    size: int
    problem: str = ""


@dataclass(frozen=True)
class ComponentCheck:
    """One component of weights, as it is.

    Attributes:
        role: The name of the component in the card, such as "llm"; of a metric's network, the metric's name.
        component: The component.
        path: Its folder or file; None if it is nowhere.
        files: The files that a loader may read, and those that are missing, which have a problem.
        problem: The reason why the component is nowhere, or "".
        whole: Whether a user's own code reads the weights, so that every file counts.
    """

    role: str
    component: Component
    path: Path | None
    files: tuple[WeightFile, ...] = ()
    problem: str = ""
    whole: bool = False

    @property
    def state(self) -> str:
        """One of "complete", "damaged" (a file is missing or not whole) and "missing"."""
        if self.path is None:
            return "missing"
        return "damaged" if any(file.problem for file in self.files) else "complete"

    @property
    def source(self) -> str:
        """Where the weights come from: the hub id with its revision, or the address for people."""
        if self.component.id:
            return f"{self.component.id}{f'@{self.component.revision}' if self.component.revision else ''} on the hub"
        return self.component.url or "unknown"

    @property
    def way(self) -> str:
        """How the component is downloaded: "hub", "files", or "by hand" if only a person can."""
        return "hub" if self.component.id else "files" if self.component.fetch else "by hand"


@dataclass(frozen=True)
class WeightsCheck:
    """The weights of a model, or of a task's metrics, as they are.

    Attributes:
        name: The name of the card.
        components: Its components.
        problem: The reason why the adapter, or a metric, refuses the files, which are there; "" if it does not.
    """

    name: str
    components: tuple[ComponentCheck, ...]
    problem: str = ""

    @property
    def complete(self) -> bool:
        """Whether everything is there and whole, and the adapter takes it."""
        return not self.problem and all(component.state == "complete" for component in self.components)

    def as_json(self) -> dict[str, Any]:
        """The object that `gill-bench weights check --json` prints."""
        return {
            "name": self.name,
            "complete": self.complete,
            "problem": self.problem,
            "components": [
                {
                    "role": check.role,
                    "state": check.state,
                    "path": str(check.path) if check.path else None,
                    "source": check.source,
                    "problem": check.problem,
                    "files": [{"name": f.name, "size": f.size, "problem": f.problem} for f in check.files],
                }
                for check in self.components
            ],
        }


@dataclass
class WeightsFetch:
    """The weights of one card, in the folder of `--weights`.

    Args:
        card: The card of a model, or of a task, whose metrics have weights.
        folder: The folder of `--weights`, which need not exist.
    """

    card: ModelCard | TaskCard
    folder: Path
    _components: tuple[tuple[str, Component, bool], ...] = field(init=False)

    def __post_init__(self) -> None:
        if isinstance(self.card, ModelCard):
            own = self.card.adapter not in ADAPTERS
            self._components = tuple((role, component, own) for role, component in self.card.weights.items())
        else:
            self._components = tuple(
                (spec.name, spec.weights, spec.name not in METRICS) for spec in self.card.metrics if spec.weights
            )

    def check(self) -> WeightsCheck:
        """Check every file as far as its format shows, then all by the adapter or metric; nothing is loaded."""
        checks = tuple(self._check(*entry) for entry in self._components)
        whole = all(check.state == "complete" for check in checks)
        return WeightsCheck(self.card.name, checks, self._refusal() if whole else "")

    def run(self, web: Web, *, checksums: bool = True, progress: Bars | None = None) -> None:
        """Download the components that are not complete, and can be downloaded without a person.

        Raises:
            GillBenchError: A download failed.
        """
        checks = [check for check in self.check().components if check.state != "complete" and check.way != "by hand"]
        if not checks:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with only_process(self.folder / WORK, f"{self.folder}: another fetch"):
            for check in checks:
                if check.way == "hub":
                    self._from_hub(check)
                else:
                    self._from_files(check, web, checksums, progress)

    def place(self, component: Component) -> Path:
        """The folder or file to which a component is downloaded."""
        return self.folder / component.folder

    def sizes(self, check: ComponentCheck) -> list[tuple[str, int | None]]:
        """The names and sizes, in bytes, of the files that would be downloaded; the hub is asked for its own.

        Raises:
            InputError: The hub does not answer, or refuses.
        """
        component = check.component
        if check.way == "hub":
            files = hub_files(component.id, component.files, revision=component.revision, whole=check.whole)
            return list(files.items())
        return [(file.to or file_name_of(file.url or component.url), file.bytes or None) for file in component.fetch]

    def _check(self, role: str, component: Component, whole: bool) -> ComponentCheck:
        try:
            if not self.folder.is_dir():
                raise InputError(f"{self.folder}: no such folder")
            with without_downloads():
                weights = find_weights(component, str(self.folder), whole=whole)
        except InputError as error:
            return ComponentCheck(role, component, None, (), str(error), whole)
        return ComponentCheck(role, component, weights.path, tuple(_file_checks(component, weights)), "", whole)

    def _refusal(self) -> str:
        """The reason why the adapter or a metric refuses files that are whole by themselves, or ""."""
        try:
            with without_downloads():
                if isinstance(self.card, TaskCard):
                    for metric in metrics_of_card(self.card, str(self.folder)):
                        path = metric.backbone.path if metric.backbone else None
                        metric.module.check(path, metric.settings, metric.label)
                else:
                    paths = {
                        role: find_weights(component, str(self.folder), whole=whole).path
                        for role, component, whole in self._components
                    }
                    adapter(self.card).check(paths, check_settings(self.card))
        except InputError as error:
            return str(error)
        return ""

    def _from_hub(self, check: ComponentCheck) -> None:
        component = check.component
        try:
            sizes = hub_files(component.id, component.files, revision=component.revision, whole=check.whole)
            total = sum(size or 0 for size in sizes.values())
            say(
                f"{check.role}: {len(sizes)} files, {readable_size(total) if total else component.size}, {check.source}"
            )
            check_room(self.folder, total, component.folder)
            for damaged in (file for file in check.files if file.problem and check.path == self.place(component)):
                (self.place(component) / damaged.name).unlink(missing_ok=True)  # the hub's client keeps what is there
            download_repository(component.id, self.place(component), list(sizes), revision=component.revision)
        except InputError as error:
            terms = f"; its terms: {component.licence}" if component.licence else ""
            raise InputError(
                f"{error}\nby hand: {component.url or check.source}, to {self.place(component)}{terms}"
            ) from error

    def _from_files(self, check: ComponentCheck, web: Web, checksums: bool, progress: Bars | None) -> None:
        folder = self.place(check.component)
        whole = {file.name for file in check.files if not file.problem}
        for file in check.component.fetch:
            if file.to and file.to in whole:
                continue
            file = file.model_copy(update={"url": file.url or check.component.url})
            target = folder / file.to if file.to else folder
            packed = download(web, file, self.folder / WORK, checksums=checksums, progress=progress)
            problem = _problem(packed, target.name)
            if problem:
                packed.unlink()
                raise GillBenchError(f"{file.url}: {problem}; it was deleted, try again")
            target.parent.mkdir(parents=True, exist_ok=True)
            packed.replace(target)


def weights_of(cards: Cards, name: str, folder: Path) -> WeightsFetch:
    """The weights of a model by name, path or class, or of the metrics of a task by name.

    Raises:
        InputError: There is no such model or task.
    """
    is_task = name in cards.files["task"] and name not in cards.files["model"]
    return WeightsFetch(cards.task(name) if is_task else model_card(cards, name), folder)


def _file_checks(component: Component, weights: Weights) -> list[WeightFile]:
    """Every file that a loader may read, and every file that is missing although the card or an index names it."""
    files = weights.read_files()
    if weights.path.is_file():
        files = {weights.path.name: weights.path}
    checks = [WeightFile(name, file.stat().st_size, _problem(file, file.name)) for name, file in files.items()]
    if weights.stand_in or weights.path.is_file():
        return checks
    named: Mapping[str, str] = {
        **dict.fromkeys(sorted(listed_shards(files)), "missing, but an index lists it"),
        **{file.to: "missing" for file in component.fetch if file.to},
        **{name: "missing" for name in component.files if not set(name) & set("*?[") and not name.endswith("/")},
    }
    missing = [WeightFile(name, 0, problem) for name, problem in named.items() if name not in files]
    if not checks and not missing:
        missing = [WeightFile("(any file)", 0, "missing: the folder is empty")]
    elif not missing and _lacks_tensors(component, weights, files):
        missing.append(WeightFile("(weights)", 0, f"missing: no file ends in {', '.join(_TENSORS)}"))
    return checks + missing


def _lacks_tensors(component: Component, weights: Weights, files: Collection[str]) -> bool:
    """Whether a folder should have files of tensors, whatever their names are, and has none."""
    if weights.whole or component.fetch:
        return False
    expected = not component.files or any(name.endswith(_TENSORS) for name in component.files)
    return expected and not any(name.endswith(_TENSORS) for name in files)


def _problem(file: Path, name: str) -> str:
    """The reason why a file is not whole, as far as its format shows, or ""."""
    try:
        refuse_pointer(file)
        if file.stat().st_size == 0:
            return "empty file"
        if name.endswith(_TENSORS):
            check_weight_file(file)
        elif name.endswith(".json"):
            json.loads(file.read_bytes())
    except InputError as error:
        return str(error).removeprefix(f"{file}: ").replace(str(file), name)
    except ValueError as error:
        return f"no JSON, or cut off: {error}"
    return ""
