"""An S3-compatible server on loopback for tests, and a wire in front of it that counts, cuts and damages what comes back."""

# pyright: reportMissingImports=false
# The package is optional: where it is missing, its names cannot be checked.
from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """A server with one bucket of the test's own."""

    endpoint: str
    """Its address."""
    bucket: str
    """The bucket."""
    access_key: str = "test-key"
    """A key that it takes."""
    secret: str = field(default="test-secret", repr=False)
    """The key itself."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make our client use it."""
        return {
            "SW_S3_ENDPOINT": self.endpoint,
            "SW_S3_ACCESS_KEY": self.access_key,
            "SW_S3_SECRET": self.secret,
            "SW_S3_REGION": "us-east-1",
        }

    def client(self, service: str = "s3") -> Any:  # Any: boto3 ships no types
        """A client that is not ours, to look at what is there."""
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
        )

    def objects(self) -> dict[str, int]:
        """Key → size of everything in the bucket."""
        found: dict[str, int] = {}
        for page in self.client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            found |= {each["Key"]: each["Size"] for each in page.get("Contents", ())}
        return found

    def content(self, key: str) -> bytes:
        """Bytes of an object."""
        return self.client().get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def replace(self, key: str, content: bytes) -> None:
        """Write an object over."""
        self.client().put_object(Bucket=self.bucket, Key=key, Body=content)


@contextmanager
def moto_server(environment: Mapping[str, str] | None = None) -> Generator[str]:
    """Run moto's server in a process of its own and give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = "from moto.server import main; import sys; main(sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, "-H", "127.0.0.1", "-p", str(port)],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{address}/moto-api/data.json", timeout=5):  # noqa: S310 - of ours
                    break
            except (OSError, urllib.error.URLError):
                assert process.poll() is None, "moto's server ended"
                assert time.monotonic() < deadline, "moto's server does not start"
                time.sleep(0.05)
        yield address
    finally:
        process.kill()
        process.wait()


Damage = Callable[[bytes], bytes | None]
"""Makes other bytes of what the server sends; None breaks the connection off."""


class Wire:
    """Stands in front of a server: counts what it sends, and may damage it. Use as a context manager."""

    def __init__(self, endpoint: str) -> None:
        host, port = endpoint.removeprefix("http://").split(":")
        self._target = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.received = 0
        """Bytes that the server has sent through it."""
        self.requests = 0
        """Requests that went through it."""
        self.damage: Damage | None = None
        """What is done to what the server sends."""
        self._open: list[socket.socket] = []

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def reset(self) -> None:
        """Count from nothing again."""
        self.received = self.requests = 0

    def close(self) -> None:
        """Cut everything."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone does not end an accept that waits
        self._listener.close()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._open += [near, far]
                for source, sink, is_answer in ((near, far, False), (far, near, True)):
                    threading.Thread(target=self._pump, args=(source, sink, is_answer), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while content := source.recv(65536):
                if is_answer:
                    self.received += len(content)
                    changed = self.damage(content) if self.damage else content
                    if changed is None:
                        break
                    content = changed
                else:
                    self.requests += content.startswith((b"GET ", b"PUT ", b"HEAD "))
                sink.sendall(content)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
