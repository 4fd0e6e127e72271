"""`Dataset`: one dataset on opened stores. Each verb is a line or two; what it does lies in the module of that verb."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from starwhale.datasets import reading
from starwhale.datasets.changes import Changes
from starwhale.datasets.commit import SUMMARY_KEYS, CommitNote, commit_changes
from starwhale.datasets.describe import describe_history, describe_version
from starwhale.datasets.diff import LIMIT, DatasetDiff, diff_versions
from starwhale.datasets.info import Info
from starwhale.datasets.readable_rows import ReadableRows
from starwhale.datasets.reference import RowsRef, UncommittedView, VersionRef
from starwhale.datasets.rows import RowSink
from starwhale.datasets.stores import DatasetStores, Opened
from starwhale.datasets.tags import VersionTags
from starwhale.datasets.writable import appended_parts, checked_tags, features_of, refuse_change
from starwhale.domain.uri import Uri
from starwhale.errors import NothingToCommitError, UsageError
from starwhale.storage.catalog.records import BundleRecord, VersionRecord
from starwhale.storage.protocols import DatasetReader, Key, Value

if TYPE_CHECKING:
    from starwhale.datasets.statistics.facts import DatasetStatistics, OnProgress


class UncommittedChangesWarning(UserWarning):
    """A dataset was closed with changes that were never committed; they are dropped."""


class Dataset(ReadableRows):
    """One dataset: rows by key, in key order; changes become a version when they are committed.

    Reading sees the changes of this object. Appending, writing and reading are safe from several threads. A context manager closes it;
    what was not committed then is dropped with a warning.
    """

    def __init__(self, stores: DatasetStores, opened: Opened, *, readonly: bool = False) -> None:
        super().__init__()
        self._stores = stores
        self._opened = opened
        self._readonly = readonly
        self._lock = threading.RLock()
        self._reader: DatasetReader = stores.open_reader(opened.version)
        self._bundle: BundleRecord | None = opened.bundle
        self._changes: Changes | None = None
        self._info: Info | None = None
        self._committed: VersionRecord | None = None
        self._pending_version = ""
        self._tmpdir: Path | None = None
        self._is_closed = False
        self.build_facts: Mapping[str, Any] = {}  # Any: JSON
        """What the manifest of the next version says under `build` beside our version: the runtime that its handler ran in."""

    # ----------------------------------------------------------------------------------------------------- what it is

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self._opened.name

    @property
    def project(self) -> str:
        """Name of its project."""
        return self._opened.project

    @property
    def uri(self) -> Uri:
        """URI of the version that was opened, and of the committed one after a commit."""
        shown = self._shown()
        version = shown.version if shown else ""
        instance = self._stores.ref.instance
        return Uri(
            instance=instance,
            project=self.project,
            kind="dataset",
            name=self.name,
            version=version,
            place=self._opened.place,
        )

    @property
    def loading_version(self) -> str:
        """Version that was opened; empty when there was none."""
        return self._opened.version.version if self._opened.version else ""

    @property
    def pending_commit_version(self) -> str:
        """Id that the next commit will have."""
        with self._lock:
            self._pending_version = self._pending_version or self._stores.make_id()
            return self._pending_version

    @property
    def committed_version(self) -> str:
        """Version that was committed.

        Raises:
            NothingToCommitError: Nothing was committed yet; it is a RuntimeError too.
        """
        if self._committed is None:
            message = f"dataset {self.name!r} was not committed yet"
            raise NothingToCommitError(message, hint="call commit()")
        return self._committed.version

    @property
    def committed(self) -> bool:
        """Whether it was committed."""
        return self._committed is not None

    @property
    def changed(self) -> bool:
        """Whether there is anything to commit."""
        return self._changes is not None and self._changes.is_changed

    @property
    def readonly(self) -> bool:
        """Whether writes are refused."""
        return self._readonly or bool(self._opened.place)

    @property
    def approximate_size(self) -> int:
        """Number of rows."""
        return len(self)

    @property
    def tags(self) -> VersionTags:
        """Tags of the version."""
        return VersionTags(self._stores, self._shown)

    @property
    def info(self) -> Info:
        """What is kept beside the rows: a mapping with str keys, versioned with them."""
        with self._lock:
            if self._info is None:
                self._info = Info(self._view().info, lambda values: self._writing().set_info(values))
            return self._info

    @info.setter
    def info(self, values: Mapping[str, Value]) -> None:
        with self._lock:
            self._info = None
            self.info.update(values)

    @property
    def tmpdir(self) -> Path:
        """A directory for files of the user, removed when the dataset is closed."""
        if self._tmpdir is None:
            import tempfile

            self._tmpdir = Path(tempfile.mkdtemp(prefix=f"starwhale-{self.name}-"))
        return self._tmpdir

    def exists(self) -> bool:
        """Whether the dataset has a version."""
        return self._shown() is not None

    def summary(self) -> dict[str, int]:
        """Rows, updated and deleted rows, bytes of large values, and how many of them the version added."""
        shown = self._shown()
        if shown is None:
            return dict.fromkeys(SUMMARY_KEYS, 0)
        return dict(shown.manifest["dataset_summary"])

    def statistics(
        self, columns: Sequence[str] | None = None, *, on_progress: OnProgress | None = None
    ) -> DatasetStatistics:
        """Say what is in each column, or in some: counts, distinct values, ranges, histograms, frequent values, balance, sizes.

        Those of a committed version are computed once and kept beside it; changes that are not committed are counted too.
        """
        from starwhale.datasets.statistics.kept import find_statistics

        return find_statistics(self._view(), columns, on_progress)

    def manifest(self) -> dict[str, Any]:
        """What `swcli dataset info` shows as the manifest."""
        shown = self._shown()
        return describe_version(shown)["manifest"] if shown else {}

    def history(self) -> list[dict[str, Any]]:
        """The versions, newest first."""
        bundle = self._bundle
        return describe_history(self._stores.versions.history(bundle.id)) if bundle else []

    def diff_to(self, other: Dataset, *, show_details: bool = False, limit: int = LIMIT) -> DatasetDiff:
        """Say what makes another dataset or version of this one, with the changes of both that are not committed."""
        found = diff_versions(self._view(), other._view(), show_details=show_details, limit=limit)
        found.base, found.compare = self.uri.full, other.uri.full
        return found

    # -------------------------------------------------------------------------------------------------------- writing

    def append(self, item: object) -> None:
        """Write a row: a DataRow, a dict or `(features,)` under the next integer key, or `(index, features)`."""
        if type(item) is dict:  # most rows are; the rest of the checks costs more than this
            features: Any = item  # Any: each value is looked at where it is gathered; a cast is a call, once per row
            (self._changes or self._writing()).append(features)
            return
        self._check_writable()
        parts = appended_parts(item)
        if len(parts) == 1:
            self._writing().append(parts[0])
        else:
            self._writing().put(parts[0], parts[1])

    def extend(self, items: Iterable[object]) -> None:
        """Append rows; a list of dicts with the same names is the fast way."""
        self._check_writable()
        if isinstance(items, (list, tuple)) and items and isinstance(items[0], dict):
            rows = cast("Sequence[Any]", items)  # Any: checked row by row where they are not alike
            if set(map(type, rows)) == {dict}:
                self._writing().extend(rows)
                return
        for item in items:
            self.append(item)

    def __setitem__(self, key: Key, value: object) -> None:
        self._writing().put(key, features_of(key, value))

    def __delitem__(self, key: Key | slice) -> None:
        changes = self._writing()
        if not isinstance(key, slice):
            changes.delete(key)
        elif key.step in (None, 1):
            changes.delete_range(*reading.slice_bounds(changes.snapshot(), key))
        else:
            for each in reading.slice_keys(changes.snapshot(), key):
                changes.delete(each)

    def put_columns(self, keys: Sequence[Key], columns: Mapping[str, Sequence[Value]]) -> None:
        """Write many rows that have the same features; a column is a list or an Arrow array, as long as `keys`."""
        self._writing().put_columns(keys, columns)

    def put_feature(self, key: Key, name: str, value: Value) -> None:
        """Write one feature of a row that was read; None hides it."""
        self._writing().put(key, {name: value})

    def clear(self) -> None:
        """Delete all rows."""
        self._writing().clear()

    def flush(self, artifacts_flush: bool = False) -> str:
        """Hand gathered rows to storage and return the id of the pending version."""
        del artifacts_flush
        if self._changes is not None:
            self._changes.flush()
        return self.pending_commit_version

    def with_builder_blob_config(
        self, volume_size: int | str | None = None, alignment_size: int | str | None = None
    ) -> Self:
        """Accept the layout options of old scripts, which mean nothing here: large values lie in packs without padding.

        Raises:
            UsageError: Rows were written before.
        """
        del volume_size, alignment_size
        if self.changed:
            message = "with_builder_blob_config was called after rows were written"
            raise UsageError(message, hint="call it right after opening the dataset")
        return self

    def commit(
        self,
        tags: Sequence[str] | None = None,
        message: str = "",
        force_add_tags: bool = False,
        ignore_add_tags_errors: bool = False,
    ) -> str:
        """Make the changes a version, once, and return its id.

        Args:
            tags: Tags of the version.
            message: Why.
            force_add_tags: Kept for servers; here a tag moves to the new version anyway.
            ignore_add_tags_errors: Leave out tags that break the naming rule instead of refusing.

        Raises:
            NothingToCommitError: Nothing was changed.
            ConflictError: Another writer changed the same rows.
        """
        del force_add_tags
        wanted = checked_tags(tags or (), ignore_errors=ignore_add_tags_errors)
        with self._lock:
            changes = self._writing()
            bundle = self._bundle
            if not changes.is_changed or bundle is None:
                text = f"dataset {self.name!r} has no change to commit"
                raise NothingToCommitError(text, hint="write, append or delete rows first")
            note = CommitNote(version=self.pending_commit_version, message=message, tags=wanted, build=self.build_facts)
            base = self._opened.version
            self._committed = commit_changes(self._stores, bundle, base, changes.commit(), note)
            self._reader = self._stores.open_reader(self._committed)
            self._changes = None
            return self._committed.version

    def close(self) -> None:
        """Drop what was not committed, with a warning that counts it, and remove temporary files; reading goes on."""
        with self._lock:
            changes, self._changes = self._changes, None
            self._info = None  # it refers to this object, which would be kept until cycles are looked for
            self._is_closed = True
            if self._tmpdir is not None:
                import shutil

                shutil.rmtree(self._tmpdir, ignore_errors=True)
                self._tmpdir = None
            if changes is None:
                return
            count, is_changed = changes.row_count, changes.is_changed
            changes.abort()
        if is_changed:
            what = "an uncommitted change of its info" if not count else f"{count} uncommitted changes of rows"
            what = "1 uncommitted change of rows" if count == 1 else what
            text = f"dataset {self.name!r} was closed with {what}, which {'are' if count > 1 else 'is'} dropped"
            warnings.warn(f"{text}; call commit() before close()", UncommittedChangesWarning, stacklevel=2)

    def abort(self) -> None:
        """Drop what was not committed, without a word."""
        with self._lock:
            changes, self._changes = self._changes, None
            if changes is not None:
                changes.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            # The error that is on its way says more than a warning would.
            self.abort()
        self.close()

    def __repr__(self) -> str:
        return f"Dataset({self.uri})"

    __str__ = __repr__

    # --------------------------------------------------------------------------------------------------------- inside

    def _rows_ref(self) -> RowsRef:
        """Refer to what reading sees, for whoever reads later or elsewhere."""
        reader, shown = self._view(), self._shown()
        if self.changed or shown is None:
            return UncommittedView(self.name, reader)
        return VersionRef(self.name, self._stores.ref, shown.bundle_id, shown.content_digest, reader=reader)

    def _shown(self) -> VersionRecord | None:
        return self._committed or self._opened.version

    def _view(self) -> DatasetReader:
        self._has_read = True
        changes = self._changes
        return changes.snapshot() if changes is not None and changes.is_changed else self._reader

    def _sink(self) -> RowSink:
        return self

    def _writing(self) -> Changes:
        with self._lock:
            self._check_writable()
            if self._changes is None:
                if self._bundle is None:
                    self._bundle = self._stores.bundles.ensure(self.project, "dataset", self.name)
                base = self._opened.version
                writer = self._stores.rows.begin(self._bundle.id, base.content_digest if base else None)
                self._changes = Changes(writer, self._reader, f"dataset {self.name!r}")
            return self._changes

    def _check_writable(self) -> None:
        if (
            self._readonly
            or self._opened.place
            or self._committed is not None
            or self._is_closed
            or not self._opened.is_newest
        ):
            raise refuse_change(self._opened, self._committed, is_readonly=self._readonly, is_closed=self._is_closed)
