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
    """A dataset that class methods build from a source; every one commits all rows as one version, or none."""

    @classmethod
    def from_dict_items(
        cls, records: Records, name: str, mode: str = "patch", tags: Sequence[str] | None = None, **layout: object
    ) -> Self:
        """Build a version from dicts, or pairs of index and dict."""
        del layout
        rows = ((None, each) if isinstance(each, Mapping) else tuple(each) for each in records)
        return cls._build(name, rows, mode, tags)

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
        """Build a version from JSON or JSON Lines: of `path` (file, directory, address, or several) or `text`."""
        from starwhale.datasets.importers import read_json_text

        del layout
        if (path is None) == (text is None):
            message = "from_json takes exactly one of path and text"
            raise UsageError(message, hint="give path='rows.json', or text='[…]'")
        if text is not None:
            return cls._build(name, read_json_text(text, field_selector=field_selector), mode, tags)
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
        """Build a version from CSV files, directories or addresses; all values are text."""
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
        """Build a version from the images, sounds or videos of a folder."""
        from starwhale.datasets.importers import read_folder

        del layout
        rows = read_folder(folder, getattr(kind, "value", kind), auto_label=auto_label)
        return cls._build(name or Path(folder).absolute().name, rows, mode, tags)

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
        """Build a version from Parquet files, directories or addresses; `columns` names those that are read, all by default."""
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
        """Build a version from Arrow IPC or Feather files, directories or addresses."""
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
        """Build a version from Lance data sets, of the version that is given, the newest by default."""
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
        """Build a version from COCO: a JSON file of instances, and the folder of its images."""
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
        """Build a version from tar shards of WebDataset; `shard_keys` puts the shard's name before each key."""
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
        """Build a version with an importer by its name, as `swcli dataset build --from` does; installed packages add importers."""
        from starwhale.datasets.importers import open_source

        given = [places] if isinstance(places, (str, Path)) else [*places]
        return cls._build(name, open_source(kind, [str(each) for each in given], options), mode, tags)

    @classmethod
    def _build(cls, name: str, rows: Any, mode: str, tags: Sequence[str] | None) -> Self:  # Any: rows of an importer
        made = default_instance().datasets.open(name, cls)
        from starwhale.datasets.build import build_version  # it brings the importers of every kind of source

        build_version(made, rows, mode=mode, tags=tags)
        return made
