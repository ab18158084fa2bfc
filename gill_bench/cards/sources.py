"""The fields of cards that say where data and weights come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gill_bench.storage.names import path_problem


def _inside(name: str) -> str:
    """Check that a name of a folder or file stays inside the folder that the user gives."""
    problem = path_problem(name)
    if problem:
        raise ValueError(f"{problem}; expected a name inside the folder that is given, neither absolute nor with '..'")
    return name


Inside = Annotated[str, AfterValidator(_inside)]


class _Source(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WebFile(_Source):
    """A file that gill-bench can download by itself, without a login, a form or a licence to accept.

    Attributes:
        url: The address of the file, or of an archive that holds it; "" for the address beside which this stands.
        to: The name of the file in the folder of a component of weights; "" where the component is the file.
        splits: The splits that the file serves, in a task; () for all.
        bytes: The size; 0 if it is not known.
        sha256: The SHA-256 of the file in lower-case hex, or its beginning of at least 8 digits, as some files have it
            in their names; "" if it is not known.
        md5: The MD5, where no SHA-256 is known; "" if it is not known either.
    """

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+")] | Literal[""] = ""
    to: Inside = ""
    splits: tuple[str, ...] = ()
    bytes: int = Field(default=0, ge=0)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,64}$")] | Literal[""] = ""
    md5: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | Literal[""] = ""


class Component(_Source):
    """One folder or file of weights, which has an `id` or a `folder`.

    Attributes:
        id: The weights' id on the Hugging Face hub; "" if they are not there.
        revision: The commit, tag or branch of the id that is downloaded; "" for the newest. It becomes part of the
            weights' label and digest.
        folder: The name of the folder or file inside `--weights DIR`; by default the last part of the id.
        mini: The name of the small embedded weights that stand in for these; "" if there are none.
        files: Names or patterns of the files that are downloaded from the hub; () for all that a loader may read.
        url: The address from which a person can download the weights.
        size: The download's size, for people.
        licence: The licence of the weights, or where their terms are.
        fetch: The files that `gill-bench weights fetch` downloads, of weights that are not on the hub.
    """

    id: Inside = ""
    revision: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] | Literal[""] = ""
    folder: Inside = ""
    mini: Inside = ""
    files: tuple[str, ...] = ()
    url: str = ""
    size: str = ""
    licence: str = ""
    # Excluded: a run's spec.json holds the dumped card, and how a file is downloaded changes no number.
    fetch: tuple[WebFile, ...] = Field(default=(), exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, table: Any) -> Any:
        if not isinstance(table, Mapping) or table.get("folder"):
            return table
        name = table.get("id")
        if not name:
            raise ValueError("expected an id (of the hub) or a folder (inside that of --weights), or both")
        return {**table, "folder": PurePosixPath(name).name} if isinstance(name, str) else table

    @model_validator(mode="after")
    def _revision_of_an_id(self) -> Self:
        if self.revision and not self.id:
            raise ValueError("revision: expected an id (of the hub) whose revision it is; add the id, or leave it out")
        return self


class Download(_Source):
    """One file of a data set, or its folder of pictures. `{split}` in any text stands for the split that is read.

    Attributes:
        what: The contents of the file or folder, in a few words.
        url: The address of the file, of an archive that holds it, or of the page that offers it.
        to: The path, from the data set's folder, at which the reader looks first; a folder of pictures ends with "/".
        also: Other paths at which the reader looks.
        size: The download's size, for people.
        fetch: The files that `gill-bench data fetch` downloads: for a split, the first that serves it; () if a person
            has to download it.
        listed: Whether `gill-bench data fetch` downloads the pictures one by one, from the addresses that
            `picture_addresses` of the data set's reader finds in the annotation files.
    """

    what: str
    url: str
    to: str
    also: tuple[str, ...] = ()
    size: str = ""
    fetch: tuple[WebFile, ...] = Field(default=(), exclude=True)
    listed: bool = Field(default=False, exclude=True)

    def web_file(self, split: str) -> WebFile | None:
        """The file that serves a split, with its address; None if no card's file does."""
        for file in self.fetch:
            if not file.splits or split in file.splits:
                return file.model_copy(update={"url": (file.url or self.url).replace("{split}", split)})
        return None
