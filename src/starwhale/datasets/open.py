"""Open a dataset: which version a URI means, and what happens when there is none."""

from __future__ import annotations

from starwhale.datasets.stores import DatasetStores, Opened
from starwhale.domain.uri import Uri, parse_uri
from starwhale.domain.version import check_name, is_version
from starwhale.errors import AlreadyExistsError, MissingDatasetError, NotFoundError, UsageError, nearest

CREATE_MODES = ("auto", "empty", "forbid")
"""Open or start empty; start empty only; open only."""


def find_dataset(
    stores: DatasetStores, uri: str, *, create: str = "auto", readonly: bool = False, default_project: str = "self"
) -> Opened:
    """Find what a URI means, without writing anything.

    A bare word is the name of a dataset. Where nothing may be created, it may also be a tag or the beginning of a version.

    Raises:
        UsageError: `create` has another value.
        AlreadyExistsError: The dataset exists, and `create` is "empty".
        MissingDatasetError: It does not exist, and may not be created; the nearest names are said.
        NotFoundError: It has no such version.
    """
    if create not in CREATE_MODES:
        message = f"create is {create!r}"
        raise UsageError(message, hint=f"use one of {', '.join(map(repr, CREATE_MODES))}")
    parsed = parse_uri(uri, kind="dataset", default_project=default_project)
    opened = _find(stores, parsed, names_only=create != "forbid" and not readonly)
    if opened.version is not None:
        if create == "empty":
            message = f"dataset {opened.name!r} exists already in project {opened.project!r}"
            raise AlreadyExistsError(message, hint="open it with create='auto', or choose another name")
        return opened
    if readonly or create == "forbid":
        message = f"no dataset {parsed.name!r} in project {parsed.project!r}"
        known = [each.name for each in stores.versions.list_newest(parsed.project, "dataset")]
        raise MissingDatasetError(message, hint=nearest(parsed.name, known))
    check_name("dataset", parsed.name)
    check_name("project", parsed.project)
    return opened


def _find(stores: DatasetStores, uri: Uri, *, names_only: bool) -> Opened:
    if uri.version or not uri.name or is_version(uri.name):
        return _resolve(stores, uri)
    bundle = stores.bundles.find(uri.project, "dataset", uri.name)
    newest = stores.versions.newest(bundle.id) if bundle else None
    if newest is None and not names_only:
        try:
            return _resolve(stores, uri)
        except NotFoundError:
            pass
    return Opened(
        project=bundle.project if bundle else uri.project,
        name=bundle.name if bundle and newest else uri.name,
        bundle=bundle if newest else None,  # what a first build that failed left behind is made anew
        version=newest,
        is_newest=True,
    )


def _resolve(stores: DatasetStores, uri: Uri) -> Opened:
    version = stores.versions.resolve("dataset", uri)
    newest = stores.versions.newest(version.bundle_id)
    return Opened(
        project=version.project,
        name=version.name,
        bundle=stores.bundles.get(version.project, "dataset", version.name),
        version=version,
        is_newest=newest is not None and newest.version == version.version,
    )
