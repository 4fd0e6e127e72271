"""Look at this machine for what tasks can have: processors and memory within the limits of its container, and accelerators.

Accelerators are those that CUDA would show this process. `nvidia-smi` is asked first, then NVIDIA's library, then the driver's files.
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from starwhale.domain.machine import Accelerator, Machine
from starwhale.settings import declared_values

logger = logging.getLogger(__name__)

VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
_ASK_S = 20.0
"""A driver that is not kept awake takes seconds to answer."""
_GPU = re.compile(r"^GPU (\d+): (.*?) \(UUID: ([^)\s]+)\)")
_MIG = re.compile(r"^\s+(MIG .*?)\s+Device\s+\d+: \(UUID: ([^)\s]+)\)")
_CGROUP = Path("/sys/fs/cgroup")
_PROC = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True, slots=True)
class FoundAccelerator:
    """An accelerator as the driver knows it."""

    position: int
    """Where it stands in the driver's order."""
    uuid: str
    """`GPU-…`, or empty."""
    name: str
    """What its maker calls it."""
    slices: tuple[tuple[str, str], ...] = ()
    """UUID and name of the instances that it is cut into, which are used in its place."""


def find_machine(*, wants_accelerators: bool = True) -> Machine:
    """Say what this machine has for tasks.

    Args:
        wants_accelerators: Whether to look for accelerators, which can take a second.
    """
    return Machine(
        cores=_cores(),
        memory_bytes=_memory_bytes(),
        accelerators=find_accelerators() if wants_accelerators else (),
    )


def find_accelerators() -> tuple[Accelerator, ...]:
    """Return the accelerators that this process may use, in the order in which CUDA counts them here."""
    visible = declared_values([VISIBLE])[VISIBLE]
    if visible is not None and not _words(visible):
        return ()
    for look in (_ask_program, _ask_library, _read_driver):
        if found := look():
            return choose(found, visible)
    return ()


def choose(found: Sequence[FoundAccelerator], visible: str | None) -> tuple[Accelerator, ...]:
    """Leave those that CUDA_VISIBLE_DEVICES lets this process see.

    As in CUDA, positions and beginnings of UUIDs name them, and whatever stands behind a name that fits nothing is not seen.

    Args:
        found: All accelerators.
        visible: The variable's value; None where it is not set.
    """
    if visible is None:
        seen: list[Accelerator] = []
        for each in found:
            cut = [Accelerator(id=uuid, name=name) for uuid, name in each.slices]
            seen += cut or [Accelerator(id=str(each.position), name=each.name)]
        return tuple(seen)
    named: list[Accelerator] = []
    for word in _words(visible):
        name = _name_of(word, found)
        if name is None or word in {each.id for each in named}:
            break
        named.append(Accelerator(id=word, name=name))
    return tuple(named)


def accelerator_environment(ids: Sequence[str]) -> dict[str, str]:
    """Return the variables that make a process see these accelerators and no others."""
    outer = declared_values([VISIBLE, ORDER])
    found = {VISIBLE: ",".join(ids)}
    if outer[VISIBLE] is None and outer[ORDER] is None:
        found[ORDER] = "PCI_BUS_ID"  # the order of nvidia-smi, from which the positions are
    return found


def read_listing(text: str) -> list[FoundAccelerator]:
    """Read what `nvidia-smi -L` prints.

    Example:
        >>> [each.name for each in read_listing("GPU 0: NVIDIA L4 (UUID: GPU-1f2e)")]
        ['NVIDIA L4']
    """
    found: list[FoundAccelerator] = []
    for line in text.splitlines():
        if match := _GPU.match(line):
            found.append(FoundAccelerator(int(match[1]), match[3], match[2]))
        elif found and (match := _MIG.match(line)):
            whole = found[-1]
            piece = match[2], f"{whole.name} {' '.join(match[1].split())}"
            found[-1] = replace(whole, slices=(*whole.slices, piece))
    return found


def _words(visible: str) -> list[str]:
    return [each.strip() for each in visible.split(",") if each.strip()]


def _name_of(word: str, found: Sequence[FoundAccelerator]) -> str | None:
    """Find what a word of CUDA_VISIBLE_DEVICES means."""
    if word.isdecimal():
        return next((each.name for each in found if each.position == int(word)), None)
    whole = [(each.uuid, each.name) for each in found] + [piece for each in found for piece in each.slices]
    fits = [name for uuid, name in whole if uuid and word.startswith(("GPU-", "MIG-")) and uuid.startswith(word)]
    return fits[0] if len(fits) == 1 else None


def _ask_program() -> list[FoundAccelerator]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        done = subprocess.run(
            [program, "-L"], capture_output=True, text=True, check=True, timeout=_ASK_S, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("nvidia-smi does not answer: %s", error)
        return []
    return read_listing(done.stdout)


def _ask_library() -> list[FoundAccelerator]:
    """Ask NVML, which containers often have without the program."""
    if sys.platform != "linux":
        return []
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
        if library.nvmlInit_v2() != 0:
            return []
    except (OSError, AttributeError):
        return []
    try:
        return _ask_devices(library)
    finally:
        library.nvmlShutdown()


def _ask_devices(library: ctypes.CDLL) -> list[FoundAccelerator]:
    count = ctypes.c_uint()
    if library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
        return []
    found: list[FoundAccelerator] = []
    for position in range(count.value):
        device = ctypes.c_void_p()
        if library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(position), ctypes.byref(device)) != 0:
            continue

        def text(ask: Callable[..., int], device: ctypes.c_void_p = device) -> str:
            buffer = ctypes.create_string_buffer(96)
            return buffer.value.decode(errors="replace") if ask(device, buffer, ctypes.c_uint(96)) == 0 else ""

        found.append(FoundAccelerator(position, text(library.nvmlDeviceGetUUID), text(library.nvmlDeviceGetName)))
    return found


def _read_driver() -> list[FoundAccelerator]:
    """Read the driver's own files: one folder per accelerator, named by its place on the bus."""
    found: list[FoundAccelerator] = []
    for path in sorted(_PROC.glob("*/information")):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        found.append(FoundAccelerator(len(found), facts.get("GPU UUID", ""), facts.get("Model", "")))
    return found


def _cores() -> float:
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    words = _read("cpu.max").split() or [_read("cpu/cpu.cfs_quota_us"), _read("cpu/cpu.cfs_period_us")]
    try:
        quota, period = float(words[0]), float(words[1])
    except (ValueError, IndexError):  # "max", or no such limit here
        return float(cores)
    return float(min(cores, max(round(quota / period, 2), 1))) if quota > 0 and period > 0 else float(cores)


def _memory_bytes() -> int | None:
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
    limits = [_read("memory.max"), _read("memory/memory.limit_in_bytes")]
    return min([whole, *(int(each) for each in limits if each.isdecimal())])


def _read(name: str) -> str:
    """Read a limit of the container that this process is in; empty where there is none."""
    try:
        return (_CGROUP / name).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
