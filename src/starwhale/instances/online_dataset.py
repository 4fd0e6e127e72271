"""What was tried online as a dataset: the rows that a job kept become a version, and what people said is right its labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starwhale.instances.instance import Instance


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltVersion:
    """A version that was made."""

    name: str
    """Name of the dataset."""
    uri: str
    """Full URI of the version."""
    version: str
    """Its whole id."""
    rows: int
    """How many rows it has."""


def build_from_job(instance: Instance, job: str, name: str) -> BuiltVersion:
    """Make a version of what a job kept; it replaces the rows of the version before it, which stays as it is.

    Args:
        instance: Where both lie.
        job: How the job is addressed; it may still be running.
        name: Name of the dataset.

    Raises:
        NotFoundError: There is no such job.
        StatusError: It has no rows.
        NothingToCommitError: The newest version has these very rows.
        InvalidNameError: No dataset can have that name.
    """
    from starwhale.datasets.build import build_version, refuse_none
    from starwhale.datasets.dataset import Dataset

    found = instance.jobs.get(job)
    rows = refuse_none(instance.jobs.labelled_rows(found.id), f"job {found.id[:12]}")
    made = instance.datasets.open(name, Dataset)
    made.build_facts = {"job": found.id}
    with made:
        count = build_version(made, rows, mode="overwrite")
        return BuiltVersion(name=made.name, uri=str(made.uri), version=made.committed_version, rows=count)
