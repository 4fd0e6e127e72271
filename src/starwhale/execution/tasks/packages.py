"""Which packages a process has imported, in which versions. The standard library is all that this needs: it runs in workers."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

_PLACES = frozenset({"site-packages", "dist-packages"})
_INFO = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)\.(?:dist|egg)-info")


class LoadedPackages:
    """The packages of this process; asked again it looks at what is new alone."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._found: dict[str, str] = {}
        self._installed: dict[Path, dict[str, tuple[str, str]]] = {}

    def versions(self, modules: Mapping[str, ModuleType] | None = None) -> dict[str, str]:
        """Return the version of every installed package that was imported, sorted by name.

        A package goes by the name of its distribution where that is the name under which it is imported, else by the latter.

        Args:
            modules: Modules by name; None for all of this process.
        """
        loaded = dict(sys.modules if modules is None else modules)
        for name in loaded.keys() - self._seen:
            self._seen.add(name)
            if "." in name or name.startswith("_") or name in sys.stdlib_module_names or name == "starwhale":
                continue
            place = _place(loaded[name])
            if place is not None:
                shown, version = self._look_up(place, name, loaded[name])
                if version:
                    self._found[shown] = version
        return dict(sorted(self._found.items()))

    def _look_up(self, place: Path, name: str, module: ModuleType) -> tuple[str, str]:
        if place not in self._installed:
            self._installed[place] = _installed(place)
        known = self._installed[place].get(_plain(name))
        if known is not None:
            return known
        version = getattr(module, "__version__", "")  # PIL, sklearn, yaml: the distribution is called otherwise
        return name, version if isinstance(version, str) else ""


def _place(module: ModuleType) -> Path | None:
    """Return the folder of installed packages that a module lies in; None for the user's own files and for built-in ones."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str):
        return None
    path = Path(file)
    folder = path.parent.parent if path.stem == "__init__" else path.parent
    return folder if folder.name in _PLACES else None


def _installed(place: Path) -> dict[str, tuple[str, str]]:
    """Return name and version of the distributions of a folder, from the names of their records alone."""
    try:
        found = (_INFO.fullmatch(each.name) for each in place.iterdir())
        return {_plain(each["name"]): (each["name"], each["version"]) for each in found if each}
    except OSError:
        return {}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).casefold()
