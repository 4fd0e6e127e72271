"""Several changes of one thread as one transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from starwhale.domain.job import Job, RunRequest
from starwhale.domain.status import Status
from starwhale.errors import AlreadyExistsError
from starwhale.storage.catalog.catalog import SqlCatalog, open_catalog

FIRST, SECOND = "abcd" + "2" * 36, "abce" + "2" * 36


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqlCatalog]:
    opened = open_catalog(tmp_path / "catalog.db", tmp_path / ".lock")
    yield opened
    opened.close()


def _create(catalog: SqlCatalog, job_id: str) -> None:
    request = RunRequest(workdir="/w", modules=("m",))
    catalog.jobs.create(Job(id=job_id, request=request, handler="m:predict", steps=(), datasets=()), {}, None)


def _statuses(catalog: SqlCatalog) -> dict[str, Status]:
    return {each.id: each.status for each in catalog.jobs.list("self")}


def _elsewhere(catalog: SqlCatalog) -> dict[str, Status]:
    """What another thread sees."""
    found: list[dict[str, Status]] = []
    thread = threading.Thread(target=lambda: found.append(_statuses(catalog)))
    thread.start()
    thread.join()
    return found[0]


def test_others_see_all_of_it_or_nothing_and_the_thread_itself_what_it_has_written(catalog: SqlCatalog) -> None:
    _create(catalog, SECOND)
    with catalog.together():
        _create(catalog, FIRST)
        catalog.jobs.set_status(FIRST, Status.RUNNING)
        with catalog.together():  # the same one
            catalog.jobs.set_status(SECOND, Status.RUNNING)
        assert _statuses(catalog) == dict.fromkeys((FIRST, SECOND), Status.RUNNING)
        assert _elsewhere(catalog) == {SECOND: Status.CREATED}
    assert _elsewhere(catalog) == _statuses(catalog) == dict.fromkeys((FIRST, SECOND), Status.RUNNING)


def test_nothing_is_kept_when_one_of_them_fails(catalog: SqlCatalog) -> None:
    _create(catalog, SECOND)

    def change() -> None:
        with catalog.together():
            _create(catalog, FIRST)
            _create(catalog, SECOND)

    with pytest.raises(AlreadyExistsError):
        change()
    assert _statuses(catalog) == {SECOND: Status.CREATED}
    _create(catalog, FIRST)  # by itself again


def test_a_failure_that_is_passed_over_keeps_nothing_either(catalog: SqlCatalog) -> None:
    _create(catalog, SECOND)

    def change() -> None:
        with catalog.together():
            _create(catalog, FIRST)
            with pytest.raises(AlreadyExistsError):
                _create(catalog, SECOND)

    with pytest.raises(AssertionError, match="passed over"):
        change()
    assert _statuses(catalog) == {SECOND: Status.CREATED}
