"""The executor of Pods against a stub of the API of Kubernetes: the suite of executors, and ends that only a cluster has."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.execution.test_kubernetes_manifests import TEMPLATE
from tests.kubernetes_stub import Fault, Kubelet, Stub, serve
from tests.task_server import serving

from starwhale.domain.job import HandlerRecord, Task, TaskUpdate
from starwhale.domain.machine import Machine
from starwhale.domain.status import Status
from starwhale.errors import UsageError
from starwhale.execution.executors import Executor, ExecutorOptions, open_executor
from starwhale.execution.executors.attempt_ends import MOST_RENEWALS, Renewals
from starwhale.execution.executors.kubernetes_manifests import DRIVER_LABEL, attempt_name
from starwhale.execution.executors.kubernetes_pods import CLUSTER, KubernetesExecutor
from starwhale.execution.network.desk import TaskDesk
from starwhale.execution.network.launch import ServerPlace
from starwhale.execution.network.spec import GAVE_UP, WorkerSpec
from starwhale.settings import KubernetesSettings
from starwhale.storage.stores import Stores
from starwhale.testing.executors import ExecutorContract, ExecutorPlace, Workplace

pytestmark = [pytest.mark.needs_kubernetes, pytest.mark.needs_time]


class _HereExecutor(KubernetesExecutor):
    """Pods that find the user's folder where it is: the stub's are processes of this machine."""

    silence_look_s = 0.1

    def _launch(self, task: Task) -> WorkerSpec:
        return self._remote.launch(task, workdir=self._options.workdir)


class _OnStub(ExecutorPlace):
    machine: Machine = CLUSTER
    stub: Stub
    kubeconfig = ""
    settings = KubernetesSettings()
    most_renewals = MOST_RENEWALS
    lease_s = 60.0  # a process of a busy machine takes 20 s to its first renewal

    @pytest.fixture(autouse=True)
    def _serve(self, tmp_path: Path) -> Iterator[None]:
        self.kubeconfig = str(tmp_path / "kubeconfig")
        with serve(tmp_path) as self.stub:
            yield

    @contextmanager
    def server(self, stores: Stores) -> Generator[ServerPlace]:
        with serving(TaskDesk(stores)) as address:
            yield ServerPlace(address=address, lease_s=self.lease_s)

    def make_executor(self, options: ExecutorOptions) -> Executor:
        def recorded() -> dict[str, HandlerRecord]:
            here = open_executor("process", options)
            try:
                return here.discover()
            finally:
                here.close()

        cluster = dataclasses.replace(self.settings, kubeconfig=self.kubeconfig)
        made = _HereExecutor(dataclasses.replace(options, image="eval:1", recorded=recorded, kubernetes=cluster))
        made.renewals = Renewals(self.most_renewals)
        return made


@pytest.mark.soak  # `network` passes it in every run, with the same workers
class TestKubernetesExecutor(_OnStub, ExecutorContract):
    @pytest.fixture(autouse=True)
    def _run(self, _serve: None, tmp_path: Path) -> Iterator[None]:
        kubelet = Kubelet(self.stub, tmp_path, sys.executable)
        yield
        kubelet.close()


class TestEndsOfPods(_OnStub):
    """What becomes of an attempt whose Pod does not do what it should; a test says what the cluster does."""

    def test_a_container_that_is_out_of_memory_says_so(self, tmp_path: Path) -> None:
        with self.begun(tmp_path) as (place, pod):
            self.stub.logs[pod] = "last words"
            self.run_pod(pod)
            self.stub.end(pod, exitCode=137, reason="OOMKilled")
            update = self.only(place)
            assert update.error is not None
            assert (
                "went beyond its memory and was killed (OOMKilled), at task 0 of contract:predict"
                in update.error.message
            )
            assert (update.worker_died, update.is_renewal, update.error.signal) == (True, False, "SIGKILL")
            assert update.error.output == "last words"

    def test_an_image_that_cannot_be_had_fails_the_job_and_suspects_no_row(self, tmp_path: Path) -> None:
        with self.begun(tmp_path) as (place, pod):
            waiting = {"reason": "InvalidImageName", "message": "bad name"}
            self.stub.set_status(
                pod, phase="Pending", containerStatuses=[{"name": "task", "state": {"waiting": waiting}}]
            )
            update = self.only(place)
            assert update.error is not None
            assert "its image cannot be had (InvalidImageName): bad name" in update.error.message
            assert (update.status, update.worker_died) == (Status.FAILED, False)
            assert self.stub.jobs == {}, "nothing is left that would wait for ever"

    def test_a_pod_that_no_node_takes_fails_after_a_while(self, tmp_path: Path) -> None:
        self.settings = KubernetesSettings(pending_s=0.2)
        with self.begun(tmp_path) as (place, pod):
            unschedulable = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no GPU"}
            self.stub.set_status(pod, phase="Pending", conditions=[unschedulable])
            update = self.only(place)
            assert update.error is not None
            assert "no node takes the Pod (Unschedulable): no GPU; it was waited for 0.2 s" in update.error.message
            assert not update.worker_died

    def test_a_pod_that_is_taken_away_is_nobodys_mistake(self, tmp_path: Path) -> None:
        with self.begun(tmp_path) as (place, pod):
            self.run_pod(pod)
            self.stub.delete_pod(pod)
            update = self.only(place)
            assert update.error is not None
            assert "the Pod was deleted" in update.error.message
            assert (update.worker_died, update.is_renewal) == (True, True)

    def test_a_task_that_is_taken_away_for_ever_counts_at_last(self, tmp_path: Path) -> None:
        self.most_renewals = 0
        with self.begun(tmp_path) as (place, pod):
            self.run_pod(pod)
            self.stub.delete_pod(pod)
            update = self.only(place)
            assert (update.worker_died, update.is_renewal) == (True, False)

    def test_a_worker_that_gave_the_server_up_is_nobodys_mistake(self, tmp_path: Path) -> None:
        with self.begun(tmp_path) as (place, pod):
            self.run_pod(pod)
            self.stub.end(pod, exitCode=GAVE_UP, reason="Error")
            update = self.only(place)
            assert (update.worker_died, update.is_renewal) == (True, True)

    def test_a_deadline_of_the_job_is_named(self, tmp_path: Path) -> None:
        with self.begun(tmp_path) as (place, pod):
            self.run_pod(pod)
            (job,) = self.stub.jobs.values()
            job["status"] = {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}
            self.stub.delete_pod(pod)
            update = self.only(place)
            assert update.error is not None
            assert "activeDeadlineSeconds of its Job is over" in update.error.message

    def test_a_worker_that_ends_without_a_word_has_failed(self, tmp_path: Path) -> None:
        with self.begun(tmp_path) as (place, pod):
            self.run_pod(pod)
            self.stub.end(pod, exitCode=0, reason="Completed")
            update = self.only(place)
            assert update.error is not None
            assert "its worker had not said how the attempt ended" in update.error.message
            assert update.status is Status.FAILED

    def test_a_pod_whose_node_has_gone_silent_is_given_up(self, tmp_path: Path) -> None:
        self.lease_s = 3.0
        with self.begun(tmp_path) as (place, pod):
            self.run_pod(pod)
            update = self.only(place)
            assert update.error is not None
            assert "nothing was heard of the Pod for" in update.error.message
            assert update.is_renewal
            assert self.stub.pods == {}

    def test_what_the_cluster_refuses_fails_the_attempt(self, tmp_path: Path) -> None:
        with self.workplace(tmp_path, replicas=1) as place:
            self.stub.faults = [Fault(method="POST", kind="secrets", status=403)]
            place.executor.submit(place.tasks[0])
            update = self.only(place)
            assert update.error is not None
            assert "the cluster refuses to create secrets in 'tasks' (403)" in update.error.message
            assert "the right to create secrets" in update.error.hint
            assert self.stub.jobs == {}

    def test_a_task_that_waits_for_its_pod_is_cancelled_at_once(self, tmp_path: Path) -> None:
        with self.begun(tmp_path) as (place, _):
            place.executor.cancel(place.tasks[0].id)
            assert self.only(place).status is Status.INTERRUPTED
            assert self.stub.jobs == {}

    def test_what_an_earlier_driver_left_is_deleted(self, tmp_path: Path) -> None:
        with self.begun(tmp_path) as (place, _):
            (job,) = self.stub.jobs.values()
            other = {**job, "metadata": {**job["metadata"], "name": "older"}}
            other["metadata"]["labels"] = {**job["metadata"]["labels"], DRIVER_LABEL: "older"}
            self.stub.jobs["older"] = other
            second = self.make_executor(self.options)
            again = dataclasses.replace(place.tasks[0], attempt=2)
            second.submit(again)
            assert list(self.stub.jobs) == [attempt_name(again)]
            second.close(kill=True)

    def test_a_template_is_laid_over_what_is_made(self, tmp_path: Path) -> None:
        (tmp_path / "template.yaml").write_text(TEMPLATE, encoding="utf-8")
        self.settings = KubernetesSettings(template=str(tmp_path / "template.yaml"), namespace="other")
        with self.begun(tmp_path) as (_, pod):
            assert self.stub.pods[pod]["spec"]["nodeSelector"] == {"accelerator": "h100"}
            assert next(each for each in self.stub.asked if each[0] == "POST")[1].startswith(
                "/apis/batch/v1/namespaces/other/"
            )

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"remote": None}, "needs a server that its Pods reach"),
            ({"recorded": None}, "a job on Kubernetes runs a packaged model"),
            ({"image": ""}, "no image is named for the Pods"),
            ({"kubernetes": KubernetesSettings(template="/nowhere.yaml")}, "the template /nowhere.yaml cannot be read"),
            ({"kubernetes": KubernetesSettings(context="lab")}, "no cluster is configured as 'lab'"),
        ],
    )
    def test_what_is_missing_is_said_before_anything_is_asked(
        self, tmp_path: Path, changes: dict[str, Any], said: str
    ) -> None:
        with self.workplace(tmp_path, replicas=1):
            asked = len(self.stub.asked)
            complete = dataclasses.replace(self.options, image="x", recorded=dict)
            with pytest.raises(UsageError, match=said):
                KubernetesExecutor(dataclasses.replace(complete, **changes))
            assert len(self.stub.asked) == asked

    options: ExecutorOptions

    def make_executor(self, options: ExecutorOptions) -> Executor:
        self.options = options
        return super().make_executor(options)

    @contextmanager
    def begun(self, folder: Path) -> Generator[tuple[Workplace, str]]:
        """Submit one task, and do what the controller of Jobs does."""
        with self.workplace(folder, replicas=1) as place:
            place.executor.submit(place.tasks[0])
            (job,) = self.stub.jobs.values()
            yield place, self.stub.make_pod(job)

    def run_pod(self, pod: str) -> None:
        self.stub.set_status(pod, phase="Running", containerStatuses=[{"name": "task", "state": {"running": {}}}])

    def only(self, place: Workplace) -> TaskUpdate:
        (update,) = place.collect(1)
        return update
