"""The record of a job for people: the program, machine, source, data and environment that its figures come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starwhale.domain.usage import TASKS

SHORT = 12
"""Characters of a digest that are shown."""
_ASKED = ("executor", "replicas", "concurrency")
"""What may be asked for when a job goes on, and stands in its record then."""
SHOWN_PACKAGES = 8
"""Packages that are shown where not all are asked for."""
Record = Mapping[str, Any]  # Any: a JSON object


def record_lines(manifest: Record, *, is_whole: bool = False) -> Iterator[tuple[str, str]]:
    """Return what a manifest says of the origin of its figures, by title; titles without text are left out by whoever draws them.

    Args:
        manifest: As `job_manifest` makes it; one of an older program has less in it.
        is_whole: Whether digests and lists are shown whole.
    """
    cut = None if is_whole else SHORT
    yield "git", _git(manifest.get("git") or {}, cut)
    yield "code digest", str(manifest.get("source_digest") or "")[:cut]
    yield "model digest", str(manifest.get("model_digest") or "")[:cut]
    inputs: Sequence[Record] = manifest.get("inputs") or ()
    yield (
        "data digest",
        "\n".join(f"{each['uri'] if is_whole else _name(each)}  {each['manifest_digest'][:cut]}" for each in inputs),
    )
    yield "runtime", _runtime(manifest.get("runtime") or {}, cut)
    yield "machine", _machine(manifest.get("hardware") or {}, str(manifest.get("host") or "") if is_whole else "")
    yield "packages", _packages(manifest.get("packages") or {}, is_whole=is_whole)
    yield "arguments", " ".join(manifest.get("arguments") or ())
    env: Record = manifest.get("env") or {}
    yield (
        "environment",
        "\n".join(f"{name} is not set" if value is None else f"{name}={value}" for name, value in env.items()),
    )
    yield "seed", str(manifest.get("seed") or "")
    verdict = (manifest.get("reproduction") or {}).get("verdict")
    yield "repeats", str(manifest.get("reproduces") or "")[:cut] + (f" ({verdict})" if verdict else "")
    yield "typed", " ".join(manifest.get("argv") or ()) if is_whole else ""
    resumes: Sequence[Record] = manifest.get("resumes") or ()
    yield "resumed", "\n".join(map(_resume, resumes))


def _name(versioned: Record) -> str:
    head, _, version = str(versioned["uri"]).partition("/version/")
    return f"{head.rpartition('/')[2]}@{version[:SHORT]}"


def _git(git: Record, cut: int | None) -> str:
    if not git.get("commit"):
        return ""
    found = [str(git["commit"])[:cut]]
    found += [f"branch {git['branch']}"] if git.get("branch") else []
    found += [f"of {git['remote']}"] if git.get("remote") else []
    if git.get("is_dirty"):
        digest = str(git.get("diff_digest") or "")[:cut]
        found.append("with changes that were not committed" + (f" ({digest})" if digest else ""))
    return ", ".join(found)


def _machine(hardware: Record, host: str) -> str:
    if not hardware:
        return ""
    cores, usable = hardware.get("cores"), hardware.get("usable_cores")
    found = [str(hardware.get("cpu") or hardware.get("machine") or ""), f"{cores} cores"]
    found += [f"{usable} of them usable"] if usable != cores else []
    found += [f"{hardware['memory_bytes'] / 2**30:.0f} GiB"] if hardware.get("memory_bytes") else []
    found += [f"{each['name']} ({each['memory']}, driver {each['driver']})" for each in hardware.get("gpus") or ()]
    return ", ".join(filter(None, [*found, host]))


def _runtime(runtime: Record, cut: int | None) -> str:
    """Show which runtime it was and its lock; whole, all plain facts of it that there are."""
    if cut and {"uri", "lock_digest", "python"} <= runtime.keys():
        carried = "of the model " if runtime.get("packaged_in_model") else ""
        lock = f"lock {runtime['lock_digest'][:cut]}" if runtime["lock_digest"] else "not locked"
        return f"{carried}{_name(runtime)}, Python {runtime['python']}, {lock}"
    shown = {
        name: str(value) for name, value in runtime.items() if isinstance(value, str | int | float) and value != ""
    }
    return "\n".join(f"{name} {value[:cut] if 'digest' in name else value}" for name, value in shown.items())


def _packages(packages: Mapping[str, str], *, is_whole: bool) -> str:
    shown = [f"{name} {version}" for name, version in packages.items()]
    if not is_whole and len(shown) > SHOWN_PACKAGES:
        return f"{', '.join(shown[:SHOWN_PACKAGES])} and {len(shown) - SHOWN_PACKAGES} more; -v shows all"
    return ", ".join(shown)


def _resume(resume: Record) -> str:
    asked = [f"{name} {resume[name]}" for name in _ASKED if name in resume]
    changed = sorted(name for name in resume if name not in {"argv", "retried_rows", TASKS, *_ASKED})
    told = "with " + ", ".join([*asked, *([f"{', '.join(changed)} changed"] if changed else [])])
    told = told if asked or changed else "with nothing changed"
    count = resume.get("retried_rows")
    return f"{told}, {count} failed row{'' if count == 1 else 's'} tried again" if count else told
