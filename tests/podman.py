"""A podman for tests: its own configuration, a runtime that works without the right to raise limits, and an image with this very Python.

The image is made of the interpreter that runs the tests, its standard library and the shared libraries that they need: nothing is fetched.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

IMAGE = "localhost/starwhale-test:python"
"""What `make_image` makes."""
OTHER_NAME = "localhost/my-image"
"""What pages for readers call it."""
_SHIM = """#!{python} -IS
# Without CAP_SYS_RESOURCE no limit of a container may be above our own, and podman asks for more.
import json, os, resource, sys
words = sys.argv[1:]
if "create" in words:
    places = [words[at + 1] for at, word in enumerate(words) if word in ("--bundle", "-b")]
    path = os.path.join((places or ["."])[0], "config.json")
    with open(path) as file:
        config = json.load(file)
    for limit in config["process"].get("rlimits", []):
        hard = resource.getrlimit(getattr(resource, limit["type"]))[1]
        if hard != resource.RLIM_INFINITY:
            limit["hard"] = min(limit["hard"], hard)
            limit["soft"] = min(limit["soft"], limit["hard"])
    with open(path, "w") as file:
        json.dump(config, file)
os.execvp("runc", ["runc", *words])
"""
_CONFIGURATION = """[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "shim"
[engine.runtimes]
shim = ["{shim}"]
"""
_DEADLINE_S = 60.0
_LEFT_OUT = ("site-packages", "test", "__pycache__", "idlelib", "tkinter", "ensurepip", "turtledemo", "*.a", "config-*")


def configure(folder: Path) -> dict[str, str]:
    """Write what podman needs into a folder, and return the variables that make it look there."""
    shim = folder / "shim"
    shim.write_text(_SHIM.format(python=sys.executable), encoding="utf-8")
    shim.chmod(0o755)
    configuration = folder / "containers.conf"
    configuration.write_text(_CONFIGURATION.format(shim=shim), encoding="utf-8")
    return {"CONTAINERS_CONF": str(configuration)}


def make_image(folder: Path, variables: dict[str, str]) -> None:
    """Make the image, unless there is one of this very Python."""
    env = {**os.environ, **variables}
    python = Path(sys.base_prefix, "bin", f"python{sysconfig.get_python_version()}").resolve()
    key = f"2-{python}-{sys.version_info.releaselevel}-{'.'.join(map(str, sys.version_info[:3]))}"
    there = subprocess.run(
        ["podman", "image", "inspect", "--format", "{{.Comment}}", IMAGE],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if there.stdout.strip() == key:
        return
    library = Path(sysconfig.get_path("stdlib"))
    root = folder / "root"
    for each in ("tmp", "usr/bin", "bin", "etc"):
        (root / each).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    cache = root / "var/cache/starwhale"  # as our own image has it: a new volume takes over whose it is
    cache.mkdir(parents=True)
    if os.geteuid() == 0:
        os.chown(cache, 65532, 65532)
    (root / "usr/bin/python3").symlink_to(python)
    needed = {python, *_libraries([python, Path("/bin/sh"), *library.glob("lib-dynload/*.so")])}
    for path in sorted(needed):
        _copy(path, root)
    _copy(Path("/bin/sh").resolve(), root)
    (root / "bin/sh").unlink(missing_ok=True)
    (root / "bin/sh").symlink_to(Path("/bin/sh").resolve())
    skipped = [f"--exclude={each}" for each in _LEFT_OUT]
    tar = folder / "image.tar"
    subprocess.run(["tar", "-cf", str(tar), "-C", str(root), "."], check=True)
    subprocess.run(["tar", "-rf", str(tar), *skipped, "-C", "/", str(library).lstrip("/")], check=True)
    subprocess.run(
        ["podman", "import", "--quiet", "--message", key, "--change", "ENV PATH=/usr/bin:/bin", str(tar), IMAGE],
        env=env,
        check=True,
        capture_output=True,
    )
    tar.unlink()
    subprocess.run(["podman", "tag", IMAGE, OTHER_NAME], env=env, check=True)


def containers(variables: dict[str, str], label: str) -> list[str]:
    """Return the ids of all containers with a label, also of those that have ended."""
    words = ["podman", "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={label}"]
    done = subprocess.run(words, env={**os.environ, **variables}, capture_output=True, text=True, check=True)
    return done.stdout.split()


def wait_until_gone(variables: dict[str, str], label: str) -> None:
    """Wait for the end of all containers with a label."""
    deadline = time.monotonic() + _DEADLINE_S
    while left := containers(variables, label):
        assert time.monotonic() < deadline, left


def _libraries(programs: list[Path]) -> Iterator[Path]:
    done = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        words = line.split()
        path = words[2] if "=>" in words and len(words) > 2 else words[0]
        if path.startswith("/") and not path.endswith(":"):
            yield Path(path)


def _copy(path: Path, root: Path) -> None:
    target = root / str(path).lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(path.read_bytes())
    target.chmod(0o755)
