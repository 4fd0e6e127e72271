"""A package index on loopback, with wheels made on the spot, so that no test of runtimes needs another network."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import threading
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request."""


def make_wheel(folder: Path, name: str, version: str, *, needs: tuple[str, ...] = (), body: str = "") -> Path:
    """Write a wheel with one module and one script, and return its file."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{module}.py": body
        or f"VERSION = {version!r}\nFILLER = {'x' * 2000!r}\n\n\ndef main():\n    print(VERSION)\n",
        f"{info}/METADATA": metadata + "".join(f"Requires-Dist: {each}\n" for each in needs),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\nsay-{name} = {module}:main\n",
    }
    record = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}"
        for path, text in files.items()
    ]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as out:
        for path, text in files.items():
            out.writestr(zipfile.ZipInfo(path, (2024, 1, 1, 0, 0, 0)), text)
    return wheel


def publish(folder: Path, name: str, version: str, *, needs: tuple[str, ...] = (), body: str = "") -> str:
    """Put a wheel into an index and return its SHA-256."""
    place = folder / "simple" / name
    wheel = make_wheel(place, name, version, needs=needs, body=body)
    links = []
    for each in sorted(place.glob("*.whl")):
        digest = hashlib.sha256(each.read_bytes()).hexdigest()
        links.append(f'<a href="{each.name}#sha256={digest}">{each.name}</a>')
    (place / "index.html").write_text("<html><body>" + "\n".join(links) + "</body></html>")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


@contextmanager
def serve(folder: Path) -> Generator[str]:
    """Serve an index and give its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/simple"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
