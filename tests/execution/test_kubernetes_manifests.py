"""What a cluster is asked for: manifests as data, valid for four versions of Kubernetes, and templates that say what they may."""

from __future__ import annotations

import base64
import dataclasses
import importlib
import json
from typing import Any

import pytest
import yaml

from starwhale.domain.job import HandlerRecord, RunRequest, Step, Task
from starwhale.errors import UsageError
from starwhale.execution.executors.kubernetes_manifests import (
    ATTEMPT_LABEL,
    CACHE_FOLDER,
    PodPlace,
    attempt_name,
    check_template,
    make_job,
    make_secret,
    overlay,
)

JOB = "kz4cd5w3czhufxmnfqgtkmrvgq2wmntdga3tqnzqgy"
VERSIONS = ("1.31.0", "1.33.0", "1.35.0", "1.37.0")
TEMPLATE = """
apiVersion: batch/v1
kind: Job
metadata:
  annotations: {team: vision}
spec:
  activeDeadlineSeconds: 3600
  template:
    metadata:
      labels: {team: vision}
    spec:
      priorityClassName: low
      nodeSelector: {accelerator: h100}
      tolerations:
        - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
      imagePullSecrets: [{name: registry}]
      containers:
        - name: task
          env: [{name: HF_HOME, value: /var/cache/starwhale/hf}]
          resources: {requests: {ephemeral-storage: 1Gi}}
      volumes:
        - name: cache
          persistentVolumeClaim: {claimName: models}
"""
PLACE = PodPlace(namespace="tasks", image="registry.example/eval:3", driver="abc")


def task(*resources: dict[str, Any], attempt: int = 1, step: str = "evaluation:Knn.predict") -> Task:
    record = HandlerRecord(name=step, kind="predict", resources=resources)
    return Task(
        id=f"{JOB}/0/3",
        job_id=JOB,
        step=Step(name=step, record=record, replicas=4),
        index=3,
        total=4,
        attempt=attempt,
        request=RunRequest(workdir="/model", modules=("evaluation",)),
    )


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    return job["spec"]["template"]["spec"]


@pytest.mark.needs_kubernetes
@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_are_valid_in_versions_of_four_years(version: str) -> None:
    kubernetes_validate: Any = importlib.import_module("kubernetes_validate")  # Any: it has no types
    place = dataclasses.replace(PLACE, template=check_template(yaml.safe_load(TEMPLATE), "template.yaml"))
    asked = task(
        {"type": "cpu", "request": 0.5, "limit": 2.0},
        {"type": "memory", "request": 2.0**30, "limit": 2.0**31},
        {"type": "nvidia.com/gpu", "request": 1.0, "limit": 1.0},
    )
    for made in (make_job(task(), PLACE), make_job(asked, place), make_secret(asked, place, {}, owner_uid="u-1")):
        assert kubernetes_validate.validate(made, version, strict=True).startswith(version.rpartition(".")[0])
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**make_job(task(), PLACE), "more": 1}, version, strict=True)


def test_a_job_is_tried_once_and_ends_by_itself() -> None:
    made = make_job(task(), PLACE)
    assert made["metadata"]["name"] == f"sw-{JOB}-0-3-1"
    assert made["metadata"]["namespace"] == "tasks"
    assert {name: made["spec"][name] for name in ("backoffLimit", "completions", "parallelism")} == {
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
    }
    assert made["spec"]["ttlSecondsAfterFinished"] == 3600
    assert made["spec"]["activeDeadlineSeconds"] == 7 * 24 * 3600
    assert pod_of(made)["restartPolicy"] == "Never"
    assert pod_of(made)["automountServiceAccountToken"] is False
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert labels == made["metadata"]["labels"]
    assert labels[ATTEMPT_LABEL] == made["metadata"]["name"]
    assert labels["starwhale.ai/job"] == JOB
    assert labels["starwhale.ai/step"] == "evaluation-Knn.predict"


def test_the_worker_has_no_rights_and_is_told_by_a_secret_alone() -> None:
    made = make_job(task(), PLACE)
    (container,) = pod_of(made)["containers"]
    assert pod_of(made)["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert {each["name"]: each["mountPath"] for each in container["volumeMounts"]} == {
        "cache": CACHE_FOLDER,
        "task": "/run/starwhale/task",
    }
    secret = make_secret(task(), PLACE, {"token": "swt_secret"}, owner_uid="u-1")
    assert json.loads(base64.b64decode(secret["data"]["task.json"])) == {"token": "swt_secret"}
    assert secret["metadata"]["ownerReferences"][0]["uid"] == "u-1", "it goes with the Job"
    assert "swt_secret" not in json.dumps(made)


