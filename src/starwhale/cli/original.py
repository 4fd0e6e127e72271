"""Is the original Starwhale in the same environment? Both write a folder `starwhale`, so each overwrites files of the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

THEIR_FOLDERS = ("base", "core", "utils")
"""Folders of the original in `starwhale/`, where this program has none: they hide the old import paths that `compat` answers."""
_ENDINGS = (".dist-info", ".egg-info", ".egg-link")


def find_original(folders: Iterable[str], package: Path) -> tuple[str, ...]:
    """Return what there is of the original distribution, as paths; empty when it is not there.

    Reads the names in the folders of installed packages and nothing else, because every call of `swcli` asks this.

    Args:
        folders: Where Python looks for modules, as `sys.path`.
        package: The folder of our package.
    """
    found: list[str] = []
    for folder in dict.fromkeys(folders):
        if os.path.basename(folder) not in {"site-packages", "dist-packages"}:  # noqa: PTH119 - a Path costs ten times as much
            continue
        try:
            names = os.listdir(folder)  # noqa: PTH208 - the same
        except OSError:
            continue
        found += [os.path.join(folder, name) for name in names if _is_theirs(name)]  # noqa: PTH118 - the same
    return (*sorted(found), *(str(package / name) for name in THEIR_FOLDERS if (package / name).is_dir()))


def mending_command(python: str = sys.executable, *, has_pip: bool) -> str:
    """Return what leaves this program alone in the environment; both must go first, because either takes files of the other along.

    Args:
        python: The interpreter of the environment.
        has_pip: Whether pip is installed there.
    """
    if has_pip:
        pip = f"{python} -m pip"
        return f"{pip} uninstall -y starwhale starwhale-evaluation && {pip} install starwhale-evaluation"
    uv = f"--python {python}"
    return f"uv pip uninstall {uv} starwhale starwhale-evaluation && uv pip install {uv} starwhale-evaluation"


def warning(found: tuple[str, ...]) -> str:
    """Say what was found and what to do; empty when nothing was."""
    if not found:
        return ""
    said = (
        f"the original starwhale is in this environment too ({', '.join(found)}); the two overwrite each other's files"
    )
    return f"Warning: {said}\nTry:    {mend_here()}"


def mend_here() -> str:
    """Return the mending command for the environment of this process."""
    from importlib.util import find_spec

    return mending_command(has_pip=find_spec("pip") is not None)


def here() -> tuple[str, ...]:
    """Return what there is of the original in the environment of this process."""
    return find_original(sys.path, Path(__file__).parent.parent)


def _is_theirs(name: str) -> bool:
    """Whether a file in a folder of packages says that the distribution `starwhale` is installed; ours is `starwhale_evaluation`."""
    lower = name.lower()
    return lower.endswith(_ENDINGS) and (lower.startswith("starwhale-") or lower.rpartition(".")[0] == "starwhale")
