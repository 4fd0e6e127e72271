"""The server's side of workers elsewhere: what a token may ask for, and who answers.

What is kept here can be made again from the catalog at any moment: a server that was killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starwhale.domain.attempt_name import attempt_key, task_place
from starwhale.domain.job import Task, TaskUpdate
from starwhale.errors import CorruptedError, LoginError, NotFoundError, UsageError
from starwhale.storage.carriers.answer import answer_request
from starwhale.storage.part import RequestMark
from starwhale.storage.task_side import JobSide, LocalTaskStores

if TYPE_CHECKING:
    from starwhale.models.listing import Listing
    from starwhale.storage.catalog.task_access import AttemptAccess
    from starwhale.storage.stores import Stores

logger = logging.getLogger(__name__)
MOST_ATTEMPTS = 1024
"""Attempts whose side of the stores is kept open; another one is opened again when it asks."""
MOST_JOBS = 64
"""The same for jobs, with their datasets."""
PIECE_BYTES = 8 << 20
"""Bytes of a file that one answer holds, at most."""
Answer = tuple[Any, list[bytes | memoryview]]  # Any: a JSON value


class TaskDesk:
    """Answers all workers of one instance that ask over a network; safe with threads."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._lock = threading.Lock()
        self._open: OrderedDict[str, LocalTaskStores] = OrderedDict()
        self._sides: OrderedDict[str, JobSide] = OrderedDict()
        self._notes: dict[str, int] = {}

    def admit(self, token: str) -> AttemptAccess:
        """Return what a token gives the right to.

        Raises:
            LoginError: It gives none, or none any more.
        """
        found = self._stores.catalog.access.find(token_digest(token))
        if found is None:
            message = "this token is good for no task, or no more: its attempt has ended, or another one was begun"
            raise LoginError(message, hint="the driver of the job makes a new one for each attempt")
        return found

    def answer(self, access: AttemptAccess, header: Mapping[str, Any], blobs: list[memoryview]) -> Answer:
        """Do what a request asks for.

        Args:
            access: Who asks.
            header: The request.
            blobs: Its byte strings.

        Raises:
            StarwhaleError: Whatever the stores raise.
            UsageError: The request does not fit what it asks for.
        """
        try:
            return self._answer(access, dict(header), blobs)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            if isinstance(error, UsageError | NotFoundError):
                raise
            holder = attempt_key(access.task_id, access.attempt)
            logger.warning(
                "op=%s attempt=%s: does not fit", header.get("op"), holder, exc_info=error
            )  # or it is our mistake
            message = f"the request {header.get('op')!r} does not fit: {type(error).__name__}: {error}"
            raise UsageError(message, hint="worker and server may be of different versions") from error

    def _answer(self, access: AttemptAccess, header: dict[str, Any], blobs: list[memoryview]) -> Answer:
        stores = self._stores_of(access)
        match header["op"]:
            case "renew":
                return self._renew(access), []
            case "end":
                self._end(access, TaskUpdate.from_json(header["update"]))
                return None, []
            case "files":
                return self._files(access), []
            case "file":
                return self._file(access, header["digest"], header["offset"])
            case "log":
                return stores.log_from(int(header["offset"]), bytes(blobs[0])), []
            case "note":
                self._note(stores, header)
                return None, []
            case "next_range" | "commit" | "split":
                mark = RequestMark(number=int(header["number"]), answered=int(header["answered"]))
                return answer_request(stores, header, blobs, mark)
            case _:
                return answer_request(stores, header, blobs)

    def _renew(self, access: AttemptAccess) -> dict[str, Any]:  # Any: a JSON object
        """Take note that a worker lives, put the end of its leases off, and say whether anybody still waits for it."""
        catalog = self._stores.catalog
        catalog.access.seen(access.task_id, access.attempt)
        catalog.ledger.renew(access.job_id, attempt_key(access.task_id, access.attempt), access.lease_s)
        job = catalog.jobs.get(access.job_id)
        return {"stop": access.wants_stop, "alone": job.driver is not None and not catalog.jobs.is_driven(job)}

    def _end(self, access: AttemptAccess, update: TaskUpdate) -> None:
        if (update.task_id, update.attempt) != (access.task_id, access.attempt):
            message = f"attempt {update.attempt} of task {update.task_id} is not that of the token"
            raise UsageError(message)
        self._stores.catalog.access.end(update)

    def _note(self, stores: LocalTaskStores, header: Mapping[str, Any]) -> None:  # Any: a JSON object
        number = int(header["number"])
        with self._lock:
            if number <= self._notes.get(stores.holder, 0):
                return  # an older one that comes late
            self._notes[stores.holder] = number
        stores.note(str(header["text"]))

    def _stores_of(self, access: AttemptAccess) -> LocalTaskStores:
        holder = attempt_key(access.task_id, access.attempt)
        with self._lock:
            found = self._open.get(holder)
            if found is None:
                found = self._open_stores(access)
                self._open[holder] = found
            self._open.move_to_end(holder)
            while len(self._open) > MOST_ATTEMPTS:
                gone, _ = self._open.popitem(last=False)
                self._notes.pop(gone, None)
            return found

    def _open_stores(self, access: AttemptAccess) -> LocalTaskStores:
        side = self._side(access.job_id)
        position, index = task_place(access.task_id)
        task = Task(
            id=access.task_id,
            job_id=access.job_id,
            step=side.steps[int(position)],
            index=int(index),
            total=access.tasks,
            attempt=access.attempt,
            request=self._stores.catalog.jobs.get(access.job_id).request,
            datasets=side.datasets,
        )
        return LocalTaskStores(task, side, lease_s=access.lease_s)

    def _side(self, job_id: str) -> JobSide:
        if job_id not in self._sides:
            jobs = self._stores.catalog.jobs
            steps = [each.step for each in jobs.steps(job_id)]
            self._sides[job_id] = JobSide(self._stores, steps, jobs.get(job_id).datasets)
        self._sides.move_to_end(job_id)
        while len(self._sides) > MOST_JOBS:
            self._sides.popitem(last=False)
        return self._sides[job_id]

    def _files(self, access: AttemptAccess) -> list[dict[str, Any]]:  # Any: JSON objects
        """Return what the version of the model consists of that the job runs."""
        return [
            {**each, "kind": each["kind"].value}
            for each in ({name: getattr(entry, name) for name in _ENTRY} for entry in self._listing(access).entries)
        ]

    def _file(self, access: AttemptAccess, digest: str, offset: int) -> Answer:
        """Return a piece of a file of the model, with its SHA-256: not every worker has what verifies the digest."""
        if digest not in {each.digest for each in self._listing(access).files}:
            message = f"the model of job {access.job_id[:12]} has no file {digest[:12]!r}"
            raise NotFoundError(message)
        blobs = self._stores.blobs
        if offset == 0 and not blobs.is_intact(digest):
            message = f"the content {digest[:12]} of a file of the model is damaged"
            raise CorruptedError(message, hint="build the model again from its work directory, with --verify")
        with blobs.path(digest).open("rb") as file:
            file.seek(offset)
            piece = file.read(PIECE_BYTES)
        return hashlib.sha256(piece).hexdigest(), [piece]

    def _listing(self, access: AttemptAccess) -> Listing:
        from starwhale.models.listing import read_listing

        request = self._stores.catalog.jobs.get(access.job_id).request
        if not request.model_version:
            message = f"job {access.job_id[:12]} runs files of a work directory, which workers elsewhere do not have"
            raise NotFoundError(message, hint="build a model of it: swcli model build, and run that")
        return read_listing(self._stores.blobs, request.model_digest)


_ENTRY = ("path", "kind", "digest", "size", "is_executable", "target")


def token_digest(token: str) -> str:
    """Return what is kept of a token: it has 256 random bits, so that nothing slower is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