def test_resources_become_requests_and_limits() -> None:
    made = make_job(
        task(
            {"type": "cpu", "request": 0.25, "limit": 1.0},
            {"type": "memory", "request": 5e8, "limit": 5e8},
            {"type": "nvidia.com/gpu", "request": 0.0, "limit": 1.0},
        ),
        PLACE,
    )
    assert pod_of(made)["containers"][0]["resources"] == {
        "requests": {"cpu": "250m", "memory": "500000000", "nvidia.com/gpu": "1"},
        "limits": {"cpu": "1000m", "memory": "500000000", "nvidia.com/gpu": "1"},
    }
    assert "resources" not in pod_of(make_job(task(), PLACE))["containers"][0]


@pytest.mark.needs_kubernetes
def test_a_template_adds_to_what_is_there() -> None:
    template = check_template(yaml.safe_load(TEMPLATE), "template.yaml")
    made = make_job(task(), dataclasses.replace(PLACE, template=template))
    pod = pod_of(made)
    assert made["spec"]["activeDeadlineSeconds"] == 3600
    assert made["metadata"]["annotations"] == {"team": "vision"}
    assert made["spec"]["template"]["metadata"]["labels"]["team"] == "vision"
    assert pod["nodeSelector"] == {"accelerator": "h100"}
    assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert [each["name"] for each in pod["containers"][0]["env"]] == ["HOME", "HF_HOME"]
    assert pod["containers"][0]["resources"] == {"requests": {"ephemeral-storage": "1Gi"}}
    assert pod["volumes"][0] == {"name": "cache", "persistentVolumeClaim": {"claimName": "models"}}, "as a whole"
    assert pod["volumes"][1]["secret"]["secretName"] == made["metadata"]["name"]


@pytest.mark.needs_kubernetes
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "is no template of a Job"),
        ("kind: Pod", "kind is 'Pod'"),
        ("spec: {backoffLimit: 4}", "sets spec.backoffLimit"),
        ("spec: {template: {spec: {restartPolicy: Always}}}", "sets spec.template.spec.restartPolicy"),
        ("metadata: {name: mine}", "sets metadata.name"),
        (
            "spec: {template: {spec: {containers: [{name: task, command: [sh]}]}}}",
            "sets command of the container 'task'",
        ),
        ("spec: {template: {spec: {nodeSelektor: {a: b}}}}", "no field spec.template.spec.nodeSelektor"),
        ("spec: {template: {spec: {tolerations: {key: x}}}}", "spec.template.spec.tolerations is {'key': 'x'}"),
        ("spec: {activeDeadlineSeconds: soon}", "spec.activeDeadlineSeconds is 'soon'"),
        (
            "spec: {template: {spec: {containers: [{name: task, imagePullPolic: Never}]}}}",
            "containers[0].imagePullPolic",
        ),
        ("spec: 3", "spec is 3"),
    ],
)
def test_a_template_that_says_what_it_may_not_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_template(yaml.safe_load(text), "template.yaml")
    assert said in str(caught.value)
    assert "template.yaml" in str(caught.value)


@pytest.mark.needs_kubernetes
def test_a_field_that_is_misspelt_names_the_one_that_is_near() -> None:
    with pytest.raises(UsageError) as caught:
        check_template({"spec": {"template": {"spec": {"nodeSelectr": {}}}}}, "t")
    assert "did you mean 'nodeSelector'" in str(caught.value.hint)


def test_names_fit_whatever_a_step_or_job_is_called() -> None:
    found = task(attempt=12, step="a/b c:" + "x" * 100)
    labels = make_job(dataclasses.replace(found, id=f"{'J' * 80}/11/31"), PLACE)["metadata"]["labels"]
    assert all(len(each) <= 63 for each in labels.values())
    assert labels[ATTEMPT_LABEL].endswith("-11-31-12")
    assert attempt_name(found) != attempt_name(dataclasses.replace(found, attempt=13))


def test_nothing_in_a_template_takes_a_default_away() -> None:
    assert overlay({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}) == {"a": {"c": 2}}
    assert overlay({"tolerations": [1]}, {"tolerations": [2]}) == {"tolerations": [2]}
