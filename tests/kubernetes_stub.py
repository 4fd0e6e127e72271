"""A stub of the API of Kubernetes: a real HTTP server on loopback that speaks the few routes which the executor uses, and nothing more.

It is no Kubernetes: there is no admission, no scheduler, no quota, no RBAC, no controller. What a controller and a kubelet would do a test says
(`Stub.set_status`), or `Kubelet` does it with a process of this machine. What it is for: conflicts, watches that break or grow too old, answers that
get lost, and servers that fail for a while.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]  # Any: JSON objects
_ROUTE = re.compile(r"^/(?:api/v1|apis/batch/v1)/namespaces/([^/]+)/(jobs|pods|secrets)(?:/([^/]+)(/log)?)?$")
_DEADLINE_S = 60.0


@dataclass(slots=True)
class Fault:
    """What goes wrong with requests that fit, a number of times."""

    method: str
    kind: str
    status: int
    times: int = 1
    is_answer_lost: bool = False
    """Whether the request is done all the same."""


@dataclass
class Stub:
    """The state of the cluster, and what was asked."""

    jobs: dict[str, Json] = field(default_factory=dict[str, Json])
    pods: dict[str, Json] = field(default_factory=dict[str, Json])
    secrets: dict[str, Json] = field(default_factory=dict[str, Json])
    logs: dict[str, str] = field(default_factory=dict[str, str])
    faults: list[Fault] = field(default_factory=list[Fault])
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    events: list[tuple[int, str, Json]] = field(default_factory=list[tuple[int, str, Json]])
    oldest: int = 0
    """Watches from before this version are told 410."""
    version: int = 0
    address: str = ""
    changed: threading.Condition = field(default_factory=threading.Condition)
    on_job: Callable[[Json], None] | None = None
    on_gone: Callable[[str], None] | None = None
    watches: int = 0

    def make_pod(self, job: Json) -> str:
        """Do what the controller of Jobs does: make the Pod of a Job."""
        name = f"{job['metadata']['name']}-pod"
        template: Json = job["spec"]["template"]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "tasks", **template["metadata"]},
            "spec": template["spec"],
            "status": {"phase": "Pending"},
        }
        with self.changed:
            self.pods[name] = pod
            self._event("ADDED", pod)
        return name

    def set_status(self, pod: str, **status: Any) -> None:
        """Do what a kubelet does: say how a Pod is."""
        with self.changed:
            if pod in self.pods:
                self.pods[pod] = {**self.pods[pod], "status": status}
                self._event("MODIFIED", self.pods[pod])

    def end(self, pod: str, **terminated: Any) -> None:
        """Say that the container of a Pod ended."""
        phase = "Succeeded" if terminated.get("exitCode") == 0 else "Failed"
        self.set_status(pod, phase=phase, containerStatuses=[{"name": "task", "state": {"terminated": terminated}}])

    def delete_pod(self, name: str) -> None:
        """Take a Pod away, as a node that is lost does."""
        with self.changed:
            pod = self.pods.pop(name, None)
            if pod is not None:
                self._event("DELETED", pod)
        if self.on_gone is not None:
            self.on_gone(name)

    def forget_history(self) -> None:
        """Let every watch that is resumed be too old, and end those under way."""
        with self.changed:
            self.version += 1
            self.oldest = self.version
            self.changed.notify_all()

    def wait_for(self, is_there: Callable[[], Any]) -> Any:
        """Wait until something is so, and return it."""
        with self.changed:
            assert self.changed.wait_for(is_there, _DEADLINE_S), "it did not come"
            return is_there()

    def has_news(self, at: int) -> bool:
        """Whether a watch has something to tell that stands at a version."""
        return self.oldest > at or any(each[0] > at for each in self.events)

    def _event(self, kind: str, pod: Json) -> None:
        self.version += 1
        pod["metadata"] = {**pod["metadata"], "resourceVersion": str(self.version)}
        self.events.append((self.version, kind, json.loads(json.dumps(pod))))
        self.changed.notify_all()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stub: Stub

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body: Json = json.loads(self.rfile.read(size) or "{}")
        url = urlsplit(self.path)
        match = _ROUTE.match(url.path)
        if match is None:
            self._answer(404, {"message": f"no route {url.path}"})
            return
        _, kind, name, is_log = match.groups()
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        with self.stub.changed:
            self.stub.asked.append((method, url.path))
            fault = next((x for x in self.stub.faults if (x.method, x.kind) == (method, kind) and x.times), None)
            if fault is not None:
                fault.times -= 1
        if fault is not None and not fault.is_answer_lost:
            self._answer(fault.status, {"message": "the stub was told to fail"})
            return
        if query.get("watch"):
            self._watch(query)
            return
        status, answer = self._do(method, kind, name, bool(is_log), body, query)
        if fault is not None:
            self._answer(fault.status, {"message": "the answer is lost"})
        elif isinstance(answer, str):
            self._answer(status, answer)
        else:
            self._answer(status, answer)

    def _do(
        self, method: str, kind: str, name: str | None, is_log: bool, body: Json, query: Mapping[str, str]
    ) -> tuple[int, Any]:
        stub = self.stub
        things: dict[str, Json] = getattr(stub, kind)
        if method == "POST":
            return self._create(kind, things, body)
        if method == "GET" and name is None:
            with stub.changed:
                items = [each for each in things.values() if _fits(each, query.get("labelSelector", ""))]
                return 200, {"items": items, "metadata": {"resourceVersion": str(stub.version)}}
        if is_log:
            return 200, stub.logs.get(str(name), "")
        if name not in things:
            return 404, {"message": f'{kind} "{name}" not found'}
        if method == "PUT":
            things[str(name)] = body
            return 200, body
        if method == "DELETE":
            if kind == "pods":
                stub.delete_pod(str(name))
                return 200, {"status": "Success"}
            with stub.changed:
                del things[str(name)]
                stub.changed.notify_all()
            if kind == "jobs":
                stub.delete_pod(f"{name}-pod")
                stub.secrets.pop(str(name), None)  # the Job owns it
            return 200, {"status": "Success"}
        return 200, things[str(name)]

    def _create(self, kind: str, things: dict[str, Json], body: Json) -> tuple[int, Any]:
        stub = self.stub
        name = body["metadata"]["name"]
        with stub.changed:
            if name in things:
                return 409, {"message": f'{kind} "{name}" already exists', "reason": "AlreadyExists"}
            made = {**body, "metadata": {**body["metadata"], "uid": f"uid-{len(stub.asked)}"}}
            things[name] = made
            stub.changed.notify_all()
        if kind == "jobs" and stub.on_job is not None:
            stub.on_job(made)
        return 201, made

    def _watch(self, query: Mapping[str, str]) -> None:
        stub = self.stub
        at = int(query.get("resourceVersion") or 0)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):
            with stub.changed:
                stub.watches += 1
                stub.changed.notify_all()
            while True:
                with stub.changed:
                    stub.changed.wait_for(functools.partial(stub.has_news, at), 0.5)
                    gone = stub.oldest > at
                    news = [each for each in stub.events if each[0] > at]
                if gone:
                    message = {
                        "kind": "Status",
                        "code": 410,
                        "message": "too old resource version",
                        "reason": "Expired",
                    }
                    self._chunk(json.dumps({"type": "ERROR", "object": message}) + "\n")
                    self._chunk("")
                    return
                for number, kind, pod in news:
                    at = number
                    if _fits(pod, query.get("labelSelector", "")):
                        self._chunk(json.dumps({"type": kind, "object": pod}) + "\n")
                if not news:
                    mark = {"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": str(at)}}}
                    self._chunk(json.dumps(mark) + "\n")

    def _chunk(self, text: str) -> None:
        content = text.encode()
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()

    def _answer(self, status: int, body: Any) -> None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(content)


class Kubelet:
    """Runs the containers of Pods as processes of this machine: their very command, with the Secret's file where it can be."""

    def __init__(self, stub: Stub, folder: Path, python: str) -> None:
        self._stub = stub
        self._folder = folder
        self._python = python
        self.processes: dict[str, subprocess.Popen[str]] = {}
        stub.on_job = self._start
        stub.on_gone = self.kill

    def kill(self, pod: str) -> None:
        """End the container of a Pod with everything in it."""
        if (process := self.processes.get(pod)) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def close(self) -> None:
        """End all containers."""
        for pod in list(self.processes):
            self.kill(pod)

    def _start(self, job: Json) -> None:
        pod = self._stub.make_pod(job)
        threading.Thread(target=self._run, args=(job, pod), daemon=True).start()

    def _run(self, job: Json, pod: str) -> None:
        stub, name = self._stub, job["metadata"]["name"]
        stub.wait_for(lambda: name in stub.secrets or pod not in stub.pods)
        if pod not in stub.pods:
            return
        (container,) = job["spec"]["template"]["spec"]["containers"]
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        for file, content in stub.secrets[name]["data"].items():
            (folder / file).write_bytes(base64.b64decode(content))
        (mount,) = (each["mountPath"] for each in container["volumeMounts"] if each["name"] == "task")
        words = [each.replace(mount, str(folder)) for each in container["command"]]
        output = (folder / "output").open("w+")
        env = {**os.environ, "XDG_CACHE_HOME": str(folder)}
        process = subprocess.Popen(
            [self._python, *words[1:]], stdout=output, stderr=output, env=env, start_new_session=True, text=True
        )
        self.processes[pod] = process
        if pod not in stub.pods:  # it was deleted meanwhile
            self.kill(pod)
        stub.set_status(pod, phase="Running", containerStatuses=[{"name": "task", "state": {"running": {}}}])
        code = process.wait()
        output.seek(0)
        stub.logs[pod] = output.read()
        output.close()
        stub.end(pod, exitCode=code if code >= 0 else 128 - code, reason="Completed" if code == 0 else "Error")


@contextmanager
def serve(folder: Path) -> Generator[Stub]:
    """Serve a stub on loopback, with a kubeconfig in a folder that leads there."""
    stub = Stub()
    handler = type("Handler", (_Handler,), {"stub": stub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    stub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    (folder / "kubeconfig").write_text(json.dumps(kubeconfig(stub.address)), encoding="utf-8")
    try:
        yield stub
    finally:
        stub.forget_history()  # ends the watches
        server.shutdown()
        server.server_close()
        thread.join()


def kubeconfig(address: str) -> Json:
    """Return a kubeconfig with one context, `stub`, whose namespace is `tasks`."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "stub",
        "clusters": [{"name": "stub", "cluster": {"server": address}}],
        "users": [{"name": "stub", "user": {"token": "a-token"}}],
        "contexts": [{"name": "stub", "context": {"cluster": "stub", "user": "stub", "namespace": "tasks"}}],
    }


def _fits(thing: Json, selector: str) -> bool:
    labels: Mapping[str, str] = thing["metadata"].get("labels") or {}
    wanted = (each.split("=", 1) for each in selector.split(",") if each)
    return all(labels.get(name) == value for name, value in wanted)
