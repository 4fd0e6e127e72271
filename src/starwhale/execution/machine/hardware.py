"""The machine that a job runs on: processor, memory, accelerators. Asked once per process."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

_GPU_S = 5.0
"""A driver that does not answer in that time says nothing."""
_GPU_FIELDS = ("name", "memory.total", "driver_version")


@functools.cache
def describe_hardware() -> dict[str, Any]:  # Any: a JSON object
    """Say what this machine has: `cpu`, `cores`, `usable_cores`, `memory_bytes`, and `gpus` where the driver of NVIDIA answers."""
    return {
        "cpu": _cpu(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "memory_bytes": _memory(),
        "gpus": _gpus(),
    }


def _cpu() -> str:
    """Return the processor's name as its maker writes it."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() in {"model name", "Model", "Processor"}:
                    return " ".join(value.split())
    except OSError:
        pass
    return platform.processor()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _gpus() -> list[dict[str, str]]:
    """Return the accelerators as `nvidia-smi` tells of them; none where there is no such program or it does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        done = subprocess.run(
            [program, f"--query-gpu={','.join(_GPU_FIELDS)}", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
            timeout=_GPU_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return read_gpus(done.stdout)


def read_gpus(text: str) -> list[dict[str, str]]:
    """Read what `nvidia-smi` prints: one line per accelerator.

    Example:
        >>> read_gpus("NVIDIA H100 80GB HBM3, 81559 MiB, 550.54.15")
        [{'name': 'NVIDIA H100 80GB HBM3', 'memory': '81559 MiB', 'driver': '550.54.15'}]
    """
    lines = [[each.strip() for each in line.split(",")] for line in text.splitlines()]
    return [
        dict(zip(("name", "memory", "driver"), line, strict=True)) for line in lines if len(line) == len(_GPU_FIELDS)
    ]
