"""The driver's side of workers elsewhere: what each is started with, how it ended by its own word, and whether it is still heard of.

An executor starts the worker, in whatever way, with the words of `launch`, and reports what `ended` says; a worker that has gone without a word has died.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starwhale.domain.attempt_name import attempt_key
from starwhale.domain.job import Task, TaskUpdate
from starwhale.execution.network.desk import token_digest
from starwhale.execution.network.spec import OUTAGE_S, WorkerSpec
from starwhale.storage.catalog.task_access import AttemptAccess
from starwhale.storage.object_accounts import accounts

if TYPE_CHECKING:
    from starwhale.execution.attempt_stores import AttemptStores
    from starwhale.storage.stores import Stores

TOKEN_PREFIX = "swt_"  # noqa: S105 - what a token begins with, so that people and scanners know one
"""What the token of a task begins with."""
TOKEN_BYTES = 32
"""Random bytes of a token."""
LEASE_S = 120.0
"""How long a lease lasts that is not renewed: a server that is started again within a minute finds all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPlace:
    """A server that workers elsewhere reach."""

    address: str
    """Its address, as workers have to write it."""
    lease_s: float = LEASE_S
    """How long a lease lasts that is not renewed."""
    outage_s: float = OUTAGE_S
    """How long it may be away before workers give up."""


class RemoteTasks:
    """What the driver of one job does for its workers elsewhere."""

    def __init__(
        self,
        stores: Stores,
        attempts: AttemptStores,
        modules: Sequence[str],
        place: ServerPlace,
        *,
        arguments: Sequence[str] = (),
    ) -> None:
        """Begin with no workers.

        Args:
            stores: Where the job is kept; those that the server serves.
            attempts: Told of each attempt whose stores the server answers.
            modules: Modules that define the handlers.
            place: The server.
            arguments: Options of the handlers.
        """
        self._access = stores.catalog.access
        self._attempts = attempts
        self._modules = tuple(modules)
        self._arguments = tuple(arguments)
        self._place = place
        self._job_id = ""

    def launch(self, task: Task, *, workdir: str = "", cache: str = "", owner: int = 0) -> WorkerSpec:
        """Give a new worker the right to act for an attempt, and return what it is started with.

        Args:
            task: The attempt.
            workdir: Folder of the user's code, where the worker has it; empty to let it fetch the packaged model.
            cache: Folder in which it keeps what it fetched.
            owner: Process that starts the worker as its child, and is not to be outlived; 0 for a worker elsewhere.
        """
        self._job_id = task.job_id
        token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        access = AttemptAccess(
            job_id=task.job_id, task_id=task.id, attempt=task.attempt, tasks=task.total, lease_s=self._place.lease_s
        )
        self._access.grant(access, token_digest(token))
        self._attempts.announce(task, self._place.lease_s)
        return WorkerSpec(
            server=self._place.address,
            task=task,
            modules=self._modules,
            arguments=self._arguments,
            workdir=workdir,
            cache=cache,
            lease_s=self._place.lease_s,
            outage_s=self._place.outage_s,
            owner=owner,
            link_auths=tuple(accounts.pass_on()),
            token=token,
        )

    def ended(self) -> list[TaskUpdate]:
        """Return what workers have said of how their attempts ended; until `revoke`, the same again."""
        return self._access.ended(self._job_id)

    def words(self) -> Mapping[str, TaskUpdate]:
        """Return what `ended` does, by the name of the attempt."""
        return {attempt_key(each.task_id, each.attempt): each for each in self.ended()}

    def silent(self) -> Mapping[tuple[str, int], float]:
        """Return attempts that have not been heard of for longer than their leases last, by task and number, with the seconds.

        While the server is away nobody is heard of: an executor that sees its workers by itself needs not ask.
        """
        return self._access.silent(self._job_id)

    def stop(self, task: Task) -> None:
        """Have an attempt stop at its next batch boundary."""
        self._access.ask_to_stop(task.id, task.attempt)

    def revoke(self, task: Task) -> None:
        """End the right of an attempt: nothing of its worker reaches the stores any more."""
        self._access.revoke(task.id, task.attempt)
