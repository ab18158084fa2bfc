"""Checks of checkpoints in the layouts of transformers and diffusers, before and after a library loads them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

from gill_bench.errors import InputError
from gill_bench.storage.reading import read_json
from gill_bench.weights.network_files import LIBRARIES, STEMS, Library, NetworkFiles, entries, network_files
from gill_bench.weights.tensor_files import check_floating, check_weight_file, tensor_types

LOCAL_ONLY: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""Arguments of `from_pretrained` with which transformers reads local files and runs no code that lies beside them. Left
to itself, it asks on the terminal whether it may."""


def check_network_files(folder: Path, library: Library | None = None, variant: str = "") -> None:
    """Check that the files from which a network will be read exist and are whole, all shards included.

    Args:
        folder: A folder as `save_pretrained` writes it.
        library: The library that reads the network; None = either library.
        variant: The precision in names of files that comes first; "" for plain names.

    Raises:
        InputError: Names the file that is missing, empty or cut off, or a file that makes a loader read other weights.
    """
    names = _names(folder)
    libraries = (library,) if library else LIBRARIES
    sets = [files for name in libraries if (files := network_files(names, name, variant))]
    if not sets:
        raise InputError(f"{folder}: no weights; {_expected(names, *libraries)}")
    for files in sets:
        for file in weight_files(folder, files):
            check_weight_file(file)
    _refuse_other_weights(folder)


def loader_options(folder: Path, library: Library, variant: str = "") -> dict[str, Any]:
    """Arguments of `from_pretrained` that make it read the files that `network_files` chooses in a folder.

    Raises:
        InputError: The folder has no such files, or a file in it makes a loader read other weights.
    """
    names = _names(folder)
    files = network_files(names, library, variant)
    if files is None:
        raise InputError(f"{folder}: no weights; {_expected(names, library)}")
    _refuse_other_weights(folder)
    return files.options


def weight_files(folder: Path, files: NetworkFiles) -> list[Path]:
    """The files that hold the weights themselves, which are the shards where an index lists shards.

    Raises:
        InputError: A shard that the index lists does not exist.
    """
    if not files.sharded:
        return [folder / files.entry]
    shards = [folder / name for name in _shards(folder / files.entry)]
    for shard in shards:
        if not shard.is_file():
            raise InputError(f"{shard}: no such file, but {files.entry} lists it")
    return shards


def listed_shards(files: Mapping[str, Path]) -> set[str]:
    """The files of a component that indices of shards list; a damaged index, which no loader reads, lists none.

    Args:
        files: All files of the component, by their paths in its folder.
    """
    listed: set[str] = set()
    for name in entries(files):
        if name.endswith(".json"):
            with suppress(InputError):
                listed |= {str(PurePosixPath(name).with_name(shard)) for shard in _shards(files[name])}
    return listed


def check_image_processor(folder: Path) -> None:
    """Check that a folder has the configuration of an image processor, in the layout of any version of transformers.

    Raises:
        InputError: The folder has none, or the file is damaged.
    """
    joint, separate = folder / "processor_config.json", folder / "preprocessor_config.json"
    if joint.is_file() and isinstance(read_json(joint).get("image_processor"), dict):
        return
    if not separate.is_file():
        lacking = ", and its processor_config.json has no 'image_processor'" if joint.is_file() else ""
        raise InputError(f"{folder}: has no preprocessor_config.json or processor_config.json{lacking}")
    read_json(separate)


def _names(folder: Path) -> set[str]:
    return {file.name for file in folder.glob("*") if file.is_file()}


def _expected(names: Collection[str], *libraries: Library) -> str:
    """The file names that were expected, and weights in the folder whose names no loader reads."""
    expected = [f"{STEMS[library]['.safetensors']}.safetensors" for library in libraries]
    unread = sorted(name for name in names if name.endswith((".safetensors", ".bin")))
    note = f"; no loader reads {', '.join(unread[:3])} under {'this name' if len(unread) == 1 else 'these names'}"
    return f"expected {' or '.join(expected)}, a .bin file of that kind, or an index of shards{note if unread else ''}"


