"""What is asked of the machine: accelerators and packages, without their being there."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from starwhale.execution.machine.hardware import describe_hardware
from starwhale.execution.tasks.packages import LoadedPackages


@pytest.mark.parametrize(
    ("script", "gpus"),
    [
        ("echo 'NVIDIA H100 80GB HBM3, 81559 MiB, 550.54.15'", [("NVIDIA H100 80GB HBM3", "81559 MiB", "550.54.15")]),
        ("echo 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver'; exit 9", []),
    ],
)
def test_accelerators_are_told_where_the_driver_answers(
    script: str, gpus: list[tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script stands for nvidia-smi: machines that run the tests have none."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    describe_hardware.cache_clear()
    try:
        assert [tuple(each.values()) for each in describe_hardware()["gpus"]] == gpus
    finally:
        describe_hardware.cache_clear()


def test_packages_go_by_the_name_of_their_distribution_or_that_of_the_import(tmp_path: Path) -> None:
    place = tmp_path / "site-packages"
    for name in ("same_name-1.2.dist-info", "other_dist-3.dist-info"):
        (place / name).mkdir(parents=True)

    def module(name: str, file: Path, version: object = None) -> ModuleType:
        made = ModuleType(name)
        made.__file__ = str(file)
        if version is not None:
            made.__version__ = version  # type: ignore[attr-defined] # a module that says its version
        return made

    loaded = {
        "same.name": module("same.name", place / "same" / "name.py"),
        "same_name": module("same_name", place / "same_name" / "__init__.py"),
        "pil": module("pil", place / "pil" / "__init__.py", "9.1"),
        "odd": module("odd", place / "odd.py", (1, 2)),
        "users": module("users", tmp_path / "users.py", "5"),
        "sys": sys,
    }
    assert LoadedPackages().versions(loaded) == {"pil": "9.1", "same_name": "1.2"}
