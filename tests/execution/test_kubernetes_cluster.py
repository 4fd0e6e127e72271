"""The client of a cluster against a stub of its API: conflicts, answers that get lost, watches that break, servers that fail."""

from __future__ import annotations

import dataclasses
import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.execution.test_kubernetes_manifests import PLACE, task
from tests.kubernetes_stub import Fault, Stub, serve

from starwhale.errors import ExecutionError, UsageError
from starwhale.execution.executors.kubernetes_cluster import Cluster, Pods
from starwhale.execution.executors.kubernetes_manifests import DRIVER_LABEL, JOB_LABEL, PodPlace, make_job, make_secret
from starwhale.settings import KubernetesSettings

pytestmark = pytest.mark.needs_kubernetes
_JOB = make_job(task(), PLACE)
_NAME = _JOB["metadata"]["name"]
_SELECTOR = f"{JOB_LABEL}={task().job_id},{DRIVER_LABEL}=abc"


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[Stub]:
    with serve(tmp_path) as found:
        yield found


@pytest.fixture
def settings(stub: Stub, tmp_path: Path) -> KubernetesSettings:
    del stub
    return KubernetesSettings(kubeconfig=str(tmp_path / "kubeconfig"))


@pytest.fixture
def cluster(settings: KubernetesSettings) -> Iterator[Cluster]:
    found = Cluster(settings)
    yield found
    found.close()


@contextmanager
def watching(cluster: Cluster) -> Generator[Pods]:
    pods: Pods = queue.SimpleQueue()
    stop = threading.Event()
    thread = threading.Thread(target=cluster.watch_pods, args=(_SELECTOR, pods, stop), daemon=True)
    thread.start()
    yield pods
    stop.set()


def test_the_namespace_is_that_of_the_context_unless_said(cluster: Cluster, settings: KubernetesSettings) -> None:
    assert cluster.namespace == "tasks"
    assert Cluster(dataclasses.replace(settings, namespace="other")).namespace == "other"


def test_a_job_and_its_secret_are_made_and_deleted(stub: Stub, cluster: Cluster) -> None:
    uid = cluster.create_job(_JOB)
    cluster.create_secret(make_secret(task(), PLACE, {"token": "x"}, owner_uid=uid))
    assert stub.jobs[_NAME]["metadata"]["uid"] == uid
    assert stub.secrets[_NAME]["metadata"]["ownerReferences"][0]["uid"] == uid
    assert [each["metadata"]["name"] for each in cluster.list_jobs(task().job_id)] == [_NAME]
    stub.make_pod(stub.jobs[_NAME])
    cluster.delete_job(_NAME, at_once=True)
    cluster.delete_job(_NAME)
    assert (stub.jobs, stub.secrets, stub.pods) == ({}, {}, {})
    assert cluster.read_job(_NAME) is None


def test_a_job_whose_answer_was_lost_is_not_made_twice(stub: Stub, cluster: Cluster) -> None:
    stub.faults = [Fault(method="POST", kind="jobs", status=504, is_answer_lost=True)]
    uid = cluster.create_job(_JOB)
    assert uid == stub.jobs[_NAME]["metadata"]["uid"]
    assert [each for each in stub.asked if each[0] == "DELETE"] == []


def test_a_job_that_another_driver_left_makes_room(stub: Stub, cluster: Cluster) -> None:
    cluster.create_job(make_job(task(), kubernetes_place("older")))
    first = stub.jobs[_NAME]["metadata"]["uid"]
    assert cluster.create_job(_JOB) != first
    assert stub.jobs[_NAME]["metadata"]["labels"][DRIVER_LABEL] == "abc"


def test_a_secret_that_is_there_is_replaced(stub: Stub, cluster: Cluster) -> None:
    for token in ("one", "two"):
        cluster.create_secret(make_secret(task(), PLACE, {"token": token}, owner_uid="u"))
    assert stub.secrets[_NAME] == make_secret(task(), PLACE, {"token": "two"}, owner_uid="u")


