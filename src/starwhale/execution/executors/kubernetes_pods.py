"""`kubernetes`: a task is a container in a Pod, made by a batch/v1 Job per attempt, that reaches its instance over HTTP and nothing else.

The cluster places it; what it needs stands in the manifest. How an attempt ended is what its worker says, else what its Pod says, else that nobody has
heard of it for longer than a lease.
"""

from __future__ import annotations

import dataclasses
import logging
import queue
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from starwhale.domain.attempt_name import attempt_key
from starwhale.domain.job import HandlerRecord, Task, TaskUpdate
from starwhale.domain.json_shape import Json
from starwhale.domain.machine import Accelerator, Machine
from starwhale.errors import ExecutionError, StarwhaleError, UsageError
from starwhale.execution.executors.attempt_ends import Renewals, failed, interrupted, need_server, take_waiting
from starwhale.execution.executors.kubernetes_cluster import Cluster, Pods
from starwhale.execution.executors.kubernetes_manifests import (
    CACHE_FOLDER,
    DRIVER_LABEL,
    JOB_LABEL,
    PodPlace,
    attempt_name,
    check_template,
    make_job,
    make_secret,
)
from starwhale.execution.executors.kubernetes_status import OF_THE_CLUSTER, PodWord, read_job, read_pod
from starwhale.execution.executors.protocol import ExecutorOptions
from starwhale.execution.network.spec import WorkerSpec
from starwhale.execution.tasks.task_output import TAIL_BYTES
from starwhale.settings import KubernetesSettings

logger = logging.getLogger(__name__)

CLUSTER = Machine(cores=float(2**20), accelerators=tuple(Accelerator(id=str(each)) for each in range(1024)))
"""What we say that there is: more than anybody asks for. The cluster's scheduler knows, and says so by Pods that wait."""
LOOK_S = 0.2
"""Time between two looks at what workers have said."""
_LEAVE_S = 30.0


@dataclass(slots=True)
class _Attempt:
    """An attempt, and what is known of its Pod."""

    task: Task
    name: str
    word: PodWord = field(default_factory=lambda: PodWord(phase="waiting", message="it has no Pod yet"))
    is_gone: bool = False
    waits_since: float = field(default_factory=time.monotonic)
    has_run: bool = False


