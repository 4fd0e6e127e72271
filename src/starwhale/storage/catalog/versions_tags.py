"""Versions and the tags that point at them. Adding the row of a version is its commit point."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, insert, select, update

from starwhale.domain.uri import DEFAULT_PROJECT, Uri, parse_uri
from starwhale.domain.version import SHORT_VERSION, SHORTEST_PREFIX, check_user_tag, is_reserved_tag
from starwhale.errors import AlreadyExistsError, ConflictError, InvalidNameError, NotFoundError, nearest
from starwhale.storage.catalog.bundles import find_bundle
from starwhale.storage.catalog.engine import Database
from starwhale.storage.catalog.projects import find_project, get_project, refuse_removed_project
from starwhale.storage.catalog.records import BundleRecord, VersionDraft, VersionRecord
from starwhale.storage.catalog.row_sums import check_tag, check_version, sum_of, version_record, version_sum
from starwhale.storage.catalog.schema import bundles, projects, tags, versions

LATEST = "latest"
"""The tag that the system moves with every commit."""


class Versions:
    """The versions of one catalog."""

    def __init__(self, database: Database, clock: Callable[[], float], make_id: Callable[[], str]) -> None:
        self._database = database
        self._clock = clock
        self._make_id = make_id

    def add(self, bundle: BundleRecord, draft: VersionDraft, *, expected_latest: str | None = None) -> VersionRecord:
        """Commit a version: give it the next `v<k>`, move `latest` and set the user's tags, all at once.

        Args:
            bundle: What it is a version of.
            draft: The version.
            expected_latest: Version that has to be the newest still, "" for none at all; None does not ask.

        Raises:
            ConflictError: Another writer committed in between.
            AlreadyExistsError: The id that the draft gives is taken.
            NotFoundError: The project was removed in between.
            InvalidNameError: A tag breaks the naming rule or is reserved.
        """
        for tag in draft.tags:
            check_user_tag(tag)
        version = draft.version or self._make_id()
        with self._database.write() as connection:
            _refuse_removed(connection, bundle)
            before = _newest(connection, bundle.id)
            if expected_latest is not None and (before.version if before else "") != expected_latest:
                newest = before.version[:SHORT_VERSION] if before else "nothing"
                message = (
                    f"{bundle.kind} {bundle.name!r} has got another version in between: {newest} is the newest now"
                )
                raise ConflictError(message, hint="open the newest version and make the changes again")
            if connection.execute(_IS_TAKEN, {"id": version}).first() is not None:
                message = f"there is a version {version!r} already"
                raise AlreadyExistsError(message, hint="leave the version id to the system")
            number = _next_auto_tag(connection, bundle.id)
            _insert_version(connection, bundle.id, draft, version=version, number=number, now=self._clock())
            for tag in (LATEST, f"v{number}", *draft.tags):
                _point(connection, bundle.id, tag, version)
            return _get(connection, version)

    def get(self, version: str) -> VersionRecord:
        """Return a version by its whole id, removed or not.

        Raises:
            NotFoundError: There is none.
        """
        with self._database.read_checked() as connection:
            return _get(connection, version)

    def newest(self, bundle_id: str) -> VersionRecord | None:
        """Return the newest version that was not removed, or None."""
        with self._database.read_checked() as connection:
            return _newest(connection, bundle_id)

    def history(self, bundle_id: str, *, with_removed: bool = False) -> list[VersionRecord]:
        """Return the versions of a bundle, the newest first."""
        query = query_versions().where(versions.c.bundle_id == bundle_id).order_by(versions.c.sequence.desc())
        if not with_removed:
            query = query.where(versions.c.removed_at.is_(None))
        with self._database.read_checked() as connection:
            return version_records(connection, connection.execute(query))

    def list_newest(self, project: str, kind: str, *, with_removed: bool = False) -> list[VersionRecord]:
        """Return the newest version of each bundle of one kind in a project, the newest first."""
        query = query_versions().where(
            projects.c.name_folded == project.casefold(), projects.c.removed_at.is_(None), bundles.c.kind == kind
        )
        if not with_removed:
            query = query.where(versions.c.removed_at.is_(None))
        with self._database.read_checked() as connection:
            newest: dict[str, Row[Any]] = {}  # Any: what SQLAlchemy knows of a row
            for row in connection.execute(query.order_by(versions.c.sequence)):
                newest[row.bundle_id] = row
            return version_records(connection, sorted(newest.values(), key=lambda row: row.created_at, reverse=True))

    def resolve(
        self, kind: str, uri: Uri | str, *, default_project: str = "self", removed: bool = False
    ) -> VersionRecord:
        """Find the version that a URI means: a bare word is a name first, then a tag, then the beginning of a version id.

        Args:
            kind: `dataset`, `model` or `runtime`.
            uri: What the user wrote, parsed or not.
            default_project: Project of a URI that is not parsed and names none.
            removed: Look among the removed versions alone, instead of the others.

        Raises:
            NotFoundError: Nothing fits; the nearest names are said.
            ConflictError: Several versions fit.
        """
        parsed = parse_uri(uri, kind=kind, default_project=default_project) if isinstance(uri, str) else uri
        with self._database.read_checked() as connection:
            return _resolve(connection, kind, parsed, removed=removed)

    def remove(self, version: str) -> VersionRecord:
        """Hide a version until it is recovered; `latest` moves to the newest that is left."""
        return self._set_removed(version, self._clock())

    def recover(self, version: str) -> VersionRecord:
        """Bring a removed version back; `latest` moves to it when it is the newest."""
        return self._set_removed(version, None)

    def _set_removed(self, version: str, removed_at: float | None) -> VersionRecord:
        with self._database.write() as connection:
            found = _get(connection, version)
            if found.is_removed is (removed_at is not None):
                state = "removed already" if found.is_removed else "not removed"
                message = f"{found.kind} {found.name!r} version {version[:SHORT_VERSION]} is {state}"
                raise NotFoundError(message, hint=f"see swcli {found.kind} history {found.name}")
            connection.execute(update(versions).where(versions.c.version == version).values(removed_at=removed_at))
            _sum_up(connection, version)
            newest = _newest(connection, found.bundle_id)
            if newest is not None:
                _point(connection, found.bundle_id, LATEST, newest.version)
            return _get(connection, version)


class Tags:
    """The tags of one catalog: each points at one version of its bundle."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, version: VersionRecord, tag: str) -> None:
        """Point a user's tag at a version; it moves when it pointed at another.

        Raises:
            InvalidNameError: The tag breaks the naming rule or is reserved.
        """
        check_user_tag(tag)
        with self._database.write() as connection:
            _point(connection, version.bundle_id, tag, version.version)

    def remove(self, version: VersionRecord, tag: str) -> None:
        """Take a user's tag away from a version.

        Raises:
            InvalidNameError: The tag is reserved.
            NotFoundError: The version has no such tag.
        """
        if is_reserved_tag(tag):
            message = f"tag {tag!r} cannot be removed: the system gave it"
            raise InvalidNameError(message, hint="only your own tags can be removed")
        own = tags.c.bundle_id == version.bundle_id, tags.c.version == version.version
        with self._database.write() as connection:
            if connection.execute(delete(tags).where(*own, tags.c.tag == tag)).rowcount == 0:
                known = connection.execute(select(tags.c.tag).where(*own)).scalars()
                message = (
                    f"{version.kind} {version.name!r} version {version.version[:SHORT_VERSION]} has no tag {tag!r}"
                )
                raise NotFoundError(message, hint=nearest(tag, known))

    def list(self, bundle_id: str) -> Mapping[str, str]:
        """Return the tags of a bundle with the versions that they point at."""
        with self._database.read_checked() as connection:
            found = connection.execute(select(tags).where(tags.c.bundle_id == bundle_id).order_by(tags.c.tag)).all()
            for row in found:
                check_tag(connection, row)
            return {row.tag: row.version for row in found}