@pytest.mark.parametrize("status", [500, 503, 429])
def test_requests_that_fail_for_a_while_are_sent_again(stub: Stub, cluster: Cluster, status: int) -> None:
    stub.faults = [Fault(method="POST", kind="jobs", status=status, times=3)]
    cluster.create_job(_JOB)
    assert len([each for each in stub.asked if each[0] == "POST"]) == 4


def test_what_the_account_may_not_do_is_said_at_once(stub: Stub, cluster: Cluster) -> None:
    stub.faults = [Fault(method="POST", kind="jobs", status=403)]
    with pytest.raises(ExecutionError, match=r"refuses to create jobs in 'tasks' \(403\): the stub was told") as caught:
        cluster.create_job(_JOB)
    assert "the right to create jobs" in str(caught.value.hint)
    assert len(stub.asked) == 1


def test_a_server_that_does_not_answer_is_named(stub: Stub, settings: KubernetesSettings) -> None:
    stub.faults = [Fault(method="POST", kind="jobs", status=500, times=1000)]
    with pytest.raises(ExecutionError, match="the cluster does not create jobs in 'tasks'"):
        Cluster(settings, tries_s=0.5).create_job(_JOB)


def test_pods_are_listed_and_then_watched(stub: Stub, cluster: Cluster) -> None:
    before = stub.make_pod(_JOB)
    with watching(cluster) as pods:
        assert pods.get(timeout=10)[0] == _NAME
        stub.wait_for(lambda: stub.watches)
        stub.set_status(before, phase="Running")
        name, pod = pods.get(timeout=10)
        assert pod is not None
        assert (name, pod["status"]["phase"]) == (_NAME, "Running")
        stub.make_pod(make_job(task(attempt=2), kubernetes_place("other")))
        stub.delete_pod(before)
        assert pods.get(timeout=10) == (_NAME, None), "Pods of others are not told of"


def test_a_deleted_pod_that_had_ended_keeps_its_last_word(stub: Stub, cluster: Cluster) -> None:
    pod = stub.make_pod(_JOB)
    stub.end(pod, exitCode=3)
    with watching(cluster) as pods:
        pods.get(timeout=10)
        stub.delete_pod(pod)
        found = pods.get(timeout=10)[1]
        assert found is not None
        assert found["status"]["phase"] == "Failed"


def test_a_watch_that_is_too_old_begins_with_a_list_again(stub: Stub, cluster: Cluster) -> None:
    pod = stub.make_pod(_JOB)
    with watching(cluster) as pods:
        pods.get(timeout=10)
        stub.wait_for(lambda: stub.watches)
        with stub.changed:
            stub.pods.pop(pod)  # nobody is told of it
            stub.forget_history()
        assert pods.get(timeout=10) == (_NAME, None)


def test_a_watch_goes_on_when_the_server_fails_for_a_while(stub: Stub, cluster: Cluster) -> None:
    stub.faults = [Fault(method="GET", kind="pods", status=500, times=4)]
    with watching(cluster) as pods:
        stub.make_pod(_JOB)
        assert pods.get(timeout=10)[0] == _NAME


def test_the_end_of_a_log_is_read_and_a_log_that_is_not_there_is_empty(stub: Stub, cluster: Cluster) -> None:
    assert cluster.read_log(_NAME, 100) == ""
    stub.logs[stub.make_pod(_JOB)] = "x" * 200 + "\nlast words\n"
    assert cluster.read_log(_NAME, 11) == "last words"
    stub.faults = [Fault(method="GET", kind="pods", status=404)]
    assert cluster.read_log(_NAME, 100) == ""


def test_no_cluster_is_said_with_what_was_looked_for(tmp_path: Path) -> None:
    nowhere = KubernetesSettings(kubeconfig=str(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"no cluster is configured: looked for a kubeconfig"):
        Cluster(nowhere)
    with pytest.raises(UsageError, match="no cluster is configured as 'lab'"):
        Cluster(dataclasses.replace(nowhere, context="lab"))
    with pytest.raises(UsageError, match="looked for the account of this Pod"):
        Cluster(dataclasses.replace(nowhere, is_in_cluster=True))


def kubernetes_place(driver: str) -> PodPlace:
    return dataclasses.replace(PLACE, driver=driver)
