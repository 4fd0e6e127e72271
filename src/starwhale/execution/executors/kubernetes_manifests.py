"""What a cluster is asked for, as data: a batch/v1 Job and a Secret per attempt, over a template that operators may change. Pure.

Decision record: `docs/decisions`, "Tasks in Kubernetes".
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starwhale.domain.job import Task
from starwhale.domain.json_shape import Json
from starwhale.domain.machine import ACCELERATOR
from starwhale.errors import UsageError

DOMAIN = "starwhale.ai"
"""What our labels and annotations begin with."""
JOB_LABEL = f"{DOMAIN}/job"
"""Label: the job that runs."""
ATTEMPT_LABEL = f"{DOMAIN}/attempt"
"""Label of Job, Pod and Secret: the name of the Job, which is one attempt of one task."""
DRIVER_LABEL = f"{DOMAIN}/driver"
"""Label: the driver that made it, as a random word; a later driver of the same job removes what another one left."""
TASK_FOLDER = "/run/starwhale/task"
"""Where a Pod finds what its worker is told, from the Secret."""
TASK_FILE = "task.json"
"""Name in that folder, and in the Secret."""
CACHE_FOLDER = "/var/cache/starwhale"
"""Where a Pod keeps the files of models."""
CONTAINER = "task"
"""Name of the container that runs the worker."""
CACHE = "cache"
"""Name of the volume for fetched files."""
USER = 65532
"""User and group of the worker."""
_BEGIN = f"""import os, sys
os.dup2(os.open("{TASK_FOLDER}/{TASK_FILE}", os.O_RDONLY), 0)
os.execv(sys.executable, [sys.executable, "-P", "-m", "starwhale.execution.worker", "--task", "-"])
"""
_OWNED = ("apiVersion", "kind", "status")
_OWNED_SPEC = (
    "backoffLimit",
    "completions",
    "parallelism",
    "completionMode",
    "selector",
    "manualSelector",
    "podFailurePolicy",
)
_BY_NAME = frozenset({"containers", "initContainers", "volumes", "volumeMounts", "env", "imagePullSecrets"})
_LABEL = re.compile(r"[^A-Za-z0-9_.-]")
_MOST_NAME = 63
_WEEK_S = 7 * 24 * 3600
_KEPT_S = 3600

DEFAULT_TEMPLATE: Json = {
    "spec": {
        "activeDeadlineSeconds": _WEEK_S,
        "ttlSecondsAfterFinished": _KEPT_S,
        "template": {
            "spec": {
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "shareProcessNamespace": True,  # user code is not the first process, whose signals the kernel drops
                "terminationGracePeriodSeconds": 60,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": USER,
                    "runAsGroup": USER,
                    "fsGroup": USER,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": CONTAINER,
                        "imagePullPolicy": "IfNotPresent",
                        "env": [{"name": "HOME", "value": "/tmp"}],  # noqa: S108 - in the container
                        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                        "volumeMounts": [{"name": CACHE, "mountPath": CACHE_FOLDER}],
                    }
                ],
                "volumes": [{"name": CACHE, "emptyDir": {}}],
            }
        },
    }
}
"""What a template of an operator is laid over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodPlace:
    """What all attempts of a job have in common."""

    namespace: str
    """Namespace of the cluster."""
    image: str
    """Image of the worker: Python, this program, and the packages of the user's code."""
    driver: str
    """A random word that says which driver made them."""
    python: str = "python3"
    """Interpreter in the image."""
    template: Json = field(default_factory=dict[str, Any])
    """What the operator has changed of `DEFAULT_TEMPLATE`."""


def attempt_name(task: Task) -> str:
    """Return the name of the Job of an attempt: the same for the same attempt, whoever asks."""
    job, position, index = task.id.rsplit("/", 2)
    tail = f"-{position}-{index}-{task.attempt}"
    return f"sw-{_LABEL.sub('-', job).lower()[: _MOST_NAME - 3 - len(tail)]}{tail}"


def make_job(task: Task, place: PodPlace) -> Json:
    """Return the batch/v1 Job that runs one attempt of a task.

    Args:
        task: The attempt.
        place: Namespace, image and template.
    """
    name = attempt_name(task)
    found = overlay(DEFAULT_TEMPLATE, place.template)
    labels = _labels(task, place, name)
    found |= {"apiVersion": "batch/v1", "kind": "Job"}
    found["metadata"] = _with_labels(found.get("metadata", {}), labels) | {"name": name, "namespace": place.namespace}
    spec: Json = found["spec"]
    spec |= {"backoffLimit": 0, "completions": 1, "parallelism": 1}
    template: Json = spec["template"]
    template["metadata"] = _with_labels(template.get("metadata", {}), labels)
    pod: Json = template["spec"]
    pod["restartPolicy"] = "Never"
    secret = {"secretName": name, "defaultMode": 0o440, "optional": False}
    pod["volumes"] = [*(pod.get("volumes") or []), {"name": "task", "secret": secret}]
    container: Json = next(each for each in pod["containers"] if each["name"] == CONTAINER)
    container |= {"image": container.get("image") or place.image, "command": [place.python, "-c", _BEGIN]}
    mount = {"name": "task", "mountPath": TASK_FOLDER, "readOnly": True}
    container["volumeMounts"] = [*(container.get("volumeMounts") or []), mount]
    if resources := _resources(task, container.get("resources") or {}):
        container["resources"] = resources
    return found


