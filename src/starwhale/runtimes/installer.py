"""uv, or pip where uv is not there: resolve requirements to a lock, make an environment, install into it.

Both work below one folder: `cache/` holds packages that environments share, `tools/` a pip per Python. No Python is downloaded.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from starwhale.domain.runtime import Indexes, Interpreter
from starwhale.errors import RestoreError
from starwhale.runtimes.lock import Lock, Pin, normalise, parse_pins
from starwhale.runtimes.runtime_yaml import without_credentials
from starwhale.settings import child_environment

_UNWANTED = (
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "UV_PYTHON",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_USER",
)
_PIP_NAMES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST")
_REASON_LINES = 12
_REASON_WIDTH = 400
_NOISE = re.compile(r"^(WARNING|DEPRECATION|\[notice\]|warning:|Collecting |Downloading |Using cached |Looking in )")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a lock is to be made of."""

    requirements: tuple[str, ...] = ()
    """Lines as in a requirement file."""
    files: tuple[Path, ...] = ()
    """Requirement files."""
    wheels: Path | None = None
    """Folder of wheels that may be chosen beside those of the index."""
    indexes: Indexes = field(default_factory=Indexes)
    """Where packages come from."""
    is_whole: bool = False
    """Whether the requirements are all that there is: what they depend on is not added."""
    uses_cache: bool = True
    """Whether what was fetched before may be used."""


class Installer(Protocol):
    """Makes locks and environments."""

    name: str
    """`uv` or `pip`."""

    def resolve(self, wanted: Wanted, python: Interpreter) -> list[Pin]:
        """Pin every distribution.

        Raises:
            RestoreError: The resolver's reason.
        """
        ...

    def create(self, folder: Path, python: Interpreter) -> None:
        """Make an environment without packages.

        Raises:
            RestoreError: The interpreter cannot.
        """
        ...

    def install(self, folder: Path, lock: Lock, wheels: Path | None, indexes: Indexes) -> None:
        """Install what a lock pins, each file checked against its hashes.

        Raises:
            RestoreError: The installer's reason.
        """
        ...

    def forget(self, names: Sequence[str]) -> None:
        """Drop packages from the cache."""
        ...

    def build_wheel(self, source: Path, target: Path, python: Interpreter) -> None:
        """Build the wheel of a source folder into a folder.

        Raises:
            RestoreError: The builder's reason.
        """
        ...


def download(folder: Path, lock: Lock, python: Interpreter, target: Path, indexes: Indexes) -> None:
    """Put a wheel of everything that a lock pins into a folder, each checked against its hashes; pip does it, for uv cannot.

    Args:
        folder: Where cache and tools are.
        lock: What is wanted.
        python: For which Python.
        target: The folder; wheels that are in it already are left as they are.
        indexes: Where packages come from.

    Raises:
        RestoreError: Something has no wheel for this Python and platform, or the index cannot be reached.
    """
    with tempfile.TemporaryDirectory(prefix="starwhale-lock-") as name:
        listed = Path(name) / "requirements.txt"
        listed.write_text(lock.to_text(), encoding="utf-8")
        Pip(folder).download(python, listed, target, indexes)


def choose_installer(folder: Path, forced: str = "") -> Installer:
    """Return uv where it is there, else pip.

    Args:
        folder: Where cache and tools are.
        forced: `uv` or `pip`; empty for the better one.

    Raises:
        RestoreError: The forced one is not there.
    """
    uv = shutil.which("uv")
    if forced not in {"", "uv", "pip"} or (forced == "uv" and not uv):
        why = "uv is not installed" if forced == "uv" else f"{forced!r} is no installer"
        raise RestoreError(f"SW_RUNTIME_INSTALLER: {why}", hint="unset it, or set it to pip")
    return Uv(uv, folder) if uv and forced != "pip" else Pip(folder)


