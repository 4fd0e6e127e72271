"""The examples that start Ray elsewhere: what of them can be checked without a cluster."""

from __future__ import annotations

import importlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.mark.needs_kubernetes
@pytest.mark.parametrize("version", ["1.31", "1.33", "1.35", "1.37"])
def test_the_pods_of_the_manifest_of_kuberay_are_valid(version: str) -> None:
    kubernetes_validate: Any = importlib.import_module("kubernetes_validate")  # Any: it has no types
    job: Any = yaml.safe_load((DEPLOY / "kuberay" / "rayjob.yaml").read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for each in groups:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": each["template"]["spec"]}
        kubernetes_validate.validate(pod, version, strict=True)
    images = {container["image"] for each in groups for container in each["template"]["spec"]["containers"]}
    assert len(images) == 1, "driver and workers are of one version"


def test_the_script_for_slurm_is_one_that_bash_reads() -> None:
    script = DEPLOY / "slurm" / "ray.sbatch"
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