class KubernetesExecutor:
    """Makes a Job for each attempt and watches its Pod."""

    silence_look_s = 5.0
    """Time between two looks for workers that are not heard of."""

    def __init__(self, options: ExecutorOptions) -> None:
        """Read the template and where the cluster is; nothing is asked yet.

        Raises:
            UsageError: No server is known that Pods could reach, no image is named, no cluster is configured, or the template is wrong.
        """
        self._remote = need_server(options, "kubernetes", "its Pods")
        if options.recorded is None:
            message = "Pods have no work directories: a job on Kubernetes runs a packaged model"
            raise UsageError(message, hint="build it with swcli model build, and run it by its URI")
        if not options.image:
            message = "no image is named for the Pods of this job"
            raise UsageError(
                message, hint="add --image NAME, use a runtime that names one, or set SW_KUBERNETES_IMAGE for all"
            )
        self._options = options
        self._settings = options.kubernetes
        template = read_template(self._settings)
        self._cluster = Cluster(self._settings)
        self._place = PodPlace(
            namespace=self._cluster.namespace,
            image=options.image,
            driver=secrets.token_hex(8),
            python=self._settings.python,
            template=template,
        )
        self._waiting: deque[Task] = deque()
        self._running: dict[str, _Attempt] = {}
        self._updates: list[TaskUpdate] = []
        self._pods: Pods = queue.SimpleQueue()
        self._leaving: set[str] = set()
        self.renewals = Renewals()
        """How often tasks were begun anew whose Pod the cluster took away, or whose server was."""
        self._enough = threading.Event()
        self._watcher: threading.Thread | None = None
        self._looked_for_silence = time.monotonic()

    @property
    def shares_workers(self) -> bool:
        """Whether a worker that dies takes several tasks with it."""
        return False

    @property
    def machine(self) -> Machine:
        """What there is for its tasks, all together."""
        return CLUSTER

    @property
    def worker_bytes(self) -> int:
        """Main memory that a worker took after it had imported the user's modules; nobody knows."""
        return 0

    def discover(self) -> dict[str, HandlerRecord]:
        """Return the handlers that were recorded when the model was built: what they import is in the image, and not here."""
        return {} if self._options.recorded is None else self._options.recorded()

    def submit(self, task: Task) -> None:
        self._waiting.append(task)
        self._start_waiting()

    def wait(self, timeout_s: float) -> list[TaskUpdate]:
        deadline = time.monotonic() + timeout_s
        while True:
            self._look()
            left_s = deadline - time.monotonic()
            if self._updates or left_s <= 0:
                break
            try:
                self._take_pod(*self._pods.get(timeout=min(LOOK_S, left_s)))
            except queue.Empty:
                continue
        self._start_waiting()
        found, self._updates = self._updates, []
        return found

    def cancel(self, task_id: str) -> None:
        self._updates += take_waiting(self._waiting, task_id)
        attempt = next((each for each in self._running.values() if each.task.id == task_id), None)
        if attempt is None:
            return
        self._remote.stop(attempt.task)
        if not attempt.has_run:  # nothing of it is worth waiting for
            self._finish(attempt, interrupted(attempt.task), deletes=True)

    def close(self, *, kill: bool = False) -> None:
        """Delete what runs, and stop watching; Jobs that have ended stay as long as their `ttlSecondsAfterFinished` says."""
        if self._enough.is_set():
            return
        running, self._running = list(self._running.values()), {}
        self._waiting.clear()
        for each in running:
            self._remote.revoke(each.task)
            self._delete(each.name, at_once=kill)
        if kill:
            for name in self._leaving:
                self._delete(name, at_once=True)
        self._wait_until_gone(self._leaving | {each.name for each in running if each.has_run and not each.is_gone})
        self._enough.set()
        self._cluster.close()

    def _start_waiting(self) -> None:
        while self._waiting and len(self._running) < self._options.max_workers:
            task = self._waiting.popleft()
            seen = tuple(range(task.demand.accelerators or task.demand.shared_accelerators))
            self._start(dataclasses.replace(task, accelerators=seen))

    def _start(self, task: Task) -> None:
        if self._watcher is None:
            self._remove_left_behind(task.job_id)
            selector = f"{JOB_LABEL}={task.job_id},{DRIVER_LABEL}={self._place.driver}"
            self._watcher = threading.Thread(
                target=self._cluster.watch_pods, args=(selector, self._pods, self._enough), name="pods", daemon=True
            )
            self._watcher.start()
        attempt = _Attempt(task=task, name=attempt_name(task))
        self._running[attempt.name] = attempt
        told = self._launch(task).to_json(with_secrets=True)
        try:
            uid = self._cluster.create_job(make_job(task, self._place))
            self._cluster.create_secret(make_secret(task, self._place, told, owner_uid=uid))
        except ExecutionError as error:
            word = PodWord(phase="ended", reason="Refused", message=error.message, hint=error.hint)
            self._finish(attempt, _failed(attempt.task, word, "", has_run=False), deletes=True)

    def _launch(self, task: Task) -> WorkerSpec:
        """Return what the worker of an attempt is told: it fetches the model, and keeps its files in the volume for that."""
        return self._remote.launch(task, cache=CACHE_FOLDER)

    def _remove_left_behind(self, job_id: str) -> None:
        """Delete what an earlier driver of the job left: its workers have no right any more."""
        for job in self._cluster.list_jobs(job_id):
            if job["metadata"]["labels"].get(DRIVER_LABEL) != self._place.driver:
                self._cluster.delete_job(str(job["metadata"]["name"]), at_once=True)

    def _look(self) -> None:
        """Take in what Pods and workers have said, and who is not heard of any more."""
        while not self._pods.empty():
            self._take_pod(*self._pods.get_nowait())
        if not self._running:
            return
        said = self._remote.words()
        for each in list(self._running.values()):
            update = said.get(attempt_key(each.task.id, each.task.attempt))
            if update is not None:
                self._finish(each, update)
            elif each.is_gone or each.word.phase in {"ended", "hopeless"}:
                self._fail(each)
            elif self._has_waited_enough(each):
                word = dataclasses.replace(
                    each.word, message=f"{each.word.message}; it was waited for {self._settings.pending_s:g} s"
                )
                self._fail(each, word)
        self._look_for_silence()

    def _look_for_silence(self) -> None:
        """Give up attempts whose Pod is said to run and which nobody has heard of: their node may have gone."""
        if time.monotonic() - self._looked_for_silence < self.silence_look_s:
            return
        self._looked_for_silence = time.monotonic()
        silent = self._remote.silent()
        for each in list(self._running.values()):
            silent_s = silent.get((each.task.id, each.task.attempt))
            if silent_s is None or not each.has_run:
                continue
            message = f"nothing was heard of the Pod for {silent_s:.0f} s, although the cluster says that it runs"
            self._fail(each, PodWord(phase="ended", reason="Silent", message=message, hint="its node may have gone"))

    def _take_pod(self, name: str, pod: Json | None) -> None:
        word = None if pod is None else read_pod(pod)
        if word is None or word.phase == "ended":
            self._leaving.discard(name)
        attempt = self._running.get(name)
        if attempt is None:
            return
        if word is None:
            attempt.is_gone = True
            return
        if word.phase == "waiting" and word.reason != attempt.word.reason and not word.is_passing:
            logger.warning("job=%s task=%s: %s", attempt.task.job_id[:12], attempt.task.id, word.message)
        if word.phase == "waiting" and attempt.word.is_passing != word.is_passing:
            attempt.waits_since = time.monotonic()
        attempt.word = word
        attempt.has_run = attempt.has_run or word.phase in {"running", "ended"}

    def _has_waited_enough(self, attempt: _Attempt) -> bool:
        limit_s = self._settings.pending_s
        return bool(limit_s) and attempt.word.phase == "waiting" and time.monotonic() - attempt.waits_since > limit_s

    def _fail(self, attempt: _Attempt, word: PodWord | None = None) -> None:
        """Report an attempt whose worker will say nothing any more."""
        found = word or attempt.word
        if attempt.is_gone and found.phase != "ended":
            found = self._why_gone(attempt.name)
        if found.is_success:
            message = "the container ended, and its worker had not said how the attempt ended"
            found = dataclasses.replace(found, message=message, hint="look at the output of the Pod")
        output = self._cluster.read_log(attempt.name, TAIL_BYTES) if attempt.has_run else ""
        update = _failed(attempt.task, found, output, has_run=attempt.has_run)
        if found.reason in OF_THE_CLUSTER:  # nobody's mistake
            update = self.renewals.renew(update)
        update = self.renewals.after_exit(update, found.exit_code)
        self._finish(attempt, update, deletes=found.phase != "ended" or word is not None)

    def _why_gone(self, name: str) -> PodWord:
        try:
            return read_job(self._cluster.read_job(name))
        except ExecutionError:
            return read_job(None)

    def _finish(self, attempt: _Attempt, update: TaskUpdate, *, deletes: bool = False) -> None:
        self._running.pop(attempt.name, None)
        self._remote.revoke(attempt.task)
        if deletes:
            self._delete(attempt.name, at_once=True)
        elif attempt.word.phase != "ended" and not attempt.is_gone:
            self._leaving.add(attempt.name)
        self._updates.append(update)

    def _delete(self, name: str, *, at_once: bool) -> None:
        try:
            self._cluster.delete_job(name, at_once=at_once)
        except StarwhaleError as error:
            logger.warning("the Job %s stays in the cluster: %s", name, error)

    def _wait_until_gone(self, names: set[str]) -> None:
        deadline = time.monotonic() + _LEAVE_S
        while names and (left_s := deadline - time.monotonic()) > 0:
            try:
                name, pod = self._pods.get(timeout=left_s)
            except queue.Empty:
                return
            if pod is None or read_pod(pod).phase == "ended":
                names.discard(name)


def read_template(settings: KubernetesSettings) -> Json:
    """Read the operator's template; nothing where none is named.

    Raises:
        UsageError: It cannot be read, or says what it may not.
    """
    if not settings.template:
        return {}
    import yaml

    try:
        text = Path(settings.template).read_text(encoding="utf-8")
        found = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        message = f"the template {settings.template} cannot be read: {error}"
        raise UsageError(message, hint="SW_KUBERNETES_TEMPLATE names a YAML file") from error
    return check_template({} if found is None else found, settings.template)


def _failed(task: Task, word: PodWord, output: str, *, has_run: bool) -> TaskUpdate:
    message = f"{word.message}, at task {task.index} of {task.step.name}"
    update = failed(task, message, hint=word.hint, output=output, exit_code=word.exit_code, signal=word.signal)
    return dataclasses.replace(update, worker_died=has_run)
