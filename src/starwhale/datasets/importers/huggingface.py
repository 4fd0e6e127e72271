"""Hugging Face data sets as rows: repositories, folders of data files, and what `save_to_disk` wrote."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starwhale.datasets.importers.arrow_blocks import check_names, make_columns, rows_that_fit
from starwhale.datasets.importers.blocks import RowBlock
from starwhale.datasets.importers.hf_features import telling_features
from starwhale.datasets.importers.registry import Importer
from starwhale.errors import DatasetSourceError, MissingDependencyError, UsageError, nearest

SUBSET, SPLIT = "_hf_subset", "_hf_split"
"""Columns that say where a row comes from."""
NO_SUBSET, NO_SPLIT = "default", "train"
"""What the package itself calls the only subset and the only split."""
_UNREAD = {
    "pandas": "it holds pickles, which run code when they are read",
    "webdataset": "its reader runs code of pickled members; use --webdataset with its shards",
}
"""Readers of the package that are not used, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HuggingFaceOptions:
    """What of the repository is read."""

    subsets: tuple[str, ...] = ()
    """Names of subsets; none means all."""

    split: str | None = None
    """Name of one split; None means all."""

    revision: str = "main"
    """Branch, tag or commit of a repository."""

    cache: bool = True
    """Use what was fetched and prepared before."""

    add_info: bool = True
    """Add the columns `_hf_subset` and `_hf_split`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One split of one subset."""

    subset: str
    """Name of the subset."""
    split: str
    """Name of the split."""
    rows: Any
    """A `datasets.Dataset`."""

    @property
    def prefix(self) -> str:
        """What its keys begin with."""
        return f"{self.subset}/{self.split}/"


def read_huggingface(repo: str, options: HuggingFaceOptions | None = None) -> Iterator[RowBlock]:
    """Yield the rows of a repository, under `subset/split/position`, in the order of these keys.

    A class label has a column `<name>__classlabel__` with the name of its class beside it. Pictures, sounds and videos are kept as they
    are, not decoded. Code of a repository is never run.

    Args:
        repo: Name of a repository; or a folder: of data files, or written by `save_to_disk`, or of such folders, one per subset.
        options: What of it is read.

    Raises:
        MissingDependencyError: The package `datasets` is not installed.
        DatasetSourceError: It cannot be read, or has no such subset or split; those that it has are named.
    """
    options = options or HuggingFaceOptions()
    if Path(repo).is_dir() and options.revision != "main":
        message = f"{repo} is a folder, which has no revision {options.revision!r}"
        raise UsageError(message, hint="leave --revision out")
    parts = [part for subset in _subsets(repo, options) for part in subset]
    for part in sorted(parts, key=lambda each: each.prefix):
        yield from _blocks(part, repo, options)


def _subsets(repo: str, options: HuggingFaceOptions) -> Iterator[list[_Part]]:
    package = _package()
    folder = Path(repo)
    if _is_saved(folder):
        _choose(options.subsets, [NO_SUBSET], "subset", repo)
        yield _parts(package, repo, NO_SUBSET, _load_saved(package, folder), options)
        return
    saved = sorted(each.name for each in folder.iterdir() if _is_saved(each)) if folder.is_dir() else []
    if saved:
        for name in _choose(options.subsets, saved, "subset", repo):
            yield _parts(package, repo, name, _load_saved(package, folder / name), options)
        return
    for name in _choose(options.subsets, _config_names(package, repo, options), "subset", repo):
        yield _parts(package, repo, name, _load(package, repo, name, options), options)


def _is_saved(folder: Path) -> bool:
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def _load_saved(package: Any, folder: Path) -> Any:
    try:
        return package.load_from_disk(str(folder), keep_in_memory=False)
    except _errors(package) as error:
        raise _unreadable(str(folder), error) from error


def _config_names(package: Any, repo: str, options: HuggingFaceOptions) -> list[str]:
    try:
        return list(package.get_dataset_config_names(repo, revision=_revision(repo, options)))
    except _errors(package) as error:
        raise _unreadable(repo, error) from error


def _load(package: Any, repo: str, subset: str, options: HuggingFaceOptions) -> Any:
    mode = "reuse_dataset_if_exists" if options.cache else "force_redownload"
    try:
        builder = package.load_dataset_builder(repo, subset, revision=_revision(repo, options), download_mode=mode)
        reader = type(builder).__module__.rpartition(".")[2].partition("-")[0]
        if reader in _UNREAD:
            raise DatasetSourceError(
                f"{repo} is not read: {_UNREAD[reader]}", path=repo, hint="or export it to Parquet"
            )
        known = sorted(builder.info.splits or ())
        if options.split is not None and known:
            _choose((options.split,), known, "split", repo)
        with _quiet(package):
            builder.download_and_prepare(download_mode=mode)
        return builder.as_dataset()
    except DatasetSourceError:
        raise
    except _errors(package) as error:
        raise _unreadable(repo, error) from error


