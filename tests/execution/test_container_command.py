"""The command that runs a worker in a container: what podman and docker are told, without either."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from starwhale.errors import ContainerError, UsageError
from starwhale.execution.contained import was_out_of_memory
from starwhale.execution.executors import ExecutorOptions, open_executor
from starwhale.execution.executors.container import NOBODY, ContainerPlace, run_command
from starwhale.execution.executors.container_engine import Engine, find_engine
from starwhale.execution.executors.protocol import Served
from starwhale.settings import ContainerSettings, read_settings

PODMAN = Engine(program="/usr/bin/podman", is_podman=True, is_rootless=False)
DOCKER = Engine(program="/usr/bin/docker", is_podman=False, is_rootless=False)


def command(
    engine: Engine, place: ContainerPlace | None = None, *, workdir: str = "/opt", **settings: Any
) -> str:  # Any: fields of the settings
    """Return the command as one line."""

    options = ExecutorOptions(
        python=sys.executable,
        workdir=workdir,
        modules=("evaluation",),
        log_folder=Path("/logs"),
        serve=_serve,
        image="my-image",
        container=ContainerSettings(**settings),
        job_id="job1",
    )
    found = run_command(
        engine, options, place or ContainerPlace(), name="box", shared=Path("/shared"), log=Path("/logs/0.txt")
    )
    return " ".join(found)


def test_nothing_is_left_and_nothing_may_be_gained() -> None:
    for engine in (PODMAN, DOCKER):
        told = command(engine)
        for words in (
            "run --rm --pull never",
            "--cap-drop ALL",
            "no-new-privileges",
            "--network none",
            "starwhale.job=job1",
        ):
            assert words in told
        assert f"--user {NOBODY if os.geteuid() == 0 else os.geteuid()}:" in told
        assert "type=bind,source=/opt,target=/opt,readonly" in told
        assert "--memory" not in told
        assert "--cpus" not in told
        assert " my-image -c import sys" in told


def test_limits_are_told_and_swap_does_not_stand_in_for_memory() -> None:
    assert "--memory 1048576 --memory-swap 1048576" in command(DOCKER, ContainerPlace(memory_bytes=2**20))
    assert "--cpus 0.5" in command(PODMAN, ContainerPlace(cpu=0.5))
    assert "--cpus" not in command(PODMAN, ContainerPlace(cpu=4096)), "engines refuse more than there is"


def test_accelerators_are_given_by_each_engines_own_means() -> None:
    uuids = ContainerPlace(accelerators=("GPU-1a", "GPU-2b"))
    told = command(PODMAN, uuids)
    assert "--device nvidia.com/gpu=GPU-1a --device nvidia.com/gpu=GPU-2b" in told
    assert "CUDA_VISIBLE_DEVICES=GPU-1a,GPU-2b" in told
    assert '--gpus "device=1,3"' in command(DOCKER, ContainerPlace(accelerators=("1", "3")))
    assert "CUDA_VISIBLE_DEVICES=0,1" in command(DOCKER, ContainerPlace(accelerators=("1", "3"))), (
        "inside they count from 0"
    )
    assert "CUDA" not in command(PODMAN)


def test_values_of_variables_do_not_stand_in_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    told = command(DOCKER, ContainerPlace(variables=("ABSENT", "TOKEN")))
    assert "--env TOKEN" in told
    assert "secret" not in told
    assert "ABSENT" not in told


def test_users_of_rootless_engines_are_themselves_outside() -> None:
    told = command(Engine(program="docker", is_podman=False, is_rootless=True))
    assert "--user 0:0" in told
    assert "--userns keep-id" in command(Engine(program="podman", is_podman=True, is_rootless=True))


def test_commas_in_a_path_do_not_end_it(tmp_path: Path) -> None:
    folder = tmp_path / "a,b"
    folder.mkdir()
    assert f'"source={folder}"' in command(PODMAN, workdir=str(folder))


@pytest.mark.skipif(os.geteuid() != 0, reason="others are themselves")
def test_root_runs_code_as_its_owner_or_nobody_where_that_can_be(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert f"--user {NOBODY}:{NOBODY}" in command(PODMAN, workdir=str(tmp_path))
    assert "--user 0:0" in command(PODMAN, workdir=str(tmp_path), is_writable=True)
    tmp_path.chmod(0o700)
    assert "--user 0:0" in command(PODMAN, workdir=str(tmp_path)), "nobody else could read it"
    os.chown(tmp_path, 1234, 1235)
    assert "--user 1234:1235" in command(PODMAN, workdir=str(tmp_path))


def test_the_environment_says_how_containers_run() -> None:
    said = {"SW_CONTAINER_ENGINE": "docker", "SW_CONTAINER_NETWORK": "host", "SW_CONTAINER_OPTIONS": "-v '/a b:/c'"}
    found = read_settings(said).containers
    assert found == ContainerSettings(engine="docker", network="host", options=("-v", "/a b:/c"))
    assert read_settings({}).containers == ContainerSettings()
    told = command(DOCKER, network="host", options=("-v", "/a b:/c"), is_writable=True, workdir="/")
    assert "--network host" in told
    assert "source=/,target=/ " in told


def test_an_engine_that_is_not_there_or_silent_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ContainerError, match="looked for podman and docker in PATH"):
        find_engine(ContainerSettings())
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\n[ $1 = --version ] && exit\necho 'no daemon' >&2; exit 1\n")
    program.chmod(0o755)
    with pytest.raises(ContainerError, match="docker is installed and does not answer: no daemon"):
        find_engine(ContainerSettings())
    program.write_text("#!/bin/sh\necho 'Docker version 28'\n")
    assert find_engine(ContainerSettings()) == Engine(program=str(program), is_podman=False, is_rootless=False)


def test_an_executor_without_an_image_is_refused() -> None:
    options = ExecutorOptions(python=sys.executable, workdir="/", modules=(), log_folder=Path("/logs"), serve=_serve)
    with pytest.raises(UsageError, match="no image is named"):
        open_executor("container", options)


def _serve(_: object) -> Served:
    raise NotImplementedError  # nothing is started here


def test_memory_that_ran_out_is_read_from_either_version_of_control_groups(tmp_path: Path) -> None:
    for text, expected in (
        ("low 0\noom 3\noom_kill 0\n", False),
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", True),
        ("oom_kill 2\noom_group_kill 0\n", True),
    ):
        path = tmp_path / "events"
        path.write_text(text)
        assert was_out_of_memory([tmp_path / "absent", path]) is expected


def test_a_first_process_without_a_driver_says_so(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from starwhale.execution.contained import take_sockets; take_sockets(Path({str(tmp_path / 'x')!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the driver of the job cannot be reached" in done.stderr
