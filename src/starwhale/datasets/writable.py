"""Why a dataset takes no changes, said with the way out; and what may stand for a row where one is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from starwhale.datasets.rows import DataRow
from starwhale.datasets.stores import Opened
from starwhale.domain.version import SHORT_VERSION, check_user_tag
from starwhale.errors import ArgumentTypeError, InvalidNameError, OldVersionError, ReadOnlyError, StarwhaleError
from starwhale.storage.catalog.records import VersionRecord
from starwhale.storage.protocols import Key, Value


def refuse_change(
    opened: Opened, committed: VersionRecord | None, *, is_readonly: bool, is_closed: bool
) -> StarwhaleError:
    """Return what to raise where a dataset is changed that cannot be.

    Args:
        opened: Which version was opened; it is on an object store, or not the newest, if nothing else is the reason.
        committed: What it was committed as.
        is_readonly: It was opened so.
        is_closed: It was closed.
    """
    name = opened.name
    if opened.place:
        from starwhale.datasets.elsewhere import refuse_write

        return refuse_write(f"{opened.place}/{name}")
    if is_readonly:
        return ReadOnlyError(f"dataset {name!r} was opened read-only", hint="open it with readonly=False")
    if committed is not None:
        message = f"dataset {name!r} was committed already as {committed.version[:SHORT_VERSION]}"
        return ReadOnlyError(message, hint=f"open it again to change more: dataset({name!r})")
    if is_closed:
        message = f"dataset {name!r} was closed, and takes no more changes"
        return ReadOnlyError(message, hint=f"open it again: dataset({name!r})")
    version = opened.version.version[:SHORT_VERSION] if opened.version else ""
    message = f"version {version} of dataset {name!r} is not the newest, and only the newest can be changed"
    return OldVersionError(message, hint=f"copy it first: swcli dataset copy {name}/version/{version} <new name>")


def appended_parts(item: object) -> Sequence[Any]:  # Any: whatever the user put in
    """Return what is appended as `(features,)`, where the next integer is the key, or `(index, features)`.

    Raises:
        ArgumentTypeError: It is neither a row, nor a dict, `(features,)` or `(index, features)`.
    """
    if isinstance(item, Mapping):
        return (cast("Mapping[str, Value]", item),)
    hint = "give a DataRow, a dict, (features,) or (index, features)"
    if not isinstance(item, (tuple, list)):
        raise ArgumentTypeError(f"cannot append a value of type {type(item).__name__}", hint=hint)
    parts = cast("Sequence[Any]", item)  # Any: whatever the user put in
    if len(parts) not in (1, 2):
        raise ArgumentTypeError(f"cannot append a {type(item).__name__} of {len(parts)} items", hint=hint)
    return parts


def features_of(key: Key, value: object) -> Mapping[str, Value]:
    """Return the features of what is written under a key: a row, a dict, or `(features,)` or `(index, features)`.

    Raises:
        ArgumentTypeError: It is a tuple or list of another length.
    """
    if isinstance(value, DataRow):
        return value.features
    if isinstance(value, (tuple, list)):
        parts = cast("Sequence[Any]", value)  # Any: whatever the user put in
        if len(parts) not in (1, 2):
            message = f"cannot write a {type(value).__name__} of {len(parts)} items as row {key!r}"
            raise ArgumentTypeError(message, hint="give a dict of features")
        return parts[-1]
    return cast("Mapping[str, Value]", value)


def checked_tags(tags: Sequence[str], *, ignore_errors: bool) -> list[str]:
    """Return the tags that a user may give; those that break the rule are refused, or left out.

    Raises:
        InvalidNameError: One breaks the rule, and that is not to be ignored.
    """
    wanted: list[str] = []
    for tag in [tags] if isinstance(tags, str) else tags:
        try:
            wanted.append(check_user_tag(tag))
        except InvalidNameError:
            if not ignore_errors:
                raise
    return wanted


__all__ = ["appended_parts", "checked_tags", "features_of", "refuse_change"]
