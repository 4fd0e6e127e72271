"""What an install of the base costs: seconds, megabytes, and what weighs what.

    python benchmarks/install_size.py [EXTRA]

Makes a fresh virtual environment, installs this clone into it (with the named extra, if any) as a user would, and prints figures.
The seconds hold the download; pip's cache shortens a second run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from importlib.metadata import distributions
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
MB = 1_000_000


def install(folder: Path, extra: str) -> float:
    """Make the environment and return the seconds that the installation took."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    what = f"{CLONE}[{extra}]" if extra else str(CLONE)
    begun = time.monotonic()
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", what]
    subprocess.run(pip, check=True)
    return time.monotonic() - begun


def size_bytes(folder: Path) -> int:
    """Sum the files of a folder, each as long as it is."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def weights(site: Path) -> list[tuple[int, str]]:
    """Each installed distribution with its bytes (compiled files included), the heaviest first."""
    found: list[tuple[int, str]] = []
    for distribution in distributions(path=[str(site)]):
        paths = [Path(str(distribution.locate_file(file))) for file in distribution.files or []]
        total = sum(path.stat().st_size for path in paths if path.is_file())
        found.append((total, f"{distribution.metadata['Name']} {distribution.version}"))
    return sorted(found, reverse=True)


def main(extra: str = "") -> None:
    """Install and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "venv"
        seconds = install(folder, extra)
        whole = size_bytes(folder)
        site = next(folder.glob("lib/python*/site-packages"))
        print(f"{'base' + (f' with {extra}' if extra else '')}: {seconds:.0f} s, {whole / MB:.0f} MB in all")
        for total, title in weights(site):
            if total >= MB:
                print(f"{total / MB:8.1f} MB  {title}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
