"""What a kubelet does, done by `podman kube play` for the stub of the API: runs the very Pods of Jobs, and says how they are."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.kubernetes_stub import Stub


_LOOK_S = 0.2


class PodmanKubelet:
    """Plays the Pod of each Job that the stub is given, once its Secret is there."""

    def __init__(self, stub: Stub, folder: Path, variables: Mapping[str, str]) -> None:
        self._stub = stub
        self._folder = folder
        self._env = {**os.environ, **variables}
        self._files: dict[str, Path] = {}
        stub.on_job = self._start
        stub.on_gone = self._end
        self.played: list[dict[str, Any]] = []
        """Pods that were played, as documents."""

    def kill(self, pod: str) -> None:
        """Kill the container of a Pod, as a node does that is short of something."""
        self._podman("kill", f"{pod}-task")

    def close(self) -> None:
        """Take all Pods away."""
        for pod in list(self._files):
            self._end(pod)

    def _start(self, job: dict[str, Any]) -> None:
        pod = self._stub.make_pod(job)
        threading.Thread(target=self._run, args=(job["metadata"]["name"], pod), daemon=True).start()

    def _run(self, job: str, pod: str) -> None:
        stub = self._stub
        stub.wait_for(lambda: job in stub.secrets or pod not in stub.pods)
        if pod not in stub.pods:
            return
        told = {name: base64.b64decode(each).decode() for name, each in stub.secrets[job]["data"].items()}
        secret = self._folder / f"{pod}.secret"  # podman 4.3 gives out what it was given, and decodes nothing
        document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": job}, "data": told}
        secret.write_text(json.dumps(document), encoding="utf-8")
        self._podman("secret", "create", job, str(secret))
        document = {name: stub.pods[pod][name] for name in ("apiVersion", "kind", "metadata", "spec")}
        document["metadata"] = {**document["metadata"]}
        document["metadata"].pop("resourceVersion", None)
        self.played.append(document)
        self._files[pod] = self._folder / f"{pod}.json"
        self._files[pod].write_text(json.dumps(document), encoding="utf-8")
        done = self._podman("kube", "play", str(self._files[pod]))
        if done.returncode:
            stub.logs[pod] = done.stderr
            stub.end(pod, exitCode=128, reason="ContainerCannotRun", message=done.stderr[-500:])
            return
        stub.set_status(pod, phase="Running", containerStatuses=[{"name": "task", "state": {"running": {}}}])
        self._follow(pod)

    def _follow(self, pod: str) -> None:
        while pod in self._stub.pods:
            done = self._podman("inspect", "--format", "{{json .State}}", f"{pod}-task")
            if done.returncode:
                return
            state = json.loads(done.stdout)
            if state["Status"] == "exited":
                logs = self._podman("logs", f"{pod}-task")
                self._stub.logs[pod] = logs.stdout + logs.stderr
                reason = "OOMKilled" if state["OOMKilled"] else "Error" if state["ExitCode"] else "Completed"
                self._stub.end(pod, exitCode=state["ExitCode"], reason=reason)
                return
            time.sleep(_LOOK_S)

    def _end(self, pod: str) -> None:
        file = self._files.pop(pod, None)
        if file is None:
            return
        self._podman("kube", "down", str(file))
        with contextlib.suppress(OSError):
            self._podman("pod", "rm", "--force", pod)
        self._podman("secret", "rm", pod.removesuffix("-pod"))
        self._podman("volume", "rm", pod.removesuffix("-pod"))  # into which it has written the Secret

    def _podman(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["podman", *words], env=self._env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
