"""One typed value of everything that the environment decides, read once at an entry point and passed down.

This is the only file that reads environment variables.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VERSION = "0.1.0"
"""Version of the distribution `starwhale-evaluation`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment and the configuration file say."""

    config_path: Path
    """The configuration file; it need not exist."""
    root: Path | None
    """Storage root that the environment gives; None leaves it to the configuration file and then to the default."""
    default_root: Path
    """Storage root when nothing else is said."""
    is_root_blank: bool = False
    """Whether SW_LOCAL_STORAGE is there and empty, which is a mistake of whoever set it."""
    allow_network_root: bool = False
    """Whether the storage root may lie on a network file system, from SW_ALLOW_NETWORK_ROOT."""
    datasets: tuple[str, ...] = ()
    """Default of `model run --dataset`, from SW_DATASET_URI."""
    fixed_version: str = ""
    """Forces the version id of the next build or commit, from SW_BUILD_BUNDLE_FIXED_VERSION_FOR_TEST."""
    verbosity: int = 0
    """From SW_LOG_VERBOSE_COUNT."""
    progress: bool = True
    """Whether progress may be drawn on a terminal."""
    columns: int | None = None
    """Width that output is made for, from COLUMNS; None leaves it to the terminal."""
    colours: bool = True
    """Whether a terminal may be given colours; not with NO_COLOR."""
    home: Path = Path()
    """The user's home directory."""
    editor: str = ""
    """The user's editor, from VISUAL, else EDITOR."""
    zsh_home: Path = Path()
    """Where zsh looks for `.zshrc`, from ZDOTDIR, else the home directory."""
    fish_home: Path = Path()
    """Where fish keeps its files, from XDG_CONFIG_HOME, else below the home directory."""
    shell: str = ""
    """Name of the user's shell, from SHELL: bash, zsh, …"""
    strict_exit: bool = False
    """Reserved for scripts that want other exit codes, from SW_STRICT_EXIT."""


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment once.

    Args:
        environ: Variables to read; None means those of this process.
    """
    env = os.environ if environ is None else environ
    home = Path(env.get("HOME") or Path.home())
    config = env.get("SW_CLI_CONFIG")
    root = env.get("SW_LOCAL_STORAGE")
    count = env.get("SW_LOG_VERBOSE_COUNT", "0")
    columns = env.get("COLUMNS", "")
    return Settings(
        config_path=Path(config).expanduser()
        if config
        else _config_home(env, home) / "starwhale-evaluation" / "config.yaml",
        root=Path(root).expanduser().absolute() if root and root.strip() else None,
        default_root=_data_home(env, home) / "starwhale-evaluation",
        is_root_blank=root is not None and not root.strip(),
        allow_network_root=env.get("SW_ALLOW_NETWORK_ROOT") == "1",
        datasets=tuple(env.get("SW_DATASET_URI", "").split()),
        fixed_version=env.get("SW_BUILD_BUNDLE_FIXED_VERSION_FOR_TEST", ""),
        verbosity=int(count) if count.isdigit() else 0,
        progress=env.get("DISABLE_PROGRESS_BAR") != "1",
        columns=int(columns) if columns.isdecimal() and int(columns) else None,
        colours=not env.get("NO_COLOR"),
        home=home,
        editor=env.get("VISUAL") or env.get("EDITOR") or "",
        zsh_home=Path(env.get("ZDOTDIR") or home),
        fish_home=Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "fish",
        shell=Path(env.get("SHELL", "")).name,
        strict_exit=env.get("SW_STRICT_EXIT") == "1",
    )


def child_environment(additions: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a process that we start."""
    return {**os.environ, **additions}


def _config_home(env: Mapping[str, str], home: Path) -> Path:
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    return Path(env.get("XDG_CONFIG_HOME") or home / ".config")


def _data_home(env: Mapping[str, str], home: Path) -> Path:
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    return Path(env.get("XDG_DATA_HOME") or home / ".local" / "share")
