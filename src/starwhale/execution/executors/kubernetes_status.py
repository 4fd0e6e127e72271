"""What the status of a Pod comes to: it waits and why, it runs, or it has ended and how. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starwhale.domain.json_shape import Json
from starwhale.execution.executors.kubernetes_manifests import CONTAINER
from starwhale.storage.carriers.lifetime import signal_name

_SIGNALLED = 128
_NEVER = frozenset(
    {"InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)
"""Reasons of a container that waits which do not pass by themselves."""
_PULLING = frozenset({"ImagePullBackOff", "ErrImagePull", "RegistryUnavailable"})
"""Reasons that may pass: a registry that is away for a moment."""
OF_THE_CLUSTER = frozenset({
    "Deleted", "Silent", "NodeLost", "NodeShutdown", "Shutdown", "Terminated", "Preempting", "PreemptionByScheduler", "DeletionByTaintManager",
    "TerminationByKubelet", "DeletionByPodGC",
})  # fmt: skip
"""Reasons of Pods that the cluster, or somebody at it, ended for reasons of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodWord:
    """What a Pod says of itself at one moment."""

    phase: str
    """`waiting`, `running`, `ended`, or `hopeless` for one that waits for what will not come."""
    reason: str = ""
    """The cluster's own word: `OOMKilled`, `ImagePullBackOff`, `Unschedulable`, …; empty where it has none."""
    message: str = ""
    """One line that people understand."""
    hint: str = ""
    """What to try."""
    exit_code: int | None = None
    """With which the worker ended; None while it runs, or when a signal killed it."""
    signal: str = ""
    """By which it was killed, or empty."""
    is_passing: bool = False
    """While it waits: whether that may pass by itself within a short time."""

    @property
    def is_success(self) -> bool:
        """Whether the worker ended as it should."""
        return self.phase == "ended" and self.exit_code == 0


def read_pod(pod: Mapping[str, Any]) -> PodWord:
    """Say what a Pod comes to.

    Args:
        pod: As the API gives it.
    """
    status: Json = pod.get("status") or {}
    container = _container(status.get("containerStatuses") or ())
    state: Json = container.get("state") or {}
    if (ended := state.get("terminated")) is not None:
        return _ended(ended, pod)
    phase = str(status.get("phase") or "Pending")
    if phase in {"Failed", "Succeeded"}:  # the kubelet never got to say how the container ended
        return _gone(status, phase)
    waiting: Json = state.get("waiting") or _init_waiting(status) or {}
    if waiting.get("reason") in _NEVER | _PULLING:
        return _waits_for_image(waiting)
    if state.get("running") is not None:
        return PodWord(phase="running")
    for each in status.get("conditions") or ():
        if each.get("type") == "PodScheduled" and each.get("status") == "False":
            return _unscheduled(each)
    return PodWord(
        phase="waiting", reason=str(waiting.get("reason") or ""), message="its container is being made", is_passing=True
    )


def read_job(job: Mapping[str, Any] | None) -> PodWord:
    """Say why a Job has no Pod any more, of the Job; None for one that is gone as well."""
    conditions: list[Json] = ((job or {}).get("status") or {}).get("conditions") or []
    failed = next((each for each in conditions if each.get("type") == "Failed" and each.get("status") == "True"), None)
    if failed is not None and failed.get("reason") == "DeadlineExceeded":
        return PodWord(
            phase="ended",
            reason="DeadlineExceeded",
            message="the Pod was ended by the cluster: activeDeadlineSeconds of its Job is over",
            hint="raise activeDeadlineSeconds in the template, and go on with the job",
        )
    if failed is not None and failed.get("reason") not in {None, "BackoffLimitExceeded"}:
        said = f"{failed.get('reason')}: {failed.get('message') or ''}".rstrip(": ")
        return PodWord(phase="ended", reason=str(failed["reason"]), message=f"the cluster gave the Job up: {said}")
    what = "the Pod and its Job were deleted" if job is None else "the Pod was deleted"
    return PodWord(
        phase="ended",
        reason="Deleted",
        message=f"{what}: by hand, or because its node went away",
        hint="look at the events of the namespace: kubectl get events",
    )


