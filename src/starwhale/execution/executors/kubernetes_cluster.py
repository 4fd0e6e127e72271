"""A cluster, through the official client: make, look at and delete what belongs to one job, whatever the API server does meanwhile.

Requests that fail for a while are sent again; one whose answer was lost is noticed by the name that it made (409). Pods are listed once and then watched; a
watch that has grown too old (410), or breaks, begins with a list again.
"""

from __future__ import annotations

import importlib
import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from starwhale.domain.json_shape import Json
from starwhale.errors import ExecutionError, UsageError
from starwhale.execution.executors.kubernetes_fields import load
from starwhale.execution.executors.kubernetes_manifests import ATTEMPT_LABEL, DRIVER_LABEL, JOB_LABEL
from starwhale.settings import KubernetesSettings

logger = logging.getLogger(__name__)

Pods = queue.SimpleQueue[tuple[str, Json | None]]
"""Names of attempts with their Pods as they change; None for a Pod that has gone."""
WATCH_S = 240
"""How long one watch lasts at most, in seconds; then it begins anew."""
TRIES_S = 60.0
"""How long a request that fails is sent again."""
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_ANSWER_S = (10.0, 60.0)
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_RAW: Mapping[str, Any] = {"_preload_content": False, "_request_timeout": _ANSWER_S}
"""Answers as they come: the client's models refuse what a newer server leaves out."""
_CONFLICT = 409
_NOT_FOUND = 404
_TOO_MANY = 429
_SERVER = 500


