"""Open a dataset: which version a URI means, and what happens when there is none."""

from __future__ import annotations

from collections.abc import Callable

from starwhale.datasets.stores import DatasetStores, Opened
from starwhale.domain.uri import Uri, parse_uri
from starwhale.domain.version import check_name, is_version
from starwhale.errors import AlreadyExistsError, MissingDatasetError, NotFoundError, UsageError, nearest

CREATE_MODES = ("auto", "empty", "forbid")
"""Open or start empty; start empty only; open only."""


def find_dataset(
    stores: DatasetStores,
    uri: str,
    check_project: Callable[[str], None],
    *,
    create: str = "auto",
    readonly: bool = False,
    default_project: str = "self",
) -> Opened:
    """Find what a URI means, without writing anything.

    A bare word is the name of a dataset. Where nothing may be created, it may also be a tag or the beginning of a version.

    Args:
        stores: What there is.
        uri: The URI.
        check_project: Raises where a project of that name may not be used; asked of one that is not there.
        create: One of `CREATE_MODES`.
        readonly: Whether it has to be there.
        default_project: Project of a URI that names none.

    Raises:
        UsageError: `create` has another value.
        AlreadyExistsError: The dataset exists, and `create` is "empty".
        MissingDatasetError: It does not exist, and may not be created; the nearest names are said.
        NotFoundError: It has no such version, or there is no such project.
    """
    if create not in CREATE_MODES:
        message = f"create is {create!r}"
        raise UsageError(message, hint=f"use one of {', '.join(map(repr, CREATE_MODES))}")
    parsed = parse_uri(uri, kind="dataset", default_project=default_project, instances=stores.ref.names)
    opened = _find(stores, parsed, check_project, names_only=create != "forbid" and not readonly)
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


def _find(stores: DatasetStores, uri: Uri, check_project: Callable[[str], None], *, names_only: bool) -> Opened:
    if uri.version or not uri.name or is_version(uri.name):
        check_project(uri.project)
        return _resolve(stores, uri)
    found = stores.catalog.find_newest(uri.project, "dataset", uri.name)
    if not found.has_project:
        check_project(uri.project)
    bundle, newest = found.bundle, found.version
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
