"""What of an instance's stores is served to other programs: the catalog's contract, and contents by digest.

Whatever is sent twice changes nothing the second time: contents are named by what they are, and an operation that changes the catalog is
answered from memory when it comes again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from starwhale.errors import AlreadyExistsError, ConflictError, ContentError, CorruptedError, UsageError
from starwhale.instances.hold_blobs import hold_blobs
from starwhale.instances.served_datasets import ServedDatasets
from starwhale.instances.served_jobs import ServedJobs
from starwhale.instances.served_results import ServedResults
from starwhale.instances.uploads import Uploads
from starwhale.models.listing import read_listing
from starwhale.storage.blobs.digests import check_digest
from starwhale.storage.catalog.contract import MOST_JOBS, Operation
from starwhale.storage.catalog.job_records import JobRecord
from starwhale.storage.catalog.records import VersionRecord

if TYPE_CHECKING:
    from pathlib import Path

    from starwhale.instances.jobs.verbs import JobVerbs
    from starwhale.storage.catalog.contract import (
        BundlesContract,
        JobsContract,
        LedgerContract,
        ProjectsContract,
        TagsContract,
        VersionsContract,
    )
    from starwhale.storage.catalog.records import BundleRecord, VersionDraft
    from starwhale.storage.stores import Stores

REMEMBERED = 10_000
"""Answers that are kept for requests that come again."""


class ServedStores:
    """The stores of a root, as others ask for them; safe to use from several threads."""

    def __init__(self, stores: Stores, jobs: JobVerbs) -> None:
        self._stores = stores
        self._replays = Replays()
        self.uploads = Uploads(stores.layout.tmp)
        """Contents that are on their way."""
        self.datasets = ServedDatasets(stores, self.uploads)
        """Files of datasets."""
        self.jobs = ServedJobs(jobs, self.uploads, stores.layout)
        """Jobs as archives, and their logs."""
        self.results = ServedResults(stores)
        """What jobs and evaluations found."""

    @cached_property
    def _parts(self) -> Mapping[str, Any]:  # Any: contracts of several classes
        catalog = self._stores.catalog
        projects: ProjectsContract = catalog.projects
        bundles: BundlesContract = catalog.bundles
        versions: VersionsContract = catalog.versions
        tags: TagsContract = catalog.tags
        jobs: JobsContract = catalog.jobs
        ledger: LedgerContract = catalog.ledger
        return {
            "projects": projects,
            "bundles": bundles,
            "versions": versions,
            "tags": tags,
            "jobs": jobs,
            "ledger": ledger,
        }

    def ask_catalog(self, operation: Operation, given: Mapping[str, Any], key: str = "") -> Any:  # Any: as the contract
        """Do an operation of the catalog.

        Args:
            operation: Which.
            given: Values of its parameters, by name.
            key: Names the request; one that comes again is answered as it was.

        Raises:
            StarwhaleError: As the catalog says.
            UsageError: A number is larger than a database holds, or too many jobs are asked for.
        """

        def make() -> Any:
            try:
                if (operation.part, operation.name) == ("versions", "add"):
                    return self._add_version(**given)
                if (operation.part, operation.name) == ("jobs", "list") and not 0 <= given["limit"] <= MOST_JOBS:
                    message = f"{given['limit']} jobs are asked for at once"
                    raise UsageError(message, hint=f"ask for {MOST_JOBS} at most, with an offset for those behind them")
                return getattr(self._parts[operation.part], operation.name)(**self._real(given))
            except OverflowError as error:  # of the database
                raise UsageError("a number has more than 64 bits", hint="give a smaller one") from error

        if not key or not operation.changes:
            return make()
        return self._replays.answer(f"{operation.part}/{operation.name}/{key}", make, asked=given)

    def append_results(self, owner: str, holder: str, body: bytes, key: str = "") -> int:
        """Commit rows of tables, and return the number of the commit.

        Args:
            owner: Whose they are.
            holder: Who writes.
            body: A message with the part.
            key: Names the request; one that comes again is answered as it was.

        Raises:
            UsageError: The body is no such message.
            ContentError: A table in it is damaged; nothing is kept.
        """

        def make() -> int:
            return self.results.append(owner, holder, body)

        asked = [owner, holder, blake3(body).digest()]
        return self._replays.answer(f"results/{key}", make, asked=asked) if key else make()

    def lacking(self, digests: Sequence[str]) -> list[str]:
        """Return those digests that nothing has, or nothing that is what it was; what is there counts as new."""
        with hold_blobs(self._stores):
            return [each for each in digests if not self._stores.blobs.is_intact(each)]

    def blob_path(self, digest: str) -> Path:
        """Return the file of a blob.

        Raises:
            NotFoundError: Nothing has that digest.
            UsageError: It is no digest.
        """
        return self._stores.blobs.path(digest)

    def blob_size(self, digest: str) -> int | None:
        """Return the bytes of a blob; None when nothing has that digest."""
        return self._stores.blobs.size_of(digest)

    def put_blob(self, digest: str, content: bytes) -> None:
        """Keep a content that came whole.

        Raises:
            ContentError: It has another digest; nothing is kept.
        """
        found = blake3(content).hexdigest()
        if found != digest:
            raise differs(digest, found)
        self._stores.blobs.put(content)

    def finish_blob(self, digest: str) -> None:
        """Keep a content that was uploaded.

        Raises:
            ContentError: It has another digest; nothing of it is kept.
            NotFoundError: Nothing was uploaded.
        """
        if self._stores.blobs.is_intact(digest):  # it was kept, and the answer was lost
            self.uploads.drop(digest)
            return
        with self.uploads.finished(digest) as path:
            self._stores.blobs.take_in(path, digest)

    def _real(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Put a version or a job as the catalog knows it in the place of what a request says of it."""
        versions: VersionsContract = self._parts["versions"]
        jobs: JobsContract = self._parts["jobs"]

        def real(each: Any) -> Any:  # Any: values of parameters
            if isinstance(each, VersionRecord):
                return versions.get(each.version)
            return jobs.find(each.id) if isinstance(each, JobRecord) else each

        return {name: real(each) for name, each in given.items()}

    def _add_version(
        self, bundle: BundleRecord, draft: VersionDraft, *, expected_latest: str | None = None
    ) -> VersionRecord:
        """Commit a version whose content is there; one that is there already is the answer."""
        with hold_blobs(self._stores):
            self._check_content(bundle, draft)
            versions: VersionsContract = self._parts["versions"]
            try:
                return versions.add(bundle, draft, expected_latest=expected_latest)
            except AlreadyExistsError:
                there = versions.get(draft.version)
                if (there.bundle_id, there.content_digest) != (bundle.id, draft.content_digest):
                    raise
                return there

    def _check_content(self, bundle: BundleRecord, draft: VersionDraft) -> None:
        """Refuse a version of which something is not there: every byte was verified when it came, or is when it is read."""
        try:
            if bundle.kind == "dataset":
                self._stores.datasets.check_present(bundle.id, check_digest(draft.content_digest))
                return
            blobs = self._stores.blobs
            for entry in read_listing(blobs, check_digest(draft.content_digest)).files:
                if blobs.size_of(entry.digest) != entry.size:
                    raise CorruptedError(f"the content of {entry.path!r} is not on the server", path=entry.path)
        except CorruptedError as error:
            hint = "copy the version again: only what is missing is sent"
            raise ContentError(error.message, path=error.path, hint=hint) from error


