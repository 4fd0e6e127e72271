"""What is found of this machine: accelerators as a driver tells of them, and as CUDA_VISIBLE_DEVICES leaves them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from starwhale.execution.machine.capacity import (
    accelerator_environment,
    choose,
    find_accelerators,
    find_machine,
    read_listing,
)

LISTING = """\
GPU 0: NVIDIA L4 (UUID: GPU-aaaa1111-0000-0000-0000-000000000000)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bbbb2222-0000-0000-0000-000000000000)
  MIG 3g.20gb     Device  0: (UUID: MIG-cccc3333)
  MIG 3g.20gb     Device  1: (UUID: MIG-dddd4444)
GPU 2: NVIDIA L4 (UUID: GPU-aaaa5555-0000-0000-0000-000000000000)
"""


def _ids(visible: str | None) -> list[str]:
    return [each.id for each in choose(read_listing(LISTING), visible)]


def test_an_accelerator_that_is_cut_up_is_used_in_pieces() -> None:
    assert _ids(None) == ["0", "MIG-cccc3333", "MIG-dddd4444", "2"]
    assert {each.name for each in choose(read_listing(LISTING), None)} == {
        "NVIDIA L4",
        "NVIDIA A100-SXM4-40GB MIG 3g.20gb",
    }


@pytest.mark.parametrize(
    ("visible", "ids"),
    [
        ("2,0", ["2", "0"]),
        (" 1 , 0 ", ["1", "0"]),
        ("0,7,2", ["0"]),  # CUDA stops at what it does not know
        ("-1", []),
        ("0,0", ["0"]),
        ("GPU-bbbb,MIG-dddd4444", ["GPU-bbbb", "MIG-dddd4444"]),
        ("GPU-aaaa", []),  # two begin so
        ("NoDevFiles", []),
    ],
)
def test_the_outer_variable_says_what_is_there(visible: str, ids: list[str]) -> None:
    assert _ids(visible) == ids


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program `nvidia-smi` that knows the accelerators of `LISTING`."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ntest \"$1\" = -L || exit 9\ncat <<'END'\n{LISTING}END\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    return program


def test_the_driver_is_asked(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(find_accelerators()) == 4
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    assert [each.id for each in find_machine().accelerators] == ["2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    driver.write_text("#!/bin/sh\necho it was asked >&2; exit 1\n", encoding="utf-8")
    assert find_accelerators() == ()


def test_a_driver_that_fails_has_no_accelerators(driver: Path, caplog: pytest.LogCaptureFixture) -> None:
    driver.write_text("#!/bin/sh\nexit 9\n", encoding="utf-8")
    assert find_accelerators() == ()
    assert "nvidia-smi does not answer" in caplog.text


def test_positions_are_those_of_the_driver_unless_the_user_has_said_otherwise(
    driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert driver.exists()
    assert accelerator_environment(["0", "2"]) == {"CUDA_VISIBLE_DEVICES": "0,2", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert accelerator_environment([])["CUDA_VISIBLE_DEVICES"] == ""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    assert accelerator_environment(["1"]) == {"CUDA_VISIBLE_DEVICES": "1"}


def test_there_are_processors_and_memory() -> None:
    found = find_machine(wants_accelerators=False)
    assert 1 <= found.cores <= (os.cpu_count() or 1)
    assert found.memory_bytes is None or found.memory_bytes > 2**20
    assert found.accelerators == ()