class Cluster:
    """One namespace of a cluster."""

    def __init__(self, settings: KubernetesSettings, *, tries_s: float = TRIES_S) -> None:
        """Read where the cluster is; nothing is asked yet.

        Args:
            settings: Which cluster.
            tries_s: How long a request that fails is sent again.

        Raises:
            MissingDependencyError: The package is not installed.
            UsageError: No cluster is configured.
        """
        self._tries_s = tries_s
        self._api = load("client")
        connection, namespace = _connect(settings)
        self.namespace = settings.namespace or namespace
        """Where everything is made."""
        self._jobs = self._api.BatchV1Api(connection)
        self._core = self._api.CoreV1Api(connection)
        self._connection = connection

    def create_job(self, manifest: Json) -> str:
        """Make a Job and return its uid; one of that name that another driver left is deleted first.

        Raises:
            ExecutionError: The cluster refuses, or does not answer for a minute.
        """
        name = str(manifest["metadata"]["name"])
        mine = manifest["metadata"]["labels"][DRIVER_LABEL]
        deadline = time.monotonic() + self._tries_s
        while True:
            made = self._try(
                "create", "jobs", lambda: self._jobs.create_namespaced_job(self.namespace, manifest, **_RAW)
            )
            if made is not None:
                return str(made["metadata"]["uid"])
            there = self.read_job(name)
            if there is not None and there["metadata"]["labels"].get(DRIVER_LABEL) == mine:
                return str(there["metadata"]["uid"])  # an earlier request did it, whose answer was lost
            if time.monotonic() > deadline:
                message = f"there is a Job {name} already, which does not go away"
                raise ExecutionError(message, hint=f"look at it: kubectl get job {name} -n {self.namespace}")
            if there is not None:
                self.delete_job(name)
                time.sleep(_FIRST_PAUSE_S)

    def create_secret(self, manifest: Json) -> None:
        """Make a Secret; one of that name is replaced.

        Raises:
            ExecutionError: As for a Job.
        """
        name = str(manifest["metadata"]["name"])
        made = self._try(
            "create", "secrets", lambda: self._core.create_namespaced_secret(self.namespace, manifest, **_RAW)
        )
        if made is None:
            self._try(
                "update",
                "secrets",
                lambda: self._core.replace_namespaced_secret(name, self.namespace, manifest, **_RAW),
            )

    def read_job(self, name: str) -> Json | None:
        """Return a Job; None where there is none of that name."""
        return self._try(
            "get", "jobs", lambda: self._jobs.read_namespaced_job(name, self.namespace, **_RAW), missing=True
        )

    def delete_job(self, name: str, *, at_once: bool = False) -> None:
        """Delete a Job with its Pod; one that is not there is ignored.

        Args:
            name: Its name.
            at_once: Whether the Pod is given no time to end by itself.
        """
        options = self._api.V1DeleteOptions(
            propagation_policy="Background", grace_period_seconds=0 if at_once else None
        )
        self._try(
            "delete",
            "jobs",
            lambda: self._jobs.delete_namespaced_job(name, self.namespace, body=options, **_RAW),
            missing=True,
        )
        if at_once:  # the grace of the Job is not that of its Pod
            for pod in self.list_pods(f"{ATTEMPT_LABEL}={name}")[0]:
                self._delete_pod(str(pod["metadata"]["name"]))

    def list_jobs(self, job_id: str) -> list[Json]:
        """Return the Jobs of a job of ours."""
        found = self._try(
            "list",
            "jobs",
            lambda: self._jobs.list_namespaced_job(self.namespace, label_selector=f"{JOB_LABEL}={job_id}", **_RAW),
        )
        return list((found or {}).get("items") or ())

    def list_pods(self, selector: str) -> tuple[list[Json], str]:
        """Return Pods, and the version of the list from which they can be watched."""
        found = self._try(
            "list", "pods", lambda: self._core.list_namespaced_pod(self.namespace, label_selector=selector, **_RAW)
        )
        return list(found.get("items") or ()), str(found["metadata"].get("resourceVersion") or "")

    def read_log(self, attempt: str, size_bytes: int) -> str:
        """Return the end of what the Pod of an attempt has written; empty where that cannot be had."""
        try:
            for pod in self.list_pods(f"{ATTEMPT_LABEL}={attempt}")[0]:
                text = self._core.read_namespaced_pod_log(
                    str(pod["metadata"]["name"]),
                    self.namespace,
                    container="task",
                    tail_lines=200,
                    _request_timeout=_ANSWER_S,
                )
                return str(text)[-size_bytes:].strip()
        except Exception as error:  # noqa: BLE001 - the client raises whatever urllib3 does, and a log is not worth failing for
            logger.debug("no log of %s: %s", attempt, error)
        return ""

    def watch_pods(self, selector: str, pods: Pods, stop: threading.Event) -> None:
        """Put Pods into a queue as they change, until told to stop; run in a thread of its own.

        Args:
            selector: Which ones, by labels.
            pods: Where they go.
            stop: Set when it is enough.
        """
        known: dict[str, str] = {}
        pause_s = _FIRST_PAUSE_S
        while not stop.is_set():
            try:
                found, version = self.list_pods(selector)
                there = {str(each["metadata"]["labels"][ATTEMPT_LABEL]): each for each in found}
                for name in known.keys() - there.keys():  # deleted while nobody watched
                    pods.put((name, None))
                for name, each in there.items():
                    pods.put((name, each))
                known = dict.fromkeys(there, "")
                for kind, pod in self._events(selector, version, stop):
                    pause_s = _FIRST_PAUSE_S
                    name = str(pod["metadata"]["labels"][ATTEMPT_LABEL])
                    if kind == "DELETED":
                        known.pop(name, None)
                        pods.put((name, _last_word(pod)))
                    else:
                        known[name] = ""
                        pods.put((name, pod))
            except Exception as error:  # noqa: BLE001 - whatever breaks a watch, it begins anew
                logger.debug("the watch of %s broke: %s", selector, error)
                stop.wait(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def close(self) -> None:
        """Give connections back."""
        self._connection.close()

    def _events(self, selector: str, version: str, stop: threading.Event) -> Iterator[tuple[str, Json]]:
        watcher = load("watch").Watch(return_type="object")  # as JSON
        stream = watcher.stream(
            self._core.list_namespaced_pod,
            self.namespace,
            label_selector=selector,
            resource_version=version,
            timeout_seconds=WATCH_S,
            allow_watch_bookmarks=True,
            _request_timeout=(_ANSWER_S[0], WATCH_S + _ANSWER_S[1]),
        )
        for event in stream:
            if stop.is_set():
                watcher.stop()
                return
            if event["type"] in {"ADDED", "MODIFIED", "DELETED"}:
                yield event["type"], event["raw_object"]

    def _delete_pod(self, name: str) -> None:
        options = self._api.V1DeleteOptions(grace_period_seconds=0)
        self._try(
            "delete",
            "pods",
            lambda: self._core.delete_namespaced_pod(name, self.namespace, body=options, **_RAW),
            missing=True,
        )

    def _try(self, verb: str, what: str, ask: Callable[[], Any], *, missing: bool = False) -> Any:  # Any: JSON
        """Send a request and return the answer's JSON; again where that may help; None for a conflict, and for what is missing where that is allowed.

        Raises:
            ExecutionError: The cluster refuses, or does not answer for a minute.
        """
        http_error: type[Exception] = importlib.import_module(
            "urllib3.exceptions"
        ).HTTPError  # which the client lets through
        deadline = time.monotonic() + self._tries_s
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return json.loads(ask().data)
            except self._api.ApiException as error:
                if error.status == _CONFLICT or (error.status == _NOT_FOUND and missing):
                    return None
                if error.status not in {_TOO_MANY, 0, None} and error.status < _SERVER:
                    raise _refused(verb, what, self.namespace, error) from error
                failed: Exception = error
            except (OSError, http_error) as error:
                failed = error
            if time.monotonic() > deadline:
                message = f"the cluster does not {verb} {what} in {self.namespace!r}: {_short(failed)}"
                raise ExecutionError(message, hint="see whether it answers: kubectl get --raw /readyz") from failed
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def _connect(settings: KubernetesSettings) -> tuple[Any, str]:  # Any: the package has no types
    """Return a client and the namespace that goes with it: of the Pod that this is, else of the kubeconfig."""
    api, configs = load("client"), load("config")
    configuration = api.Configuration()
    configuration.retries = False  # we send again ourselves
    try:
        if settings.is_in_cluster and not settings.context:
            configs.load_incluster_config(client_configuration=configuration)
            return api.ApiClient(configuration), _OWN_NAMESPACE.read_text(encoding="utf-8").strip()
        contexts, active = configs.list_kube_config_contexts(config_file=settings.kubeconfig or None)
        wanted = settings.context or str(active["name"])
        configs.load_kube_config(
            config_file=settings.kubeconfig or None, context=wanted, client_configuration=configuration
        )
    except (configs.ConfigException, OSError) as error:
        places = (
            "the account of this Pod" if settings.is_in_cluster else "a kubeconfig (KUBECONFIG, else ~/.kube/config)"
        )
        message = f"no cluster is configured: looked for {places}: {_short(error)}"
        if settings.context:
            message = f"no cluster is configured as {settings.context!r}: {_short(error)}"
        hint = "see what 'kubectl config get-contexts' says; SW_KUBERNETES_CONTEXT names one"
        raise UsageError(message, hint=hint) from error
    found: Json = next(each["context"] for each in contexts if each["name"] == wanted)
    return api.ApiClient(configuration), str(found.get("namespace") or "default")


def _last_word(pod: Json) -> Json | None:
    """Return a deleted Pod that had ended before, so that its end is known; None for one that had not."""
    return pod if (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"} else None


def _refused(verb: str, what: str, namespace: str, error: Any) -> ExecutionError:  # Any: the client's exception
    try:
        said = str(json.loads(error.body)["message"])
    except (ValueError, TypeError, KeyError):
        said = str(error.reason)
    hint = "look at the template"
    if error.status in {401, 403}:
        hint = f"the account needs the right to {verb} {what} there: deploy/ has a Role"
    return ExecutionError(f"the cluster refuses to {verb} {what} in {namespace!r} ({error.status}): {said}", hint=hint)


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