class Replays:
    """Answers of requests that may come again, by the names of the requests."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._answers: OrderedDict[str, tuple[Any, Any]] = OrderedDict()  # Any: what was asked, and answered
        self._busy: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def answer(self, key: str, make: Callable[[], Any], *, asked: object = None) -> Any:
        """Return what was answered to a request of that name, else make the answer; an error is no answer.

        Args:
            key: Names the request.
            make: Makes the answer.
            asked: What is asked for.

        Raises:
            ConflictError: Another request had that name.
        """
        with self._lock:
            busy = self._busy.setdefault(key, threading.Lock())
        with busy:
            try:
                with self._lock:
                    known = self._answers.get(key)
                if known is not None:
                    if known[0] != asked:
                        message = "another request had this Idempotency-Key"
                        raise ConflictError(message, hint="give each request a key of its own")
                    return known[1]
                found = make()
                with self._lock:
                    self._answers[key] = asked, found
                    while len(self._answers) > self._most:
                        self._answers.popitem(last=False)
            finally:
                with self._lock:
                    self._busy.pop(key, None)
            return found


def differs(digest: str, found: str) -> ContentError:
    """Say that what came is not what was said."""
    message = f"what came has the digest {found[:12]}…, and should have {digest[:12]}…"
    return ContentError(message, hint="it is not kept; send it again")


__all__ = ["Replays", "ServedStores", "differs"]
