"""Datasets of the SDK that are built from other people's data: a class method for each kind of source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from starwhale.api.instance import default_instance
from starwhale.datasets import dataset as opened
from starwhale.errors import UsageError

Records = Iterable[Any]  # Any: dicts, or pairs of index and dict


class BuiltDataset(opened.Dataset):
    """A dataset that class methods build from a source; every one commits all rows as one version, or none, and a source without a row is refused."""

    @classmethod
    def from_dict_items(
        cls, records: Records, name: str, mode: str = "patch", tags: Sequence[str] | None = None, **layout: object
    ) -> Self:
        """Build a version from dicts, or pairs of index and dict.

        Args:
            records: The rows, which may be a generator: a dict is written under the next integer key, a pair under its index.
            name: Name of the dataset.
            mode: "patch" adds to the rows that are there, "overwrite" replaces them.
            tags: Tags of the version.
            layout: Accepted for old scripts.

        Returns:
            The dataset, at its new version.

        Raises:
            DatasetSourceError: There are no records.
            ArgumentTypeError: An index is neither int nor str, or of another type than those that are there.
            UnsupportedValueError: A value cannot be kept; it names column and row, and nothing is committed.
            UsageError: There is no such mode.
        """
        del layout
        rows = ((None, each) if isinstance(each, Mapping) else tuple(each) for each in records)
        return cls._build(name, rows, mode, tags, source="`records`")

    @classmethod
    def from_json(  # noqa: PLR0917 - the order that scripts rely on
        cls,
        name: str,
        path: Any = None,  # Any: a file, directory, address, or several
        text: str | None = None,
        field_selector: str = "",
        encoding: str | None = None,
        mode: str = "patch",
        tags: Sequence[str] | None = None,
        **layout: object,
    ) -> Self:
        """Build a version from JSON or JSON Lines; keys count from 0 over all files.

        Args:
            name: Name of the dataset.
            path: A file, a directory (and all below it), an http(s) address, or several of them.
            text: JSON text, in place of `path`.
            field_selector: Where the rows lie in a document: `a.b.c`; empty where it is a list of rows itself.
            encoding: Of files; None means UTF-8, with or without a byte order mark.
            mode: "patch" adds to the rows that are there, "overwrite" replaces them.
            tags: Tags of the version.
            layout: Accepted for old scripts.

        Returns:
            The dataset, at its new version.

        Raises:
            DatasetSourceError: A file is missing, unreadable or malformed, or there is no row; it names file and line, and nothing is committed.
            UsageError: Both or none of `path` and `text` are given, or there is no such mode.
        """
        from starwhale.datasets.importers import read_json_text

        del layout
        if (path is None) == (text is None):
            message = "from_json takes exactly one of path and text"
            raise UsageError(message, hint="give path='rows.json', or text='[…]'")
        if text is not None:
            return cls._build(name, read_json_text(text, field_selector=field_selector), mode, tags, source="`text`")
        options = {"field_selector": field_selector, "encoding": encoding}
        return cls.from_source("json", path, name, mode, tags, **options)

    @classmethod
    def from_csv(  # noqa: PLR0917 - the order that scripts rely on
        cls,
        path: Any,  # Any: a file, directory, address, or several
        name: str,
        dialect: str = "excel",
        delimiter: str = ",",
        quotechar: str = '"',
        skipinitialspace: bool = False,
        strict: bool = False,
        encoding: str | None = None,
        mode: str = "patch",
        tags: Sequence[str] | None = None,
        **layout: object,
    ) -> Self:
        """Build a version from CSV; the first line names the features, all values are text, keys count from 0 over all files.

        Args:
            path: A file, a directory (and all below it), an http(s) address, or several of them.
            name: Name of the dataset.
            dialect: "excel", "excel-tab" or "unix".
            delimiter: Between fields; a comma leaves it to the dialect.
            quotechar: Around fields.
            skipinitialspace: Drop spaces after a delimiter.
            strict: Refuse quotes in the wrong place.
            encoding: None means UTF-8, with or without a byte order mark.
            mode: "patch" adds to the rows that are there, "overwrite" replaces them.
            tags: Tags of the version.
            layout: Accepted for old scripts.

        Returns:
            The dataset, at its new version.

        Raises:
            DatasetSourceError: A file is missing, unreadable or malformed, or there is no row; it names file and line, and nothing is committed.
            UsageError: There is no such mode.
        """
        del layout
        options = {
            "dialect": dialect,
            "delimiter": delimiter,
            "quotechar": quotechar,
            "skipinitialspace": skipinitialspace,
            "strict": strict,
            "encoding": encoding,
        }
        return cls.from_source("csv", path, name, mode, tags, **options)

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        kind: Any,  # Any: a word, or a member of the old enumeration
        name: str = "",
        auto_label: bool = True,
        mode: str = "patch",
        tags: Sequence[str] | None = None,
        **layout: object,
    ) -> Self:
        """Build a version from the images, sounds or videos of a folder and all below it; keys are paths relative to the folder.

        Features are `file_name`, `file`, `label` (see `auto_label`), `caption` (of a `.txt` beside the file) and the columns of
        `metadata.csv` or `metadata.jsonl` in the folder, matched by `file_name`.

        Args:
            folder: The folder.
            kind: "image", "audio" or "video".
            name: Name of the dataset; that of the folder by default.
            auto_label: Make the name of the directory in which a file lies its label, except directly in the folder.
            mode: "patch" adds to the rows that are there, "overwrite" replaces them.
            tags: Tags of the version.
            layout: Accepted for old scripts.

        Returns:
            The dataset, at its new version.

        Raises:
            DatasetSourceError: The folder is missing or has no such file, or its metadata is malformed or names a missing file.
            UsageError: There is no such mode.
        """
        from starwhale.datasets.importers import read_folder

        del layout
        rows = read_folder(folder, getattr(kind, "value", kind), auto_label=auto_label)
        return cls._build(name or Path(folder).absolute().name, rows, mode, tags, source=str(folder))

    @classmethod
    def from_huggingface(  # noqa: PLR0917 - the order that scripts rely on
        cls,
        name: str,
        repo: str,
        subsets: Sequence[str] | str | None = None,
        split: str | None = None,
        revision: str = "main",
        cache: bool = True,
        add_info: bool = True,
        mode: str = "patch",
        tags: Sequence[str] | None = None,
        **layout: object,
    ) -> Self:
        """Build a version from a Hugging Face repository, or a folder of its package `datasets`; keys are `subset/split/position`.

        Args:
            name: Name of the dataset.
            repo: Name of the repository, or the folder.
            subsets: Names of subsets; all by default.
            split: Name of one split; all by default.
            revision: Branch, tag or commit of a repository.
            cache: Use what was fetched and prepared before.
            add_info: Add the columns `_hf_subset` and `_hf_split`.
            mode: "patch" adds to the rows that are there, "overwrite" replaces them.
            tags: Tags of the version.
            layout: Accepted for old scripts.

        Returns:
            The dataset, at its new version.

        Raises:
            MissingDependencyError: The package `datasets` is not installed.
            DatasetSourceError: It cannot be read, or has no such subset or split; those that it has are named.
            UsageError: There is no such mode.
        """
        del layout
        options = {
            "subsets": (subsets,) if isinstance(subsets, str) else tuple(subsets or ()),
            "split": split,
            "revision": revision,
            "cache": cache,
            "add_info": add_info,
        }
        return cls.from_source("huggingface", repo, name, mode, tags, **options)

    @classmethod
    def from_parquet(
        cls,
        path: Any,  # Any: a file, directory, address, or several
        name: str,
        columns: Sequence[str] = (),
        mode: str = "patch",
        tags: Sequence[str] | None = None,
    ) -> Self:
        """Build a version from Parquet; keys count from 0 over all files.

        Args:
            path: A file, a directory (and all below it), an http(s) address, or several of them.
            name: Name of the dataset.
            columns: Names of the columns that are read; all by default.
            mode: "patch" adds to the rows that are there, "overwrite" replaces them.
            tags: Tags of the version.

        Returns:
            The dataset, at its new version.

        Raises:
            DatasetSourceError: A file is missing, damaged or of another kind, has no such column, or holds a value that cannot be kept;
                it names file, column and row, and nothing is committed.
            UsageError: There is no such mode.
        """
        return cls.from_source("parquet", path, name, mode, tags, columns=tuple(columns))

    @classmethod
    def from_arrow(
        cls,
        path: Any,  # Any: a file, directory, address, or several
        name: str,
        columns: Sequence[str] = (),
        mode: str = "patch",
        tags: Sequence[str] | None = None,
    ) -> Self:
        """Build a version from Arrow IPC or Feather; keys count from 0 over all files.

        Args:
            path: A file, a directory (and all below it), an http(s) address, or several of them.
            name: Name of the dataset.
            columns: Names of the columns that are read; all by default.
            mode: "patch" adds to the rows that are there, "overwrite" replaces them.
            tags: Tags of the version.

        Returns:
            The dataset, at its new version.

        Raises:
            DatasetSourceError: A file is missing, damaged or of another kind, has no such column, or holds a value that cannot be kept;
                it names file, column and row, and nothing is committed.
            UsageError: There is no such mode.
        """
        return cls.from_source("arrow", path, name, mode, tags, columns=tuple(columns))

    @classmethod
    def from_lance(
        cls,
        path: Any,  # Any: a folder, or several
        name: str,
        columns: Sequence[str] = (),
        version: int = 0,
        mode: str = "patch",
        tags: Sequence[str] | None = None,
    ) -> Self:
        """Build a version from Lance data sets, in the order in which rows were added; keys count from 0 over all of them.

        Args:
            path: The folder of a data set, or several.
            name: Name of the dataset.
            columns: Names of the columns that are read; all by default.
            version: Version of the data sets; 0 means the newest.
            mode: "patch" adds to the rows that are there, "overwrite" replaces them.
            tags: Tags of the version.

        Returns:
            The dataset, at its new version.

        Raises:
            MissingDependencyError: The package `pylance` is not installed.
            DatasetSourceError: A data set cannot be read, has no such column or version, or holds a value that cannot be kept.
            UsageError: There is no such mode.
        """
        return cls.from_source("lance", path, name, mode, tags, columns=tuple(columns), version=version)

    @classmethod
    def from_coco(
        cls,
        annotations: Any,  # Any: a file, or several
        name: str,
        images: str | Path = "",
        mode: str = "patch",
        tags: Sequence[str] | None = None,
    ) -> Self:
        """Build a version from COCO: a row for each image, under its `file_name`.

        Args:
            annotations: A JSON file of instances, or several.
            name: Name of the dataset.
            images: Folder of the images; by default where COCO has it: beside the annotations, or `../<split>`.
            mode: "patch" adds to the rows that are there, "overwrite" replaces them.
            tags: Tags of the version.

        Returns:
            The dataset, at its new version.

        Raises:
            DatasetSourceError: A file is missing, malformed or no COCO, two images have one name or id, or an annotation names an image
                or category that is not there; it names file and line, and nothing is committed.
            UsageError: There is no such mode.
        """
        return cls.from_source("coco", annotations, name, mode, tags, images=str(images))

    @classmethod
    def from_webdataset(
        cls,
        shards: Any,  # Any: a file, directory, address or pattern of braces, or several
        name: str,
        shard_keys: bool = False,
        mode: str = "patch",
        tags: Sequence[str] | None = None,
    ) -> Self:
        """Build a version from tar shards of WebDataset: a row for each sample, with a feature for each of its extensions.

        Args:
            shards: A file, a directory, an http(s) address, a pattern such as `train-{000..099}.tar`, or several.
            name: Name of the dataset.
            shard_keys: Put the name of the shard before each key, for shards that use the same keys.
            mode: "patch" adds to the rows that are there, "overwrite" replaces them.
            tags: Tags of the version.

        Returns:
            The dataset, at its new version.

        Raises:
            DatasetSourceError: A shard is missing, damaged or cut off, or a member cannot be read; nothing is committed.
            UsageError: There is no such mode.
        """
        return cls.from_source("webdataset", shards, name, mode, tags, shard_keys=shard_keys)

    @classmethod
    def from_source(
        cls,
        kind: str,
        places: Any,  # Any: whatever places are for the importer, one or several
        name: str,
        mode: str = "patch",
        tags: Sequence[str] | None = None,
        **options: object,
    ) -> Self:
        """Build a version with an importer by its name, as `swcli dataset build --from` does; installed packages add importers.

        Args:
            kind: Name of the importer: "csv", "json", "parquet", "arrow", "lance", "coco", "webdataset", "huggingface", …
            places: What it reads, one or several: files, folders, addresses, whatever they are for it.
            name: Name of the dataset.
            mode: "patch" adds to the rows that are there, "overwrite" replaces them.
            tags: Tags of the version.
            options: Those of the importer, by name.

        Returns:
            The dataset, at its new version.

        Raises:
            UsageError: There is no such importer, option or mode, or no place is given; the nearest names are said.
            DatasetSourceError: Something cannot be read or kept; nothing is committed.
        """
        from starwhale.datasets.importers import open_source

        given = [places] if isinstance(places, (str, Path)) else [*places]
        texts = [str(each) for each in given]
        return cls._build(name, open_source(kind, texts, options), mode, tags, source=", ".join(texts))

    @classmethod
    def _build(  # Any: rows of an importer
        cls, name: str, rows: Any, mode: str, tags: Sequence[str] | None, *, source: str
    ) -> Self:
        made = default_instance().at(name).datasets.open(name, cls)
        from starwhale.datasets.build import build_version, refuse_none  # they bring the importers of every kind

        build_version(made, refuse_none(rows, source), mode=mode, tags=tags)
        return made