def _refuse_other_weights(folder: Path) -> None:
    """Refuse files that make a loader, on all machines or on some, read other weights than those in the usual files."""
    adapter = folder / "adapter_config.json"
    if adapter.is_file():
        raise InputError(
            f"{adapter}: an adapter (PEFT) beside the weights, which is applied only where peft is installed;"
            " merge it into the weights (merge_and_unload, save_pretrained), or remove the file to go without it"
        )
    config = folder / "config.json"
    named = read_json(config).get("transformers_weights") if config.is_file() else None
    if named is not None:
        raise InputError(
            f"{config}: transformers_weights = {named!r:.80} names other weights than the usual files; rename the file"
            " to model.safetensors and remove the key"
        )


_PROJECTIONS = ("logit_scale", "text_projection.", "visual_projection.")
_OTHER_HALF = {
    "CLIPVisionModel": ("text_model.", *_PROJECTIONS),
    "CLIPVisionModelWithProjection": ("text_model.", *_PROJECTIONS),
    "CLIPTextModel": ("vision_model.", *_PROJECTIONS),
    "CLIPTextModelWithProjection": ("vision_model.", *_PROJECTIONS),
}
"""For each class of a CLIP tower: prefixes of the keys of the rest of CLIP, which may be in the same files."""
_INTEGERS = ("position_ids", "num_batches_tracked")  # buffers of whole numbers that older versions wrote
_NO_WEIGHT = ".version"  # end of a key that conversions of OPT from fairseq left behind


def _shards(listing: Path) -> list[str]:
    """The file names that an index of shards lists; a name that leads to another folder is an error."""
    weights = read_json(listing).get("weight_map")
    names: set[str] = set()
    for name in weights.values() if isinstance(weights, dict) else [weights]:
        if not isinstance(name, str) or Path(name).name != name:
            raise InputError(f"{listing}: weight_map: {name!r:.80} is no name of a file beside it; download it again")
        names.add(name)
    return sorted(names)


def check_complete(report: Mapping[str, Collection[Any]], folder: Path, kind: str) -> None:
    """Check that files hold exactly the weights of a network, in their shapes.

    The loaders ignore keys that they do not know, and fill missing weights with random numbers.

    Args:
        report: The report that `from_pretrained(..., output_loading_info=True)` returns besides the network.
        folder: Folder of the files.
        kind: Class of the network. The files of a CLIP tower may be those of the whole CLIP.

    Raises:
        InputError: Names the first weight that is missing, of another shape, or not of this network.
    """
    ignored = _OTHER_HALF.get(kind, ())
    shapes = sorted(
        f"{key!r}, {tuple(shape)} instead of {tuple(expected)}"
        for key, shape, expected in report.get("mismatched_keys", ())
    )
    alien = [key for key in report["unexpected_keys"] if not key.startswith(ignored) and not key.endswith(_NO_WEIGHT)]
    problems = {
        f"weights of {kind} are missing": sorted(map(repr, report["missing_keys"])),
        f"weights of {kind} are of another shape": shapes,
        f"weights are not of {kind}": sorted(map(repr, alien)),
    }
    for problem, keys in problems.items():
        if keys:
            raise InputError(
                f"{folder}: {len(keys)} {problem}, the first is {keys[0]}; the files are damaged or of another model"
            )


def check_network_types(network: Any, folder: Path, library: Library, variant: str = "") -> None:
    """Check that the files of a network hold floating-point numbers wherever the network does.

    Raises:
        InputError: Names the file, and the key of a tensor of another type.
    """
    files = network_files(_names(folder), library, variant)
    buffers = {key.rpartition(".")[2] for key, value in network.named_buffers() if not value.is_floating_point()}
    ignored = _OTHER_HALF.get(type(network).__name__, ())
    for file in [] if files is None else weight_files(folder, files):
        types = {key: kind for key, kind in tensor_types(file).items() if not key.startswith(ignored)}
        check_floating(file, types, {*buffers, *_INTEGERS})


@contextmanager
def quiet_loading(*libraries: str) -> Iterator[None]:
    """Silence progress bars and reports of keys, which the caller checks; afterwards restore the libraries' settings.

    Args:
        *libraries: Names of the libraries, "transformers" or "diffusers"; none = both.
    """
    with ExitStack() as undo:
        for name in libraries or ("transformers", "diffusers"):
            settings = import_module(f"{name}.utils.logging")
            undo.callback(settings.set_verbosity, settings.get_verbosity())
            settings.set_verbosity_error()
            if settings.is_progress_bar_enabled():
                undo.callback(settings.enable_progress_bar)
                settings.disable_progress_bar()
        yield
