"""What the tests of runtimes share: a package index on loopback, and `swcli runtime` with each installer."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.runtimes.index import publish, serve

if TYPE_CHECKING:
    from tests.conftest import Swcli

INSTALLERS = ["pip", *(["uv"] if shutil.which("uv") else [])]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "index"
    publish(folder, "tiny", "1.0", needs=("small",))
    publish(folder, "tiny", "2.0", needs=("small",))
    publish(folder, "small", "3.1")
    publish(folder, "starwhale", "0.6.15", body="ORIGINAL = True\n")
    publish(folder, "wants-original", "1.0", needs=("starwhale",))
    with serve(folder) as address:
        yield folder, address


@pytest.fixture(params=INSTALLERS)
def each(request: pytest.FixtureRequest, swcli: Swcli, index: tuple[Path, str]) -> Callable[..., str]:
    """`swcli runtime` with each installer."""
    return make_call(request.param, swcli, index)


@pytest.fixture
def call(swcli: Swcli, index: tuple[Path, str]) -> Callable[..., str]:
    """`swcli runtime` with the best installer."""
    return make_call(INSTALLERS[-1], swcli, index)


@pytest.fixture
def placed(swcli: Swcli, index: tuple[Path, str]) -> Swcli:
    """`swcli` that knows the index and every Python of this machine."""
    return dataclasses.replace(swcli, env={**swcli.env, **variables(INSTALLERS[-1], index)})


def variables(installer: str, index: tuple[Path, str]) -> dict[str, str]:
    return {
        "SW_RUNTIME_INSTALLER": installer,
        "SW_PYPI_INDEX_URL": index[1],
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": "",
        "PIP_EXTRA_INDEX_URL": "",
        "PYENV_ROOT": os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv"),
    }


def make_call(installer: str, swcli: Swcli, index: tuple[Path, str]) -> Callable[..., str]:
    def run(*words: str, code: int = 0, **more: str) -> str:
        done = swcli("runtime", *words, env={**variables(installer, index), **more})
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr + done.stdout

    return run