def _refuse_removed(connection: Connection, bundle: BundleRecord) -> None:
    if connection.execute(_IS_THERE, {"bundle": bundle.id}).first() is None:
        get_project(connection, bundle.project)  # says that it was removed
        message = f"{bundle.kind} {bundle.name!r} was deleted from project {bundle.project!r} in between"
        raise NotFoundError(message, hint="build it again")


def query_versions() -> Select[Any]:  # Any: what SQLAlchemy knows of a query over several tables
    """Every version with its bundle and project, to be narrowed."""
    return (
        select(versions, bundles.c.kind, bundles.c.name, projects.c.name.label("project"))
        .join(bundles, versions.c.bundle_id == bundles.c.id)
        .join(projects, bundles.c.project_id == projects.c.id)
    )


# Made once: every opening or commit asks these, and making a statement costs as much as asking it.
_IS_THERE = (
    select(bundles.c.id)
    .join(projects, bundles.c.project_id == projects.c.id)
    .where(bundles.c.id == bindparam("bundle"), projects.c.removed_at.is_(None))
)
_IS_TAKEN = select(versions.c.version).where(versions.c.version == bindparam("id"))
_BY_ID = query_versions().where(versions.c.version == bindparam("id"))
_LAST_AUTO_TAG = select(bundles.c.last_auto_tag).where(bundles.c.id == bindparam("bundle"))
_SET_LAST_AUTO_TAG = (
    update(bundles).where(bundles.c.id == bindparam("bundle")).values(last_auto_tag=bindparam("number"))
)
_TAGS_OF_BUNDLE = select(tags.c.tag).where(tags.c.bundle_id == bindparam("bundle"))
_LAST_SEQUENCE = select(func.max(versions.c.sequence)).where(versions.c.bundle_id == bindparam("bundle"))
_SET_CHECKSUM = update(versions).where(versions.c.version == bindparam("id")).values(checksum=bindparam("sum"))
_MOVE_TAG = (
    update(tags)
    .where(tags.c.bundle_id == bindparam("bundle"), tags.c.tag == bindparam("name"))
    .values(version=bindparam("target"), checksum=bindparam("sum"))
)
_ADD_VERSION, _ADD_TAG = insert(versions), insert(tags)
_NEWEST = (
    query_versions()
    .where(versions.c.bundle_id == bindparam("bundle"), versions.c.removed_at.is_(None))
    .order_by(versions.c.sequence.desc())
    .limit(1)
)
_TAGS_OF = select(tags).where(tags.c.version.in_(bindparam("versions", expanding=True)))