class Uv:
    """Meets `Installer` by the program uv."""

    name = "uv"

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder

    def resolve(self, wanted: Wanted, python: Interpreter) -> list[Pin]:
        with tempfile.TemporaryDirectory(prefix="starwhale-lock-") as name:
            listed = Path(name) / "requirements.in"
            listed.write_text("".join(f"{each}\n" for each in wanted.requirements), encoding="utf-8")
            words = ["pip", "compile", "--generate-hashes", "--no-header", "--no-annotate", "--python", python.path]
            words += [*_wheel_words(wanted.wheels), *(["--no-deps"] if wanted.is_whole else [])]
            words += [*([] if wanted.uses_cache else ["--refresh"]), str(listed), *map(str, wanted.files)]
            text = self._run(words, "the requirements cannot be resolved", wanted.indexes)
        return parse_pins(text)

    def create(self, folder: Path, python: Interpreter) -> None:
        self._run(["venv", "--python", python.path, str(folder)], f"{python.path} makes no environment")

    def install(self, folder: Path, lock: Lock, wheels: Path | None, indexes: Indexes) -> None:
        if not lock.pins:
            return
        listed = folder / "starwhale-lock.txt"
        listed.write_text(lock.to_text(), encoding="utf-8")
        words = ["pip", "install", "--python", str(folder / "bin" / "python"), "--require-hashes", "--no-deps"]
        words += ["--link-mode", "hardlink", *_wheel_words(wheels)]
        try:
            self._run([*words, "--offline", "-r", str(listed)], "", indexes)
        except RestoreError:  # something is not in the cache
            self._run([*words, "-r", str(listed)], "the lock cannot be installed", indexes)
        finally:
            listed.unlink(missing_ok=True)

    def forget(self, names: Sequence[str]) -> None:
        self._run(["cache", "clean", *names], "the cache of packages cannot be cleaned")

    def build_wheel(self, source: Path, target: Path, python: Interpreter) -> None:
        words = ["build", "--wheel", "--python", python.path, "--out-dir", str(target), str(source)]
        try:
            self._run(words, f"no wheel can be built of {source}", is_quiet=False)
        except RestoreError as error:
            log = error.details.partition("\nerror:")[0].splitlines()[
                -_REASON_LINES:
            ]  # what the builder said goes before
            error.message = "\n  ".join([error.message, *(each.rstrip() for each in log if each.strip())])
            raise

    def _run(self, words: Sequence[str], what: str, indexes: Indexes | None = None, *, is_quiet: bool = True) -> str:
        additions = {
            "SOURCE_DATE_EPOCH": _WHEEL_TIME,
            "UV_CACHE_DIR": str(self._folder / "cache" / "uv"),
            "UV_PYTHON_DOWNLOADS": "never",
            "NO_COLOR": "1",
        }
        additions |= _index_environment(indexes or Indexes(), is_uv=True)
        return run_tool([self._program, *(["--quiet"] if is_quiet else []), *words], what, additions)


