"""How busy the accelerators of this machine are while the steps of a job run, as far as NVIDIA's driver says so.

A thread of the driver asks now and then: NVIDIA's Python package where it is installed and answers, else the program `nvidia-smi`. What is told is of the
whole device, other programs' work included. Nothing is asked of a job that is over at once.
"""

from __future__ import annotations

import importlib.util
import logging
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

logger = logging.getLogger(__name__)

FIRST_S = 1.0
"""The first look comes after so many seconds."""
EVERY_S = 5.0
"""Then one after so many: the program takes a fraction of a second for an answer."""
_ASK_S = 20.0
_END_S = 2.0
"""A job does not wait longer for an answer that nobody needs any more."""
_QUERY = ["--query-gpu=index,name,utilization.gpu,memory.used", "--format=csv,noheader,nounits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One accelerator at one moment."""

    position: int
    """In the driver's order."""
    name: str
    """What its maker calls it."""
    busy: float
    """Share of the last moments in which it computed, 0 to 1."""
    used_bytes: int
    """Its memory that is taken."""


Look = Callable[[], Sequence[Sample]]


def find_look() -> Look | None:
    """Return what asks the driver; None where nothing can."""
    looks: list[Look] = []
    if importlib.util.find_spec("pynvml") is not None:
        looks.append(_ask_library)
    if shutil.which("nvidia-smi"):
        looks.append(_ask_program)
    return first_answer(looks) if looks else None


def first_answer(looks: Sequence[Look]) -> Look:
    """Return what asks one after the other until one of them sees a device: a package that is installed may not find the driver, or not know a device."""

    def look() -> Sequence[Sample]:
        return next((found for each in looks if (found := each())), ())

    return look


class AcceleratorWatch:
    """Looks while it is entered; `found` says what was seen by step."""

    def __init__(
        self,
        steps: Callable[[], Sequence[str]],
        look: Look | None,
        *,
        first_s: float = FIRST_S,
        every_s: float = EVERY_S,
    ) -> None:
        """Begin to look when it is entered.

        Args:
            steps: Names of the steps that are at work; called from another thread.
            look: Asks the driver; None does nothing.
            first_s: Seconds before the first look.
            every_s: Seconds before each further one.
        """
        self._steps = steps
        self._look = look
        self._first_s = first_s
        self._every_s = every_s
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self.found: dict[str, dict[str, dict[str, Any]]] = {}  # Any: JSON values
        """Step → position of an accelerator → name, looks, share of the time in which it was busy, most bytes that were taken."""

    def __enter__(self) -> Self:
        if self._look is not None:
            self._thread = threading.Thread(target=self._watch, args=(self._look,), name="accelerators", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=_END_S)

    def _watch(self, look: Look) -> None:
        wait_s = self._first_s
        while not self._over.wait(wait_s):
            wait_s = self._every_s
            try:
                samples = look()
            except (OSError, subprocess.SubprocessError, ValueError) as error:
                logger.debug("the accelerators cannot be asked: %s", error)
                samples = ()
            if not samples and not self.found:  # nothing is there, or nobody can be asked
                return
            for step in self._steps():
                self.found[step] = merge(self.found.get(step, {}), {str(each.position): _one(each) for each in samples})


def merge(
    one: Mapping[str, Mapping[str, Any]], other: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:  # Any: JSON values
    """Put what was seen of accelerators at different times together."""
    merged = {position: dict(each) for position, each in one.items()}
    for position, each in other.items():
        before = merged.get(position)
        if before is None:
            merged[position] = dict(each)
            continue
        looks = before["looks"] + each["looks"]
        busy = (before["busy"] * before["looks"] + each["busy"] * each["looks"]) / looks
        peak = max(before["peak_bytes"], each["peak_bytes"])
        merged[position] = {**each, "looks": looks, "busy": round(busy, 4), "peak_bytes": peak}
    return merged


def _one(sample: Sample) -> dict[str, Any]:  # Any: JSON values
    return {"name": sample.name, "looks": 1, "busy": sample.busy, "peak_bytes": sample.used_bytes}


def _ask_program() -> list[Sample]:
    program = shutil.which("nvidia-smi") or "nvidia-smi"
    done = subprocess.run(
        [program, *_QUERY], capture_output=True, text=True, check=True, timeout=_ASK_S, stdin=subprocess.DEVNULL
    )
    return read_listing(done.stdout)


def read_listing(text: str) -> list[Sample]:
    """Read what `nvidia-smi` says of its devices; figures that a device does not have count as 0.

    Example:
        >>> read_listing("0, NVIDIA L4, 45, 1024")
        [Sample(position=0, name='NVIDIA L4', busy=0.45, used_bytes=1073741824)]
    """
    found: list[Sample] = []
    for line in text.splitlines():
        words = [word.strip() for word in line.split(",")]
        if len(words) != 4 or not words[0].isdecimal():
            continue
        busy, used = (int(word) if word.isdecimal() else 0 for word in words[2:])
        found.append(Sample(position=int(words[0]), name=words[1], busy=busy / 100, used_bytes=used << 20))
    return found


def _ask_library() -> list[Sample]:
    import pynvml  # pyright: ignore[reportMissingImports] - only where there is a GPU

    nvml: Any = pynvml  # Any: ships no types
    found: list[Sample] = []
    try:
        nvml.nvmlInit()
        for position in range(nvml.nvmlDeviceGetCount()):
            device = nvml.nvmlDeviceGetHandleByIndex(position)
            name = nvml.nvmlDeviceGetName(device)
            busy = nvml.nvmlDeviceGetUtilizationRates(device).gpu / 100
            used = int(nvml.nvmlDeviceGetMemoryInfo(device).used)
            name = name.decode() if isinstance(name, bytes) else str(name)
            found.append(Sample(position=position, name=name, busy=busy, used_bytes=used))
    except (
        nvml.NVMLError
    ) as error:  # no driver, or a device without such figures: what is half known is left to the next who is asked
        logger.debug("the accelerators cannot be asked through pynvml: %s", error)
        return []
    return found
