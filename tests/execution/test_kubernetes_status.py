"""What the status of a Pod comes to, in the words that the cluster has for it."""

from __future__ import annotations

from typing import Any

import pytest

from starwhale.execution.executors.kubernetes_status import PodWord, read_job, read_pod

IMAGE_MESSAGE = 'Back-off pulling image "registry.example/eval:3"'
NO_NODE = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."


def pod(phase: str = "Pending", state: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"phase": phase, **status}
    if state is not None:
        sidecar = {"name": "proxy", "state": {"running": {}}}
        found["containerStatuses"] = [sidecar, {"name": "task", "state": state}]
    limits = {"resources": {"limits": {"memory": "268435456"}}}
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "task", **limits}]}, "status": found}


def ended(code: int, reason: str = "Error", **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, **more}}


@pytest.mark.parametrize(
    ("found", "phase", "reason", "words"),
    [
        ({}, "waiting", "", "its container is being made"),
        (pod(state={"waiting": {"reason": "ContainerCreating"}}), "waiting", "ContainerCreating", "being made"),
        (pod("Running", {"running": {}}), "running", "", ""),
        (
            pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_NODE}]),
            "waiting",
            "Unschedulable",
            NO_NODE,
        ),
        (
            pod(state={"waiting": {"reason": "ImagePullBackOff", "message": IMAGE_MESSAGE}}),
            "waiting",
            "ImagePullBackOff",
            IMAGE_MESSAGE,
        ),
        (pod(state={"waiting": {"reason": "InvalidImageName"}}), "hopeless", "InvalidImageName", "cannot be had"),
        (
            pod(state={"waiting": {"reason": "CreateContainerConfigError", "message": "no secret"}}),
            "hopeless",
            "CreateContainerConfigError",
            "cannot be made (CreateContainerConfigError): no secret",
        ),
        (
            pod(initContainerStatuses=[{"name": "init", "state": {"waiting": {"reason": "ErrImageNeverPull"}}}]),
            "hopeless",
            "ErrImageNeverPull",
            "its image cannot be had",
        ),
        (pod("Failed", ended(137, "OOMKilled")), "ended", "OOMKilled", "beyond its memory of 256 MiB"),
        (pod("Failed", ended(3)), "ended", "Error", "ended with exit code 3"),
        (pod("Failed", ended(139)), "ended", "Error", "was killed by SIGSEGV"),
        (pod("Failed", ended(128, "ContainerCannotRun", message="no python3")), "ended", "ContainerCannotRun", "no python3"),
        (pod("Failed", reason="Evicted", message="low on memory"), "ended", "Evicted", "was evicted from its node"),
        (
            pod("Failed", conditions=[{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]),
            "ended",
            "PreemptionByScheduler",
            "for its own sake",
        ),
        (pod("Succeeded", ended(0, "Completed")), "ended", "Completed", "exit code 0"),
        (pod("Succeeded"), "ended", "", "has succeeded"),
    ],
)  # fmt: skip
def test_the_words_of_a_pod(found: dict[str, Any], phase: str, reason: str, words: str) -> None:
    word = read_pod(found)
    assert (word.phase, word.reason) == (phase, reason)
    assert words in word.message


def test_an_end_has_an_exit_code_or_a_signal_and_never_both() -> None:
    assert (read_pod(pod("Failed", ended(3))).exit_code, read_pod(pod("Failed", ended(3))).signal) == (3, "")
    for found in (ended(137), ended(137, "OOMKilled"), ended(0, signal=9)):
        word = read_pod(pod("Failed", found))
        assert (word.exit_code, word.signal) == (None, "SIGKILL")
    assert read_pod(pod("Succeeded", ended(0))).is_success
    assert not read_pod(pod("Failed", ended(1))).is_success
    assert not PodWord(phase="running").is_success


def test_a_pod_that_is_gone_is_explained_by_its_job() -> None:
    def job(**condition: str) -> dict[str, Any]:
        return {"status": {"conditions": [{"type": "Failed", "status": "True", **condition}]}}

    assert "activeDeadlineSeconds" in read_job(job(reason="DeadlineExceeded")).message
    assert "gave the Job up: FailedIndexes: x" in read_job(job(reason="FailedIndexes", message="x")).message
    assert read_job(job(reason="BackoffLimitExceeded")).message.startswith("the Pod was deleted")
    assert read_job(None).message.startswith("the Pod and its Job were deleted")
    assert read_job({"status": {}}).reason == "Deleted"