def make_secret(task: Task, place: PodPlace, told: Json, *, owner_uid: str) -> Json:
    """Return the Secret with what the worker of an attempt is told; it goes with the Job that owns it.

    Args:
        task: The attempt.
        place: Namespace and driver.
        told: What the worker is told, its token included.
        owner_uid: The `uid` that the cluster gave the Job.
    """
    name = attempt_name(task)
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": owner_uid}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": name,
            "namespace": place.namespace,
            "labels": _labels(task, place, name),
            "ownerReferences": [owner],
        },
        "data": {TASK_FILE: base64.b64encode(json.dumps(told).encode()).decode("ascii")},
    }


def overlay(base: Any, over: Any) -> Any:  # Any: JSON values
    """Lay one JSON value over another: objects by key, lists of things with names by name, anything else as a whole.

    Example:
        >>> overlay({"a": 1, "env": [{"name": "X", "value": "1"}]}, {"env": [{"name": "X", "value": "2"}]})
        {'a': 1, 'env': [{'name': 'X', 'value': '2'}]}
    """
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return _copy(over)
    found: Json = {name: _copy(value) for name, value in base.items()}
    for name, value in over.items():
        if value is None:
            found.pop(name, None)
        elif name in _BY_NAME and isinstance(value, Sequence):
            found[name] = _by_name(name, found.get(name) or [], value)
        else:
            found[name] = overlay(found[name], value) if name in found else _copy(value)
    return found


def check_template(template: Any, source: str) -> Json:  # Any: whatever YAML says
    """Refuse a template that says what is not for it to say, or what no Job has.

    Args:
        template: What was read.
        source: Where, for the message.

    Raises:
        UsageError: Names the field, and what is near.
    """
    if not isinstance(template, Mapping):
        message = f"{source} is no template of a Job: it has to be a mapping with 'spec'"
        raise UsageError(message, hint="see docs/how-to/run-on-kubernetes.md")
    said: Mapping[str, Any] = template
    for name, expected in (("apiVersion", "batch/v1"), ("kind", "Job")):
        if said.get(name, expected) != expected:
            message = f"{source}: {name} is {said[name]!r}, and a template is for {expected}"
            raise UsageError(message, hint="write a Job, or leave it out")
    kept: Json = {name: value for name, value in said.items() if name not in _OWNED}
    spec: Any = kept.get("spec") or {}
    pod: Any = ((spec.get("template") or {}).get("spec") or {}) if isinstance(spec, Mapping) else {}
    owned = [f"spec.{name}" for name in _OWNED_SPEC if isinstance(spec, Mapping) and name in spec]
    owned += ["spec.template.spec.restartPolicy"] if "restartPolicy" in pod else []
    owned += [
        f"metadata.{name}" for name in ("name", "namespace", "generateName") if name in (kept.get("metadata") or {})
    ]
    for each in pod.get("containers") or ():
        if isinstance(each, Mapping) and each.get("name") == CONTAINER:
            owned += [f"command of the container {CONTAINER!r}"] if {"command", "args"} & each.keys() else []
    if owned:
        message = f"{source} sets {', '.join(owned)}, which the program sets itself"
        raise UsageError(message, hint="leave it out")
    from starwhale.execution.executors.kubernetes_fields import check_fields

    check_fields(kept, "V1Job", source)
    return kept


def _labels(task: Task, place: PodPlace, name: str) -> dict[str, str]:
    _, position, index = task.id.rsplit("/", 2)
    return {
        "app.kubernetes.io/name": "starwhale-task",
        "app.kubernetes.io/managed-by": "starwhale",
        JOB_LABEL: task.job_id[:_MOST_NAME],
        ATTEMPT_LABEL: name,
        DRIVER_LABEL: place.driver,
        f"{DOMAIN}/step": (_LABEL.sub("-", task.step.name)[:_MOST_NAME]).strip("-_.") or position,
        f"{DOMAIN}/task": index,
    }


def _with_labels(metadata: Mapping[str, Any], labels: Mapping[str, str]) -> Json:
    return {**metadata, "labels": {**(metadata.get("labels") or {}), **labels}}


def _resources(task: Task, said: Mapping[str, Any]) -> Json:
    """Return requests and limits of a handler, over those of the template; accelerators have one figure for both."""
    found: Json = {"requests": dict(said.get("requests") or {}), "limits": dict(said.get("limits") or {})}
    for each in task.step.record.resources:
        name = str(each["type"])
        request, limit = float(each["request"]), float(each["limit"])
        if name == ACCELERATOR:
            request = limit
        for part, amount in (("requests", request), ("limits", limit)):
            if amount:
                found[part][name] = f"{amount * 1000:.0f}m" if name == "cpu" else f"{amount:.0f}"
    rest = {name: value for name, value in said.items() if name not in found}
    return {**rest, **{name: value for name, value in found.items() if value}}


def _by_name(kind: str, base: Sequence[Any], over: Sequence[Any]) -> list[Any]:
    """Lay lists of named things over one another; containers part by part, anything else as a whole."""
    found: dict[Any, Any] = {each["name"]: each for each in base}
    for place, each in enumerate(over):
        name = each.get("name", place) if isinstance(each, Mapping) else place
        is_part = kind == "containers" and name in found
        found[name] = overlay(found[name], each) if is_part else _copy(each)
    return list(found.values())


def _copy(value: Any) -> Any:  # Any: JSON values
    if isinstance(value, Mapping):
        return {str(name): _copy(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_copy(each) for each in value]
    return value
