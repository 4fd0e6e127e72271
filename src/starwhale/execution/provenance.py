"""What a job ran on: program, machine, source, data, arguments and environment. Kept beside the job so that a figure can be traced.

Secrets are not kept: see docs/decisions/0026-the-record-of-a-job.md.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import platform
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from starwhale.domain.job import DatasetInput, HandlerRecord, Job, RunRequest
from starwhale.domain.json_shape import Json
from starwhale.domain.redaction import REDACTED, fill_in, is_secret_name, redact_json, redact_text, redact_words
from starwhale.execution.git_state import describe_git
from starwhale.execution.machine.hardware import describe_hardware
from starwhale.settings import VERSION, declared_values


class RecordFacts:
    """What can be said of machine and source before anything is planned, gathered while the first worker imports its modules."""

    def __init__(self, request: RunRequest, argv: Sequence[str]) -> None:
        self._request = request
        self._argv = argv
        self._found: Json = {}
        self._thread = threading.Thread(target=self._gather, name="record", daemon=True)
        self._thread.start()

    def _gather(self) -> None:
        request, workdir = self._request, Path(self._request.workdir)
        found = {**describe_machine(self._argv), "hardware": describe_hardware()}
        with contextlib.suppress(OSError):  # a directory that is not there is refused with a better message than ours
            found |= describe_source(workdir, request.modules, has_git=not request.model_uri)
        self._found = found

    def wait(self) -> Json:
        """Return what was found, once it is."""
        self._thread.join()
        return self._found


def describe_machine(argv: Sequence[str]) -> Json:
    """Say what runs: our version, Python, the machine, and what the user typed."""
    return {
        "argv": list(redact_words(argv)),
        "starwhale_version": VERSION,
        "python_version": platform.python_version(),
        "python": sys.executable,
        "platform": platform.platform(),
        "host": platform.node(),
        "cpu_count": os.cpu_count(),
    }


def describe_source(workdir: Path, modules: Sequence[str], *, has_git: bool = True) -> Json:
    """Say which source runs: its digest, and what git says of it; functions of a notebook are kept word for word.

    Args:
        workdir: The model root.
        modules: Modules of the handlers.
        has_git: Whether git is asked: it knows nothing of the snapshot of a packaged model.
    """
    said: Json = {
        "source_digest": source_digest(workdir, modules),
        "git": describe_git(workdir) if has_git else None,
    }
    functions = {name: redact_text(source) for name, source in _functions(modules).items()}
    return {**said, "functions": functions} if functions else said


def describe_job(job: Job) -> Json:
    """Say what a planned job was given: seed, model, datasets, arguments, and the environment variables that were declared."""
    request = job.request
    return {
        "seed": request.seed,
        "arguments": list(redact_words(request.handler_arguments)),
        "model_digest": request.model_digest,
        "inputs": [
            {
                "uri": redact_text(each.uri),
                "version": each.version,
                "manifest_digest": each.manifest_digest,
                "row_count": each.row_count,
            }
            for each in job.datasets
        ],
        "env": describe_env(declared_names(request, [step.record for step in job.steps])),
        **({"reproduces": request.reproduces} if request.reproduces else {}),
        **({"sample": request.sample, "sample_seed": request.sample_seed} if request.sample else {}),
    }


def declared_names(request: RunRequest, records: Iterable[HandlerRecord]) -> tuple[str, ...]:
    """Return the environment variables that the model and its handlers declare, sorted."""
    return tuple(sorted({*request.envs, *(name for record in records for name in record.envs)}))


def describe_env(names: Sequence[str]) -> dict[str, str | None]:
    """Return the values of declared environment variables; None for one that is not set, and of a secret only that it is."""
    return {
        name: value if not value else REDACTED if is_secret_name(name) else redact_text(value)
        for name, value in declared_values(names).items()
    }


def without_secrets(job: Job) -> Job:
    """Return a job as it may be written down: the same, but for secrets in arguments and addresses."""
    request = job.request
    kept = dataclasses.replace(
        request,
        arguments=_redact_after(request.loose_options, request.arguments),
        loose_options=redact_words(request.loose_options),
        datasets=tuple(map(redact_text, request.datasets)),
        model_uri=redact_text(request.model_uri),
    )
    return dataclasses.replace(
        job,
        request=kept,
        steps=tuple(
            dataclasses.replace(step, record=dataclasses.replace(step.record, **_extras(step.record)))
            for step in job.steps
        ),
        datasets=tuple(map(_input, job.datasets)),
    )


def with_secrets(request: RunRequest, arguments: Sequence[str], records: Iterable[HandlerRecord] = ()) -> RunRequest:
    """Put back what the record of a job leaves out: from the caller, else from declared environment variables.

    Args:
        request: As the catalog has it.
        arguments: Options with their values; only those that were left out.
        records: The handlers, which declare variables.

    Raises:
        UsageError: A value is missing.
    """
    values = declared_values(declared_names(request, records))
    words = fill_in(request.handler_arguments, arguments, {name: each for name, each in values.items() if each})
    count = len(request.loose_options)
    return dataclasses.replace(request, loose_options=words[:count], arguments=words[count:])


def _input(dataset: DatasetInput) -> DatasetInput:
    return dataclasses.replace(dataset, given=redact_text(dataset.given))


def _extras(record: HandlerRecord) -> Json:
    """What was given to a function when it was registered; a job that is resumed takes it from the function again."""
    return {
        "extra_args": tuple(redact_json(record.extra_args)),
        "extra_kwargs": redact_json(record.extra_kwargs),
        "datasets": tuple(map(redact_text, record.datasets)),
    }


def _redact_after(before: Sequence[str], words: Sequence[str]) -> tuple[str, ...]:
    return redact_words((*before, *words))[len(before) :]


def source_digest(workdir: Path, modules: Sequence[str]) -> str:
    """Return a digest of the files of the modules; of a package, of all its Python files."""
    digest = hashlib.blake2b(digest_size=32)
    for path in _files(workdir, modules):
        digest.update(f"{path.relative_to(workdir)}\0".encode())
        digest.update(hashlib.blake2b(path.read_bytes()).digest())
    for name, source in _functions(modules).items():
        digest.update(f"{name}\0{source}\0".encode())
    return digest.hexdigest()


def _functions(modules: Sequence[str]) -> dict[str, str]:
    """Return the source of handlers that a notebook or script of this process has, with what they need, by name."""
    import inspect

    from starwhale.handlers.registry import REGISTRY

    entries = REGISTRY.entries()
    names = [each for each in modules if each.startswith("__main__:") and each in entries]
    for name in names:  # grows meanwhile
        names += [need for need in entries[name].record.needs if need in entries and need not in names]
    found: dict[str, str] = {}
    for name in sorted(names):
        with contextlib.suppress(OSError, TypeError):  # typed at a prompt: no file and no cell holds it
            found[name] = inspect.getsource(entries[name].function)
    return found


def _files(workdir: Path, modules: Sequence[str]) -> list[Path]:
    found: set[Path] = set()
    for module in modules:
        path = workdir.joinpath(*module.partition(":")[0].split("."))
        if path.with_suffix(".py").is_file():
            found.add(path.with_suffix(".py"))
        elif path.is_dir():
            found.update(path.rglob("*.py"))
    return sorted(found)