class Pip:
    """Meets `Installer` by a pip of our own for each Python, made with the module venv."""

    name = "pip"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def resolve(self, wanted: Wanted, python: Interpreter) -> list[Pin]:
        words = ["install", "--dry-run", "--ignore-installed", "--report", "-", "--quiet"]
        words += [*_wheel_words(wanted.wheels), *(["--no-deps"] if wanted.is_whole else [])]
        words += [] if wanted.uses_cache else ["--no-cache-dir"]
        given = [*wanted.requirements, *(word for each in wanted.files for word in ("-r", str(each)))]
        if not given:
            return []
        text = self._run(python, [*words, *given], "the requirements cannot be resolved", wanted.indexes)
        report: Any = json.loads(text)  # Any: pip's own JSON
        return [_reported(each) for each in report["install"]]

    def create(self, folder: Path, python: Interpreter) -> None:
        words = [python.path, "-m", "venv", "--without-pip", str(folder)]
        run_tool(words, f"{python.path} makes no environment", {})

    def install(self, folder: Path, lock: Lock, wheels: Path | None, indexes: Indexes) -> None:
        if not lock.pins:
            return
        listed = folder / "starwhale-lock.txt"
        listed.write_text(lock.to_text(), encoding="utf-8")
        kept = self._folder / "cache" / "wheels"
        kept.mkdir(parents=True, exist_ok=True)
        target = _of_environment(folder)
        common = ["--no-deps", "--require-hashes", *_wheel_words(kept), *_wheel_words(wheels), "-r", str(listed)]
        into = ["install", "--no-compile", "--ignore-installed"]
        try:
            self._run_into(target, [*into, "--no-index", *common], "")
        except RestoreError:  # something is not in the cache
            self._run(target, ["download", "--dest", str(kept), *common], "the lock cannot be installed", indexes)
            self._run_into(target, [*into, *common], "the lock cannot be installed", indexes)
        finally:
            listed.unlink(missing_ok=True)

    def download(self, python: Interpreter, listed: Path, target: Path, indexes: Indexes) -> None:
        """Put a wheel of everything in a locked requirement file into a folder.

        Raises:
            RestoreError: Something has no wheel, or the index cannot be reached.
        """
        target.mkdir(parents=True, exist_ok=True)
        words = ["download", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest", str(target)]
        words += [*_wheel_words(target), "-r", str(listed)]
        self._run(python, words, "the packages of the lock cannot be kept as wheels", indexes)

    def forget(self, names: Sequence[str]) -> None:
        """Drop the shared files too: which of them are damaged is not asked."""
        for path in (self._folder / "cache" / "wheels").glob("*"):
            if normalise(re.split(r"-\d", path.name)[0]) in {normalise(each) for each in names}:
                path.unlink(missing_ok=True)
        shutil.rmtree(self._folder / "cache" / "files", ignore_errors=True)

    def build_wheel(self, source: Path, target: Path, python: Interpreter) -> None:
        words = ["wheel", "--no-deps", "--wheel-dir", str(target), str(source)]
        self._run(python, words, f"no wheel can be built of {source}")

    def _run(self, python: Interpreter, words: Sequence[str], what: str, indexes: Indexes | None = None) -> str:
        return self._start([str(self._tool(python)), "-m", "pip", *words], what, indexes)

    def _run_into(self, target: Interpreter, words: Sequence[str], what: str, indexes: Indexes | None = None) -> str:
        """Let the environment's own interpreter run the pip of our tools: `pip --python` does so too, after it has started once itself."""
        runner = next(self._tool(target).parent.parent.glob("lib/python3*/site-packages/pip/__pip-runner__.py"), None)
        if runner is None:  # an older pip
            return self._run(target, ["--python", target.path, *words], what, indexes)
        return self._start([target.path, str(runner), *words], what, indexes)

    def _start(self, words: Sequence[str], what: str, indexes: Indexes | None) -> str:
        additions = {
            "SOURCE_DATE_EPOCH": _WHEEL_TIME,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_CACHE_DIR": str(self._folder / "cache" / "pip"),
        }
        additions |= _index_environment(indexes or Indexes())
        return run_tool(words, what, additions)

    def _tool(self, python: Interpreter) -> Path:
        """Return a Python of that version that has pip, made once."""
        place = self._folder / "tools" / f"{python.version}-{python.abi}"
        if not (place / "bin" / "python").exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            draft = place.with_name(f".{place.name}.{secrets.token_hex(6)}")
            try:
                run_tool([python.path, "-m", "venv", str(draft)], f"{python.path} makes no environment with pip", {})
                if not (place / "bin" / "python").exists():
                    draft.replace(place)  # its pip is run by `-m`, which does not mind the other name
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        return place / "bin" / "python"


_WHEEL_TIME = "315532800"
"""1980-01-01, the oldest moment that a zip file knows: equal sources give equal wheels, and so equal locks."""


def run_tool(words: Sequence[str], what: str, additions: dict[str, str], hint: str = "") -> str:
    """Run a program to its end and return what it wrote.

    Raises:
        RestoreError: It failed: `what`, and its own reason.
    """
    environment = child_environment(additions, without=_UNWANTED)
    try:
        done = subprocess.run(
            list(words), capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment, check=False
        )
    except OSError as error:
        raise RestoreError(f"{what}: {words[0]} cannot be started ({error.strerror})") from error
    if done.returncode == 0:
        return done.stdout
    details = without_credentials(done.stderr.strip() or done.stdout.strip())
    said = _reason(details) or f"exit code {done.returncode}"
    raise RestoreError(f"{what}: {said}", details=details, hint=hint or _hint(details))


def _reason(text: str) -> str:
    """Keep of a tool's output what says why, on few lines."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not _NOISE.match(line.strip())]
    said = [line for line in lines if line.startswith(("ERROR:", "error:"))] or lines
    if said is not lines and said[0].startswith("error:"):
        said = lines[lines.index(said[0]) :]
    cleaned = [re.sub(r"^(ERROR: |error: |\s*cause: |\s*[×╰─▶│]+\s*)", "", line).strip() for line in said]
    told = [line for line in cleaned if not line.startswith("Ignored the following")] or cleaned
    return "\n  ".join(textwrap.shorten(line, _REASON_WIDTH, placeholder=" …") for line in told[:_REASON_LINES])


def _hint(text: str) -> str:
    if re.search(r"dns error|resolution|NameResolution|Connection|connect|offline", text):
        return "the package index must be reachable, for what is not in the cache yet"
    return "mend the requirements"


def _reported(entry: dict[str, Any]) -> Pin:  # Any: pip's own JSON
    hashes: dict[str, str] = entry["download_info"].get("archive_info", {}).get("hashes", {})
    return Pin(
        name=normalise(entry["metadata"]["name"]),
        version=entry["metadata"]["version"],
        hashes=tuple(f"sha256:{value}" for name, value in hashes.items() if name == "sha256"),
    )


def _of_environment(folder: Path) -> Interpreter:
    from starwhale.runtimes.interpreters import probe

    found = probe(folder / "bin" / "python")
    if found is None:
        raise RestoreError(f"the Python of {folder} does not run", hint="see that its interpreter is still installed")
    return found


def _index_environment(indexes: Indexes, *, is_uv: bool = False) -> dict[str, str]:
    """Say in the environment where packages come from: words of a command can be read by every user of a machine."""
    names = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INSECURE_HOST") if is_uv else _PIP_NAMES
    values = (indexes.index_url, " ".join(indexes.extra_index_urls), " ".join(indexes.trusted_hosts))
    return {name: value for name, value in zip(names, values, strict=True) if value}


def _wheel_words(folder: Path | None) -> list[str]:
    return ["--find-links", str(folder)] if folder is not None else []