def version_records(connection: Connection, rows: Iterable[Row[Any]]) -> list[VersionRecord]:  # Any: see query_versions
    """Read rows of `query_versions`, with the tags of each."""
    found = list(rows)
    by_version: defaultdict[str, list[str]] = defaultdict(list)
    for chunk in (
        found[start : start + 500] for start in range(0, len(found), 500)
    ):  # SQLite bounds a statement's variables
        for tag in connection.execute(_TAGS_OF, {"versions": [row.version for row in chunk]}):
            check_tag(connection, tag)
            by_version[tag.version].append(tag.tag)
    for row in found:
        check_version(connection, row)
    return [version_record(row, by_version[row.version]) for row in found]


def _get(connection: Connection, version: str) -> VersionRecord:
    found = version_records(connection, connection.execute(_BY_ID, {"id": version}))
    if not found:
        message = f"no version {version!r}"
        raise NotFoundError(message, hint="give a whole version id")
    return found[0]


def _newest(connection: Connection, bundle_id: str) -> VersionRecord | None:
    found = version_records(connection, connection.execute(_NEWEST, {"bundle": bundle_id}))
    return found[0] if found else None


def _next_auto_tag(connection: Connection, bundle_id: str) -> int:
    """Return the k of the next `v<k>`: never one that was given before, nor one that a tag has taken by other ways."""
    last = connection.execute(_LAST_AUTO_TAG, {"bundle": bundle_id}).scalar_one()
    taken = set(connection.execute(_TAGS_OF_BUNDLE, {"bundle": bundle_id}).scalars())
    number = last + 1
    while f"v{number}" in taken:
        number += 1
    connection.execute(_SET_LAST_AUTO_TAG, {"bundle": bundle_id, "number": number})
    return number


def _insert_version(
    connection: Connection, bundle_id: str, draft: VersionDraft, *, version: str, number: int, now: float
) -> None:
    last = connection.execute(_LAST_SEQUENCE, {"bundle": bundle_id}).scalar()
    row = {
        "version": version,
        "bundle_id": bundle_id,
        "sequence": 0 if last is None else last + 1,
        "auto_tag": number,
        "created_at": now,
        "message": draft.message,
        "size_bytes": draft.size_bytes,
        "row_count": draft.row_count,
        "content_digest": draft.content_digest,
        "manifest": dict(draft.manifest),
    }
    connection.execute(_ADD_VERSION, row)
    _sum_up(connection, version)


def _sum_up(connection: Connection, version: str) -> None:
    """Give the row of a version its checksum, of what was just written to it."""
    row = connection.execute(_BY_ID, {"id": version}).one()
    connection.execute(_SET_CHECKSUM, {"id": version, "sum": version_sum(row)})


def _point(connection: Connection, bundle_id: str, tag: str, version: str) -> None:
    checksum = sum_of(bundle_id, tag, version)
    moved = {"bundle": bundle_id, "name": tag, "target": version, "sum": checksum}
    if connection.execute(_MOVE_TAG, moved).rowcount == 0:
        row = {"bundle_id": bundle_id, "tag": tag, "version": version, "checksum": checksum}
        connection.execute(_ADD_TAG, row)


