"""Which row a result is of: made and taken apart here alone.

- the id in the results of a job: `<project>/<dataset>[@<version>]_#@#_<key>[_#@#_<step>]`; the version where two of one name are in the job, the step
  from the second one with rows on
- the same row in every job: `<dataset>_#@#_<key>`; `<dataset>@<version>_#@#_<key>` where one of the jobs has two datasets of the name
- its address, which people type: `<dataset>[@<version>]:<key>`
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from starwhale.domain.job import DatasetInput

SEPARATOR = "_#@#_"
Key = int | str
"""Key of a row in its dataset, or an id."""


def make_row_id(dataset: DatasetInput, key: Key, step: str = "") -> str:
    """Return the id of a row in the results of a job.

    Args:
        dataset: The row's, as the job has it.
        key: The row's.
        step: `Step.id_step` of the step that tried the row.
    """
    return f"{dataset.project}/{dataset.name}{dataset.id_suffix}{SEPARATOR}{key}{SEPARATOR + step if step else ''}"


def id_ends(dataset: DatasetInput, step: str = "") -> tuple[str, str]:
    """Return what stands before and behind the key in the ids of a dataset's rows; for many ids at once."""
    return f"{dataset.project}/{dataset.name}{dataset.id_suffix}{SEPARATOR}", f"{SEPARATOR}{step}" if step else ""


def is_row_id(value: object) -> bool:
    """Whether a value is the id of a row rather than its key."""
    return isinstance(value, str) and SEPARATOR in value


def is_row_of(value: object, datasets: Iterable[DatasetInput]) -> bool:
    """Whether a value is the id of a row of one of these datasets."""
    return isinstance(value, str) and any(value.startswith(id_ends(each)[0]) for each in datasets)


def find_key(value: object, dataset: DatasetInput, step: str = "") -> str | None:
    """Return the key, as text, in the id of a row of a dataset that a step has tried; None where it is none."""
    head, tail = id_ends(dataset, step)
    if not isinstance(value, str) or not value.startswith(head) or not value.endswith(tail):
        return None
    return value[len(head) : len(value) - len(tail)]


def head_of(value: object) -> str:
    """Return what stands before the key in an id, which ids of one dataset have in common; a logged id as it is."""
    return str(value).partition(SEPARATOR)[0]


def told_apart(datasets_of_jobs: Iterable[Iterable[DatasetInput]]) -> frozenset[str]:
    """Return names of datasets that one of some jobs reads twice, in two versions or of two projects: their rows are called by version too."""
    found: set[str] = set()
    for datasets in datasets_of_jobs:
        counts = Counter(each.name for each in datasets)
        found |= {name for name, count in counts.items() if count > 1}
    return frozenset(found)


def across_jobs(value: Key, datasets: Iterable[DatasetInput], apart: frozenset[str] = frozenset()) -> Key:
    """Return what a row is called in every job: its project is no part of that, nor its version where one alone was read.

    Args:
        value: The id in the results of one job; one that was logged, and is of no row, stays as it is.
        datasets: Those of the job.
        apart: Names of datasets whose versions are different rows, of `told_apart`.
    """
    for each in datasets:
        head, _ = id_ends(each)
        if isinstance(value, str) and value.startswith(head):
            return called_across_jobs(each, value[len(head) :], apart)
    return value


def called_across_jobs(dataset: DatasetInput, key: Key, apart: frozenset[str] = frozenset()) -> str:
    """Return what a row is called in every job, from its key."""
    return f"{_shared_name(dataset, apart)}{SEPARATOR}{key}"


def ids_in_job(value: Key, datasets: Iterable[DatasetInput]) -> list[Key]:
    """Return the ids that a row may have in the results of a job: undoes `across_jobs`."""
    found: list[Key] = []
    for each in datasets:
        for name in (each.name, _shared_name(each, frozenset({each.name}))):
            head = f"{name}{SEPARATOR}"
            if isinstance(value, str) and value.startswith(head):
                found.append(id_ends(each)[0] + value[len(head) :])
    return [*found, value]


def _shared_name(dataset: DatasetInput, apart: frozenset[str]) -> str:
    return f"{dataset.name}@{dataset.version[:12]}" if dataset.name in apart else dataset.name


def row_label(dataset: DatasetInput, keys: Sequence[Key]) -> str:
    """Name rows that follow each other for people: `numbers: 3`, or `numbers: 3 to 7`."""
    return f"{dataset.name}: {keys[0]}" + (f" to {keys[-1]}" if len(keys) > 1 else "")


def row_address(dataset: DatasetInput, key: Key) -> str:
    """Return the address of a row among the datasets of its job."""
    return f"{dataset.name}{dataset.id_suffix}:{key}"


def address_of(value: Key, key: Key | None = None) -> str:
    """Return the address of the row that an id is of.

    Args:
        value: The id.
        key: The row's key where it is known; from the second step on the id has more behind it.
    """
    head, _, rest = str(value).partition(SEPARATOR)
    return f"{head.rpartition('/')[2]}:{rest if key is None else key}"


def key_at(address: str, dataset: DatasetInput) -> str | None:
    """Return the key, as text, in the address of a row of a dataset; None where it is another's."""
    head = row_address(dataset, "")
    return address[len(head) :] if address.startswith(head) else None


def key_in(address: str) -> str:
    """Return the key, as text, in an address: what stands behind the name of the dataset."""
    return address.partition(":")[2]


def typed_key(typed: str, dataset: DatasetInput) -> str:
    """Return the key that `NAME:KEY` means in a dataset, in any case and with the name as it was given; empty where it means another."""
    for name in (f"{dataset.name}@{dataset.version[:12]}", dataset.given, dataset.name):
        if typed.casefold().startswith(f"{name.casefold()}:"):
            return typed[len(name) + 1 :]
    return ""
