"""What an environment that exists has installed, read by its own interpreter."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from starwhale.domain.runtime import Interpreter
from starwhale.errors import RestoreError, UsageError
from starwhale.runtimes.interpreters import probe
from starwhale.runtimes.lock import OURS, normalise
from starwhale.settings import child_environment

_SEEDS = frozenset({"pip", "setuptools", "wheel"})
"""What an environment is made with: left out, as `pip freeze` does, unless something installed needs it."""
_QUESTION = """
import importlib.metadata as m, json, re, sys
seen, needed = {}, []
for d in m.distributions():
    name = d.metadata["Name"]
    if name:
        seen.setdefault(name, [d.version, d.read_text("direct_url.json")])
        needed += [re.split(r"[^A-Za-z0-9._-]", each.strip())[0] for each in d.requires or () if "extra ==" not in each]
print(json.dumps([seen, needed]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A distribution of an environment."""

    name: str
    """Normalised name."""
    version: str
    """Its version."""
    address: str = ""
    """Where it was installed from, if not from an index."""
    is_editable: bool = False
    """Whether its source folder is used as it stands."""

    @property
    def source(self) -> Path | None:
        """The local folder or wheel that it was installed from."""
        parts = urlsplit(self.address)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None


def python_of(prefix: Path) -> Interpreter:
    """Return the interpreter of a virtual environment.

    Raises:
        UsageError: The folder is none, or belongs to conda.
    """
    if (prefix / "conda-meta").is_dir():
        message = f"{prefix} is an environment of conda"
        raise UsageError(message, hint="list its packages under pip in a runtime.yaml; conda is not supported")
    found = probe(prefix / "bin" / "python")
    if not (prefix / "pyvenv.cfg").is_file() or found is None:
        what = "there is no folder" if not prefix.is_dir() else "no virtual environment lies in"
        raise UsageError(f"{what} {prefix}", hint="name the folder that holds pyvenv.cfg")
    return found


def read_installed(python: Interpreter) -> list[Installed]:
    """Return what an interpreter can import as distributions, by name; what it was made with is left out.

    Raises:
        RestoreError: The interpreter does not answer.
    """
    try:
        done = subprocess.run(
            [python.path, "-P", "-c", _QUESTION],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=child_environment({}, without=("PYTHONPATH", "PYTHONHOME")),
            check=True,
        )
        answer: tuple[dict[str, list[str | None]], list[str]] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        message = f"{python.path} does not say what is installed"
        raise RestoreError(message, hint="see that it runs, and that its packages are whole") from error
    left_out = _SEEDS - {normalise(each) for each in answer[1]}
    found = (_read(name, str(version), direct) for name, (version, direct) in answer[0].items())
    return sorted((each for each in found if each.name not in left_out), key=lambda each: each.name)


def split_local(found: list[Installed]) -> tuple[list[Installed], list[Installed], list[Installed]]:
    """Part distributions into those of an index, those from elsewhere, and those that this program stands in for."""
    ours = [each for each in found if each.name in OURS]
    rest = [each for each in found if each.name not in OURS]
    return [each for each in rest if not each.address], [each for each in rest if each.address], ours


def _read(name: str, version: str, direct: str | None) -> Installed:
    said = json.loads(direct) if direct else {}
    return Installed(
        name=normalise(name),
        version=version,
        address=str(said.get("url", "")),
        is_editable=bool(said.get("dir_info", {}).get("editable")),
    )
