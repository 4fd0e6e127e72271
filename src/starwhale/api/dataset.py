"""`dataset` and `Dataset`: the public face of datasets, over the default instance."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

from starwhale.api.dataset_sources import BuiltDataset
from starwhale.api.instance import default_instance
from starwhale.api.resource import Resource
from starwhale.datasets import dataset as opened
from starwhale.datasets import reading
from starwhale.datasets.describe import describe_version
from starwhale.datasets.diff import LIMIT, DatasetDiff
from starwhale.datasets.rows import DataRow, iterate_rows
from starwhale.domain.uri import Uri
from starwhale.errors import ArgumentTypeError, NotBuiltYetError, NothingToCommitError, UsageError
from starwhale.storage.part import PartDraft
from starwhale.storage.protocols import DatasetReader
from starwhale.storage.task_contract import SharedRows

if TYPE_CHECKING:
    from starwhale.datasets.verify import Verified
    from starwhale.handlers.context import Context


class Dataset(BuiltDataset):
    """A dataset; `dataset(uri)` opens one."""

    @classmethod
    def list(
        cls,
        project_uri: str = "",
        fullname: bool = False,
        show_removed: bool = False,
        page_index: int = 1,
        page_size: int = 20,
        name_prefix: str = "",
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Return one page of the newest version of each dataset, the newest first, and how many there are: `{"total": …}`.

        Args:
            project_uri: The project; the current one by default.
            fullname: Accepted for old scripts; versions are whole.
            show_removed: List a dataset whose newest version was removed by that version.
            page_index: Which page, from 1.
            page_size: Datasets of a page.
            name_prefix: Only names that begin so, in any case.

        Raises:
            UsageError: A page or its size is below 1.
            NotFoundError: There is no such project.
        """
        del fullname
        if page_index < 1 or page_size < 1:
            message = f"page_index is {page_index} and page_size {page_size}"
            raise UsageError(message, hint="both count from 1")
        verbs = default_instance().at(project_uri or "").datasets
        found = verbs.list(project_uri or None, name_prefix=name_prefix, with_removed=show_removed)
        page = found[(page_index - 1) * page_size : page_index * page_size]
        return [describe_version(each, path=verbs.folder(each)) for each in page], {"total": len(found)}

    def _repr_html_(self) -> str:
        from starwhale.api.notebook.html_view import dataset_html

        return dataset_html(self)

    def make_distributed_consumption(self, session_id: str, batch_size: int = 50) -> Self:
        """Share the rows with the other tasks of the step: each row comes to one of them.

        Asking for the next rows commits the ones before, with what was logged in between. Outside a task all rows come here.
        Of a dataset that the job was given, those rows come that `--dataset-head` and `--limit` leave; of others all.

        Raises:
            UsageError: The batch size is below 1.
        """
        from starwhale.handlers.context import find_runtime_context

        if batch_size < 1:
            message = f"batch_size is {batch_size}"
            raise UsageError(message, hint="use at least 1")
        context = find_runtime_context()
        if context is None or context.stores is None:
            return self.share_rows(reading.iterate)
        version = self.loading_version
        cut = {each.version: each.start + each.row_count for each in context.inputs}

        def share(reader: DatasetReader) -> Iterator[DataRow]:
            count = min(reader.row_count, cut.get(version, reader.row_count))
            return _leased(
                context, SharedRows(session=session_id, version=version, row_count=count, batch=batch_size), reader
            )

        return self.share_rows(share)

    def to_arrow(
        self, columns: Sequence[str] | None = None, drop_index: bool = False
    ) -> Any:  # Any: pyarrow has no types
        """Return the rows, or some features of them, as a `pyarrow.Table`; the keys are the column `index`."""
        from starwhale.datasets.ecosystem.arrow import to_arrow

        return to_arrow(self._view(), columns, drop_index=drop_index)

    def to_arrow_dataset(self, drop_index: bool = False) -> Any:  # Any: pyarrow has no types
        """Return a `pyarrow.dataset.Dataset` over the rows: DuckDB, Polars and others read from it the columns that they need."""
        from starwhale.datasets.ecosystem.lazy_arrow import LazyRows

        return LazyRows(self._rows_ref(), drop_index=drop_index)

    def to_pandas(
        self, columns: Sequence[str] | None = None, drop_index: bool = False
    ) -> Any:  # Any: pandas is optional
        """Return the rows, or some features of them, as a `pandas.DataFrame` with the keys as its index; media stay unread."""
        from starwhale.datasets.ecosystem.pandas_frame import to_pandas

        return to_pandas(self._view(), columns, drop_index=drop_index)

    def to_polars(
        self, columns: Sequence[str] | None = None, drop_index: bool = False, lazy: bool = False
    ) -> Any:  # Any: Polars is optional
        """Return the rows, or some features of them, as a `polars.DataFrame`, or a `LazyFrame` that reads what a query needs."""
        from starwhale.datasets.ecosystem.polars_frame import to_polars

        return to_polars(self._rows_ref(), columns, drop_index=drop_index, lazy=lazy)

    def query(self, sql: str) -> Any:  # Any: pyarrow has no types
        """Run one SELECT over the table `rows` with DuckDB, and return a `pyarrow.Table`; only the columns it needs are read."""
        from starwhale.datasets.ecosystem.duckdb_query import query

        return query(self._rows_ref(), sql)

    def to_parquet(
        self, path: str | os.PathLike[str], columns: Sequence[str] | None = None, drop_index: bool = False
    ) -> Path:
        """Write the rows, or some features of them, as one Parquet file, and return its path."""
        from starwhale.datasets.ecosystem.files import to_parquet

        return to_parquet(self._view(), path, columns, drop_index=drop_index)

    def to_csv(
        self, path: str | os.PathLike[str], columns: Sequence[str] | None = None, drop_index: bool = False
    ) -> Path:
        """Write the rows, or some features of them, as one CSV file, and return its path; bytes are refused by column."""
        from starwhale.datasets.ecosystem.files import to_csv

        return to_csv(self._view(), path, columns, drop_index=drop_index)

    def to_pytorch(
        self,
        transform: Any = None,
        drop_index: bool = True,
        skip_default_transform: bool = False,
        *,
        map_style: bool = False,
        columns: Sequence[str] | None = None,
        shuffle: bool = False,
        seed: int = 0,
        shard: tuple[int, int] = (0, 1),
    ) -> Any:  # Any: PyTorch is optional
        """Return a PyTorch dataset of the rows, each a dict of its features.

        Args:
            transform: Makes a sample of the features, after the default transform.
            drop_index: Whether a sample is the features alone, or the pair of index and features.
            skip_default_transform: Leave pictures, sounds and boxes as they are; by default they become tensors, binary and
                films bytes, and text str.
            map_style: Make a dataset with random access by rank, for samplers, in place of an iterable one.
            columns: Features to read; None for all.
            shuffle: Let `seed` and the epoch of `set_epoch(epoch)` decide the order of an iterable dataset.
            seed: Decides the order.
            shard: Which share of the rows, from 0, and of how many, for training in several processes.
        """
        from starwhale.datasets.ecosystem.pytorch import to_pytorch
        from starwhale.datasets.ecosystem.samples import Order, Shape

        shape = Shape(
            columns=columns,
            transform=transform,
            defaults=not skip_default_transform,
            drop_index=drop_index,
            adds=None if self._shares else self._transform,
        )
        order = Order(shuffle=shuffle, seed=seed, shard=shard)
        return to_pytorch(self._rows_ref(), shape, order, map_style=map_style, shared=self if self._shares else None)

    def to_tensorflow(self, drop_index: bool = True, *, columns: Sequence[str] | None = None) -> Any:
        """Return a `tf.data.Dataset` of the rows, with the signature of the first one; mixed lists are refused by column."""
        from starwhale.datasets.ecosystem.tensorflow_data import to_tensorflow

        return to_tensorflow(self._rows_ref(), columns, drop_index=drop_index)

    def to_huggingface(
        self, columns: Sequence[str] | None = None, drop_index: bool = False, streaming: bool = False
    ) -> Any:  # Any: the package is optional
        """Return the rows as a Hugging Face `Dataset`, or an `IterableDataset` that reads as it goes; pictures decode there."""
        from starwhale.datasets.ecosystem.huggingface_data import to_huggingface

        return to_huggingface(self._rows_ref(), columns, drop_index=drop_index, streaming=streaming)

    def copy(
        self,
        dest_uri: str,
        dest_local_project_uri: str = "",
        force: bool = False,
        mode: str = "",
        ignore_tags: Sequence[str] | None = None,
    ) -> Uri:
        """Copy the version to another name, project or instance, and return the URI of the copy; only what is not there is sent.

        Args:
            dest_uri: `.` for the same name, a new name, the URI of a project, or a whole URI without a version.
            dest_local_project_uri: Project of a destination that names none; the current one by default.
            force: Move tags that point at another version there.
            mode: Within an instance, "patch" (the default) merges rows into a dataset that is there, "overwrite" replaces them.
            ignore_tags: Tags that stay behind.

        Raises:
            NothingToCommitError: The dataset has no version yet; it is a RuntimeError too.
            AlreadyExistsError: A tag points at another version there.
        """
        if not self.exists():
            message = f"dataset {self.name!r} has no version to copy"
            raise NothingToCommitError(message, hint="call commit() first")
        from starwhale.instances.copy_across import CopyOptions

        options = CopyOptions(
            project=dest_local_project_uri,
            mode=str(getattr(mode, "value", mode)),
            ignore_tags=tuple(ignore_tags or ()),
            force=force,
        )
        return default_instance().copy("dataset", self.uri, dest_uri, options).version.uri

    def diff(
        self, compare: str | Resource | opened.Dataset, show_details: bool = False, limit: int = LIMIT
    ) -> DatasetDiff:
        """Say what makes another version of this one: rows, columns and cells.

        Args:
            compare: The other version, of this dataset or another: a URI, or an open dataset.
            show_details: List the changed cells too.
            limit: Keys per list and rows with details, at most.

        Returns:
            Counts and lists; `to_json()` gives them as plain objects.
        """
        is_open = isinstance(compare, opened.Dataset)
        other = compare if is_open else dataset(compare, create="forbid", readonly=True)
        try:
            return self.diff_to(other, show_details=show_details, limit=limit)
        finally:
            if not is_open:
                other.close()

    def export(self, path: str | os.PathLike[str], format: str = "archive", force: bool = False) -> Path:
        """Write the version to one file and return its path.

        Args:
            path: The file.
            format: "archive" (everything that belongs to the version, to be imported elsewhere), "parquet" or "csv".
            force: Replace a file that is there.

        Raises:
            NothingToCommitError: The dataset has no version yet.
            AlreadyExistsError: The file is there.
            CorruptedError: A file of the version is damaged.
        """
        if not self.exists():
            message = f"dataset {self.name!r} has no version to export"
            raise NothingToCommitError(message, hint="call commit() first")
        default_instance().at(self.uri).datasets.export(self.uri, Path(path), form=format, force=force)
        return Path(path)

    @classmethod
    def import_archive(cls, path: str | os.PathLike[str], name: str = "", force: bool = False) -> Self:
        """Make a version of an archive that `export` wrote, and open it; one that is there already is left as it is.

        Args:
            path: The archive.
            name: Name or URI of the dataset; the name that it had by default.
            force: Move tags that point at another version.

        Raises:
            CorruptedError: It is no archive, or not whole, or damaged; nothing is imported.
            AlreadyExistsError: A tag points at another version.
        """
        verbs = default_instance().datasets
        made = verbs.import_archive(Path(path), name, force=force)
        return verbs.open(made.version.uri.full, cls, create="forbid")

    def verify(self) -> Verified:
        """Read the whole version and name what is damaged, what is lost with it, and which versions need the same files.

        Raises:
            NothingToCommitError: The dataset has no version yet.
        """
        if not self.exists():
            message = f"dataset {self.name!r} has no version to verify"
            raise NothingToCommitError(message, hint="call commit() first")
        return default_instance().at(self.uri).datasets.verify(self.uri)

    def rehash(self) -> NoReturn:
        """Hash the content again (not built yet)."""
        raise _not_built("rehash", "every read verifies its checksums")

    def remove(self, force: bool = False) -> None:
        """Hide the version until it is recovered."""
        del force
        default_instance().at(self.uri).datasets.remove(self.uri)

    def recover(self, force: bool = False) -> None:
        """Bring the removed version back."""
        del force
        default_instance().at(self.uri).datasets.recover(self.uri)