def _resolve(connection: Connection, kind: str, uri: Uri, *, removed: bool) -> VersionRecord:
    state = versions.c.removed_at.is_not(None) if removed else versions.c.removed_at.is_(None)
    there = projects.c.name_folded == uri.project.casefold(), projects.c.removed_at.is_(None)
    live = query_versions().where(state, bundles.c.kind == kind, *there)
    bundle = find_bundle(connection, uri.project, kind, uri.name) if uri.name else None
    if bundle is not None:
        within = live.where(versions.c.bundle_id == bundle.id)
        if uri.version:
            found = _match(connection, within, uri.version)
        else:
            found = version_records(
                connection, connection.execute(within.order_by(versions.c.sequence.desc()).limit(1))
            )
        if found:
            return _only(found, uri.version, kind)
    if not uri.name or not uri.version:
        found = _match(connection, live, uri.version or uri.name)
        if found:
            return _only(found, uri.version or uri.name, kind)
    raise _missing(connection, kind, uri, bundle, removed=removed)


def _match(
    connection: Connection, candidates: Select[Any], word: str
) -> list[VersionRecord]:  # Any: see query_versions
    """Versions that a tag means, else those whose id begins so."""
    for row in connection.execute(select(tags).where(tags.c.tag == word)):
        check_tag(connection, row)
    tagged = select(tags.c.version).where(tags.c.tag == word)
    found = version_records(connection, connection.execute(candidates.where(versions.c.version.in_(tagged))))
    if found or len(word) < SHORTEST_PREFIX:
        return found
    prefixed = candidates.where(versions.c.version.startswith(word.lower(), autoescape=True))
    return version_records(connection, connection.execute(prefixed.limit(20)))


def _only(found: Sequence[VersionRecord], word: str, kind: str) -> VersionRecord:
    if len(found) > 1:
        shown = ", ".join(f"{each.name}/version/{each.version[:SHORT_VERSION]}" for each in found[:5])
        message = f"{word!r} means several {kind} versions: {shown}"
        raise ConflictError(message, hint="write the name with more characters of the version")
    return found[0]


def _has_versions(connection: Connection, bundle: BundleRecord) -> bool:
    query = select(versions.c.version).where(versions.c.bundle_id == bundle.id)
    return connection.execute(query.limit(1)).first() is not None


def _missing(
    connection: Connection, kind: str, uri: Uri, bundle: BundleRecord | None, *, removed: bool
) -> NotFoundError:
    is_first = uri.project.casefold() == DEFAULT_PROJECT and find_project(connection, DEFAULT_PROJECT) is None
    if is_first:  # to users the default project is there from the start
        refuse_removed_project(connection, DEFAULT_PROJECT)
        word = f"{kind} {uri.name!r}" if uri.name else f"{kind} version {uri.version!r}"
        hint = f"see swcli {kind} list" if removed else f"make one with: swcli {kind} build"
        return NotFoundError(f"no {'removed ' if removed else ''}{word} in project {DEFAULT_PROJECT!r}", hint=hint)
    project = get_project(connection, uri.project)
    what = f"removed {kind}" if removed else kind
    if bundle is None or not _has_versions(connection, bundle):  # a first build that failed leaves a name behind
        word = uri.name or uri.version
        known = (
            select(bundles.c.name)
            .join(versions, versions.c.bundle_id == bundles.c.id)
            .where(bundles.c.project_id == project.id, bundles.c.kind == kind, versions.c.removed_at.is_(None))
        )
        label = f"{what} {word!r}" if uri.name else f"{what} version {word!r}"
        hint = nearest(word, connection.execute(known).scalars())
        hint = hint or (f"see swcli {kind} list" if removed else f"make one with: swcli {kind} build")
        return NotFoundError(f"no {label} in project {project.name!r}", hint=hint)
    if not uri.version:
        hint = f"see swcli {kind} list" if removed else f"see swcli {kind} list --show-removed"
        return NotFoundError(
            f"{kind} {bundle.name!r} in project {project.name!r} has no {'removed ' if removed else ''}version",
            hint=hint,
        )
    known = select(tags.c.tag).join(versions, tags.c.version == versions.c.version).where(tags.c.bundle_id == bundle.id)
    known = known.where(versions.c.removed_at.is_not(None) if removed else versions.c.removed_at.is_(None))
    words = list(connection.execute(known).scalars())
    hint = nearest(uri.version, words) if words or not removed else "no version of it is removed"
    if words and len(uri.version) < SHORTEST_PREFIX:
        hint = f"give a tag, or at least {SHORTEST_PREFIX} characters of the version" + (f"; {hint}" if hint else "")
    return NotFoundError(
        f"no {'removed ' if removed else ''}version {uri.version!r} of {kind} {bundle.name!r}", hint=hint
    )
