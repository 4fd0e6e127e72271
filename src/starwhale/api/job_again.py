"""Running a cell again after an interrupt: the job that was interrupted goes on, as long as it would be the same job.

The same job asks for the same, of the same versions, with code that is the same: the record of a job keeps a digest of it. Functions of a
notebook are compared by what they do and by what they use, as far as that can be told: numbers, texts and arrays by value, other objects of
the notebook by being the same object of the same kernel. An object that was changed in place is taken for the same.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from starwhale.api.instance import default_instance
from starwhale.api.job_code import MAIN
from starwhale.domain.job import CALLER, ResumeChanges, RunRequest
from starwhale.domain.status import Status
from starwhale.errors import StarwhaleError
from starwhale.handlers.registry import REGISTRY

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord

CODE = "code_digest"
"""Where the record of a job keeps the digest."""
_LOOKED_AT = 20
"""So many of the newest jobs are looked at."""
_MAY_DIFFER = ("job_id", "executor", "replicas", "fits_replicas", "max_errors", "time_limit_s")
_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_LONG = 10_000
"""A collection of more values than that counts as an object."""


def is_interactive() -> bool:
    """Whether somebody types at this process: in a notebook, IPython, or Python's own prompt."""
    ipython = sys.modules.get("IPython")
    return hasattr(sys, "ps1") or (ipython is not None and ipython.get_ipython() is not None)


def code_digest(request: RunRequest) -> str:
    """Return a digest of the code that a job runs, and of what it uses; empty where that cannot be told."""
    if request.model_uri or request.runtime_uri or not Path(request.workdir).is_dir():
        return ""
    if request.executor != CALLER:
        from starwhale.execution.provenance import source_digest

        return source_digest(Path(request.workdir), request.modules)
    digest = hashlib.blake2b(digest_size=32)
    entries = REGISTRY.entries()
    names = [name for name in request.modules if name in entries]
    for name in names:  # grows meanwhile
        names += [need for need in entries[name].record.needs if need in entries and need not in names]
    pieces = _Pieces()
    for name in sorted(names):
        for piece in (name, repr(entries[name].record), *pieces.of(entries[name].function)):
            digest.update(f"{len(piece)} {piece}".encode(errors="backslashreplace"))
    return digest.hexdigest()


def find_interrupted(request: RunRequest, code: str) -> JobRecord | None:
    """Return the newest job that asked for the same, if it was interrupted and can go on as if nothing had happened."""
    if not code or request.job_id:
        return None
    jobs = default_instance().jobs
    wanted = _asked(request)
    for found in jobs.list(request.project or None, limit=_LOOKED_AT):
        if _asked(found.request) != wanted:
            continue
        is_same = found.status is Status.INTERRUPTED and found.record.get(CODE) == code
        return found if is_same and _has_same_versions(found) else None
    return None


def changes_of(request: RunRequest) -> ResumeChanges:
    """Return what the call says of how the job goes on."""
    return ResumeChanges(
        executor=request.executor,
        replicas=request.replicas,
        fits_replicas=request.fits_replicas,
        max_errors=request.max_errors,
        time_limit_s=request.time_limit_s,
    )


def _asked(request: RunRequest) -> Mapping[str, Any]:  # Any: JSON
    same = dataclasses.replace(request, project=request.project or "self")
    return {name: value for name, value in same.to_json().items() if name not in _MAY_DIFFER}


def _has_same_versions(found: JobRecord) -> bool:
    """Whether the datasets mean the versions that the job began with."""
    instance = default_instance()
    for each in found.datasets:
        try:
            now = instance.catalog.versions.resolve("dataset", each.given, default_project=found.project)
        except StarwhaleError:
            return False
        if now.version != each.version:
            return False
    return bool(found.datasets)


class _Pieces:
    """Turns code, and what it uses, into texts that are equal where both are."""

    def __init__(self) -> None:
        self._seen: dict[int, Any] = {}  # Any: held, so that no other object gets its number

    def of(self, value: Any) -> Iterator[str]:  # Any: whatever a notebook has
        if isinstance(value, _PLAIN):
            yield f"{type(value).__name__} {value!r}"
            return
        if isinstance(value, ModuleType):
            yield f"module {value.__name__}"
            return
        if id(value) in self._seen:
            yield "again"
            return
        self._seen[id(value)] = value
        if isinstance(value, MethodType):
            yield from self.of(value.__func__)
            yield from self.of(value.__self__)
        elif isinstance(value, FunctionType | type):
            yield from self._defined(value)
        elif isinstance(value, property):
            yield from self.of([value.fget, value.fset])
        elif isinstance(value, functools.partial):
            yield from self.of([value.func, list(value.args), value.keywords])
        elif isinstance(value, list | tuple | dict | set | frozenset) and len(value) <= _LONG:
            yield from self._collection(value)
        else:
            yield _object(value)

    def _defined(self, value: Any) -> Iterator[str]:  # Any: a function or class
        yield f"{value.__module__}.{value.__qualname__}"
        if value.__module__ != MAIN:
            return
        if isinstance(value, type):
            for name, member in sorted(vars(value).items()):
                if not name.startswith("__") or callable(member):
                    yield name
                    yield from self.of(getattr(member, "__func__", member))
            return
        yield from self._code(value.__code__)
        yield from self.of([value.__defaults__, value.__kwdefaults__])
        for cell in value.__closure__ or ():
            yield from self.of(cell.cell_contents)
        for name in sorted(_names(value.__code__)):
            if name in value.__globals__:
                yield name
                yield from self.of(value.__globals__[name])
        if (wrapped := getattr(value, "__wrapped__", None)) is not None:
            yield from self.of(wrapped)

    def _code(self, code: CodeType) -> Iterator[str]:
        yield code.co_code.hex()
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                yield from self._code(constant)
            else:
                yield repr(constant)
        yield from code.co_names

    def _collection(self, value: Any) -> Iterator[str]:  # Any: a list, tuple, dict or set
        yield f"{type(value).__name__} {len(value)}"
        if isinstance(value, set | frozenset):
            yield from sorted(repr(each) for each in value)
            return
        for each in value.items() if isinstance(value, dict) else value:
            yield from self.of(each)


def _object(value: Any) -> str:  # Any: whatever a notebook has
    """Describe an array by its content, and anything else as the very object of this process."""
    if type(value).__module__ == "numpy" and hasattr(value, "tobytes"):
        return f"{value.dtype} {value.shape} {hashlib.blake2b(value.tobytes()).hexdigest()}"
    return f"object {type(value).__qualname__} {id(value)} of {_kernel()}"


def _names(code: CodeType) -> set[str]:
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _names(constant)
    return found


@functools.cache
def _kernel() -> str:
    from starwhale.storage.catalog.driver import this_driver

    return f"{os.getpid()} {this_driver()}"