def _container(statuses: Iterable[Json]) -> Json:
    return next((each for each in statuses if each.get("name") == CONTAINER), {})


def _init_waiting(status: Mapping[str, Any]) -> Json:
    """Return what an init container of the template waits for; one that runs is none of ours."""
    for each in status.get("initContainerStatuses") or ():
        if found := (each.get("state") or {}).get("waiting"):
            return found
    return {}


def _ended(ended: Mapping[str, Any], pod: Mapping[str, Any]) -> PodWord:
    code = int(ended.get("exitCode") or 0)
    number = int(ended.get("signal") or 0) or (code - _SIGNALLED if code > _SIGNALLED else 0)
    reason = str(ended.get("reason") or "")
    name = signal_name(-number) if number else ""
    if reason == "OOMKilled":
        limit = _memory_limit(pod)
        return PodWord(
            phase="ended",
            reason=reason,
            message=f"the container went beyond its memory{limit} and was killed (OOMKilled)",
            hint="raise the limit of memory in the resources of the handler",
            signal=name or "SIGKILL",
        )
    said = f"was killed by {name}" if name else f"ended with exit code {code}"
    more = f" ({reason})" if reason not in {"", "Error", "Completed"} else ""
    message = f"the container {said}{more}" + (f": {ended['message']}" if ended.get("message") else "")
    return PodWord(phase="ended", reason=reason, message=message, exit_code=None if number else code, signal=name)


def _gone(status: Mapping[str, Any], phase: str) -> PodWord:
    reason = str(status.get("reason") or "")
    for each in status.get("conditions") or ():
        if each.get("type") == "DisruptionTarget" and each.get("status") == "True":
            reason = reason or str(each.get("reason") or "")
    if phase == "Succeeded":
        return PodWord(phase="ended", reason=reason, message="the Pod has succeeded", exit_code=0)
    told = f": {status['message']}" if status.get("message") else ""
    why = "was ended by the cluster for its own sake" if reason in OF_THE_CLUSTER else "has failed"
    if reason == "Evicted":
        why = "was evicted from its node"
    return PodWord(
        phase="ended",
        reason=reason,
        message=f"the Pod {why}" + (f" ({reason})" if reason else "") + told,
        hint="the task is tried again; look at the node and its events",
    )


def _waits_for_image(waiting: Mapping[str, Any]) -> PodWord:
    reason = str(waiting["reason"])
    about_image = reason in _PULLING | {"InvalidImageName", "ErrImageNeverPull"}
    said = f": {waiting['message']}" if waiting.get("message") else ""
    what = "its image cannot be had" if about_image else "its container cannot be made"
    hint = (
        "look at the image's name, at imagePullSecrets of the template, and at the registry"
        if about_image
        else "look at the template: volumes, secrets and security settings"
    )
    phase = "waiting" if reason in _PULLING else "hopeless"
    return PodWord(phase=phase, reason=reason, message=f"{what} ({reason}){said}", hint=hint)


def _unscheduled(condition: Mapping[str, Any]) -> PodWord:
    reason = str(condition.get("reason") or "Unschedulable")
    said = f": {condition['message']}" if condition.get("message") else ""
    return PodWord(
        phase="waiting",
        reason=reason,
        message=f"no node takes the Pod ({reason}){said}",
        hint="ask for less in the resources of the handler, or look at nodeSelector and tolerations of the template",
    )


def _memory_limit(pod: Mapping[str, Any]) -> str:
    for each in (pod.get("spec") or {}).get("containers") or ():
        if each.get("name") == CONTAINER and (
            limit := ((each.get("resources") or {}).get("limits") or {}).get("memory")
        ):
            amount = str(limit)
            return f" of {int(amount) / 2**20:g} MiB" if amount.isdigit() else f" of {amount}"
    return ""
