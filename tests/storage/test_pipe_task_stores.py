"""The task-side contract in one process and over the pipe, in both of its forms."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from starwhale.domain.job import Task
from starwhale.errors import ExecutionError
from starwhale.storage.carriers.carried import CarriedTaskStores
from starwhale.storage.carriers.frames import Channel
from starwhale.storage.carriers.pipe import PipeClient, PipeServer
from starwhale.storage.part import Form, PartDraft
from starwhale.storage.task_codec import WorkerCodec
from starwhale.storage.task_contract import TaskStores
from starwhale.storage.task_side import RANGE_BYTES, JobSide, LocalTaskStores
from starwhale.testing.task_stores import Connect, TaskStoresContract, connect_here, error_of, lease_of


class TestLocalTaskStores(TaskStoresContract):
    @contextmanager
    def connect(self, side: JobSide) -> Generator[Connect]:
        yield connect_here(side)


@contextmanager
def pipe(side: JobSide, form: Form) -> Generator[tuple[Connect, PipeServer]]:
    ours, theirs = socket.socketpair()
    server = PipeServer(ours, lambda task: LocalTaskStores(task, side))
    channel = Channel(theirs)
    client = PipeClient(channel, WorkerCodec(form))

    def open_task(task: Task) -> TaskStores:
        server.add(task)
        return CarriedTaskStores(client, task.id, task.attempt)

    yield open_task, server
    server.drain()
    client._reader.join(30)
    channel.close()


class TestPipeWithArrow(TaskStoresContract):
    form: Form = "arrow"

    @contextmanager
    def connect(self, side: JobSide) -> Generator[Connect]:
        with pipe(side, self.form) as (open_task, self.server):
            yield open_task

    def test_a_note_reaches_whoever_looks_on(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            each.first.note("busy")
            each.first.note("2 of 4 calls at a time")
            each.first.table_names()  # messages of one task arrive in order
            task = each.tasks[0]
            stores = self.server._stores[f"{task.id}#{task.attempt}"]
            assert isinstance(stores, LocalTaskStores)
            assert stores.noted == "2 of 4 calls at a time"

    def test_an_attempt_that_was_not_given_to_the_worker_is_refused(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            assert isinstance(each.first, CarriedTaskStores)
            stranger = CarriedTaskStores(each.first._client, each.tasks[0].id, 7)
            assert "is not a task of this worker" in str(error_of(stranger.next_range))

    def test_calls_after_the_end_fail_at_once(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            assert isinstance(each.first, CarriedTaskStores)
            assert isinstance(each.first._client, PipeClient)
            each.first._client._channel.shut_down()
            with pytest.raises(ExecutionError, match="has gone"):
                lease_of(each.first)

    def test_a_range_holds_what_its_rows_take_in_memory(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            side = each.side
            lease = lease_of(each.alone)
            before = side.row_bytes(0)
            each.alone.read_rows(lease)
            if self.form == "arrow":
                assert side.row_bytes(0) > 1
            side.weigh(0, RANGE_BYTES, 2)  # files hold them in a fraction of it
            assert side.row_bytes(0) == RANGE_BYTES / 2 > before
            side.weigh(0, 10, 10)
            assert side.row_bytes(0) == RANGE_BYTES / 2
            draft = PartDraft(lease=lease, rows_done=2, took_s=1e-6)
            assert (following := each.alone.next_range(draft)) is not None
            assert following.row_count == 2  # of seven rows that take no time


class TestPipeWithoutArrow(TestPipeWithArrow):
    form: Form = "msgpack"
