"""Settings that change how a model is executed, and nothing that comes out: how many calls at once, a server's address.

They are no part of a model's identity: no other value makes an output anew, and none is in a row's signature. What is
timed is the exception, as they change how long it takes.

An adapter module marks such a field of its `Settings`, as in `at_once: Annotated[int, EXECUTION_ONLY] = 4`. A class
names such arguments of its constructor in an attribute, as in `execution_only = ("at_once", "url")`.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

EXECUTION_ONLY: Final = "execution only"
"""The mark of a field, among the metadata of `typing.Annotated`."""


def execution_only(schema: type[BaseModel]) -> frozenset[str]:
    """The names, as cards have them, of the settings that are marked in an adapter's `Settings`.

    >>> from typing import Annotated
    >>> class Settings(BaseModel):
    ...     steps: int = 20
    ...     at_once: Annotated[int, EXECUTION_ONLY] = 4
    >>> sorted(execution_only(Settings))
    ['at_once']
    """
    return frozenset(
        field.alias or name for name, field in schema.model_fields.items() if EXECUTION_ONLY in field.metadata
    )