def _revision(repo: str, options: HuggingFaceOptions) -> str | None:
    return None if Path(repo).is_dir() else options.revision


def _parts(package: Any, repo: str, subset: str, loaded: Any, options: HuggingFaceOptions) -> list[_Part]:
    splits: Mapping[str, Any] = (
        loaded if isinstance(loaded, package.DatasetDict) else {str(loaded.split or NO_SPLIT): loaded}
    )
    wanted = None if options.split is None else (options.split,)
    shown = repo if subset == NO_SUBSET else f"{repo}, subset {subset!r},"
    return [
        _Part(subset=subset, split=name, rows=splits[name]) for name in _choose(wanted, list(splits), "split", shown)
    ]


def _choose(wanted: Sequence[str] | None, known: Sequence[str], what: str, repo: str) -> Sequence[str]:
    """Return what is wanted of what there is, all by default.

    Raises:
        DatasetSourceError: Something that is wanted is not there.
    """
    for name in wanted or ():
        if name not in known:
            listed = ", ".join(map(repr, known))
            near = nearest(name, known)
            hint = near if "did you mean" in near and len(known) > 3 else f"there is {listed}"
            raise DatasetSourceError(f"{repo} has no {what} {name!r}", path=repo, hint=hint)
    return list(dict.fromkeys(wanted)) if wanted else known


def _blocks(part: _Part, repo: str, options: HuggingFaceOptions) -> Iterator[RowBlock]:
    rows = part.rows
    count = len(rows)
    if not count:
        return
    features = telling_features(rows.features.to_dict())
    where = f"{repo} ({part.subset}, {part.split})"
    check_names(rows.column_names, where)
    arrow = rows.with_format("arrow")
    step = rows_that_fit(rows.data.nbytes / max(len(rows.data), 1))
    order = text_order(count)
    while positions := [position for _, position in zip(range(step), order, strict=False)]:
        table = arrow[positions].combine_chunks()
        columns = dict(make_columns(table, features, where, positions[0]))
        if options.add_info:
            columns |= {SUBSET: [part.subset] * len(positions), SPLIT: [part.split] * len(positions)}
        yield RowBlock([f"{part.prefix}{position}" for position in positions], columns)


def text_order(count: int) -> Iterator[int]:
    """Yield the numbers below `count` in the order of their texts, so that keys made of them come in key order.

    Example:
        >>> list(text_order(12))
        [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    if count:
        yield 0
    waiting = list(range(min(9, count - 1), 0, -1))
    while waiting:
        number = waiting.pop()
        yield number
        waiting.extend(range(min(number * 10 + 9, count - 1), number * 10 - 1, -1))


def _package() -> Any:
    try:
        return importlib.import_module("datasets")
    except ImportError as error:
        raise MissingDependencyError(
            "datasets", extra="huggingface", purpose="reading a Hugging Face data set"
        ) from error


@contextmanager
def _quiet(package: Any) -> Generator[None]:
    """Keep the package's own progress off the screen where there is no terminal, or nobody asked for it."""
    if sys.stderr.isatty() or package.are_progress_bars_disabled():
        yield
        return
    package.disable_progress_bars()
    try:
        yield
    finally:
        package.enable_progress_bars()


def _errors(package: Any) -> tuple[type[Exception], ...]:
    """What the package raises for a repository or a folder that it cannot read."""
    return (OSError, ValueError, LookupError, RuntimeError, TypeError, package.exceptions.DatasetsError)


def _unreadable(repo: str, error: Exception) -> DatasetSourceError:
    said = " ".join(str(error).split()) or type(error).__name__
    if "scripts are no longer supported" in said:
        return DatasetSourceError(
            f"{repo} is a script, and code of a repository is never run", path=repo, hint="convert it to Parquet first"
        )
    return DatasetSourceError(f"cannot read {repo}: {said}", path=repo)


def _read(places: Sequence[str], options: HuggingFaceOptions) -> Iterator[RowBlock]:
    if len(places) > 1:
        message = f"{len(places)} repositories are given, and a dataset is built of one"
        raise UsageError(message, hint="build them one after the other, with the same --name")
    return read_huggingface(places[0], options)


IMPORTER = Importer(read=_read, options=HuggingFaceOptions)