def dataset(uri: str | Resource, create: str = "auto", readonly: bool = False) -> Dataset:
    """Open a dataset, or start one.

    Args:
        uri: Name, name with version, or URI.
        create: "auto" opens or starts empty, "empty" refuses one that exists, "forbid" one that does not.
        readonly: Refuse every write; the dataset has to exist.

    Raises:
        ArgumentTypeError: The URI is no text; it is a TypeError too.
        MissingDatasetError: The dataset does not exist, and may not be created.
        AlreadyExistsError: It exists, and `create` is "empty".
    """
    if isinstance(uri, Resource):
        if str(uri.typ) != "dataset":
            message = f"{uri.full_uri!r} is a {uri.typ}, not a dataset"
            raise ArgumentTypeError(message)
        tail = f"/version/{uri.version}" if uri.version else ""
        uri = f"{uri.instance}/project/{uri.project.name}/dataset/{uri.name}{tail}"
    if not isinstance(uri, str):
        message = f"the URI of a dataset is a str, not {type(uri).__name__}"
        raise ArgumentTypeError(message)
    return default_instance().at(uri).datasets.open(uri, Dataset, create=create, readonly=readonly)


def _leased(context: Context, shared: SharedRows, reader: DatasetReader) -> Iterator[DataRow]:
    stores, buffer = context.stores, context.log_buffer
    assert stores is not None  # noqa: S101 - the caller has looked
    # What is logged goes with the rows that it is about: an earlier commit of it would be hidden when the task is tried again.
    on_log, buffer.on_log = buffer.on_log, None
    try:
        done: PartDraft | None = None
        while (lease := stores.next_range(done, queue=shared.queue)) is not None:
            began = time.monotonic()
            yield from iterate_rows(reader.read(lease.start, lease.stop))
            rows, seconds = lease.stop - lease.start, time.monotonic() - began
            done = PartDraft(lease=lease, tables=buffer.drain(), rows_done=rows, took_s=seconds)
    finally:
        buffer.on_log = on_log


def _not_built(name: str, hint: str) -> NotBuiltYetError:
    return NotBuiltYetError(f"Dataset.{name} is not built yet", hint=hint)
