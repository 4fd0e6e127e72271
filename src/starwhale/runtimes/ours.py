"""Our own package inside of an environment: a folder with a link to the source that runs, and a `.pth` that leads there.

Nothing is installed, so nothing can conflict with a lock, and it is the very version that is running, from a checkout too.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import sys
from pathlib import Path

import starwhale
from starwhale.settings import VERSION

PTH = "_starwhale_evaluation.pth"
"""Name of the file in an environment."""


def link_ours(folder: Path) -> Path:
    """Return the folder below `folder` that has nothing but this program to import, made when it is not there.

    Beside the link lies `bin` with a `swcli` that runs this very program.
    """
    source = Path(starwhale.__file__).resolve().parent
    key = hashlib.sha256(f"{source}\0{VERSION}\0{sys.executable}".encode()).hexdigest()[:16]
    place = folder / key
    if (place / "starwhale").exists():
        return place
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{key}.{secrets.token_hex(6)}"
    draft.mkdir()
    (draft / "starwhale").symlink_to(source)
    info = draft / f"starwhale_evaluation-{VERSION}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: starwhale-evaluation\nVersion: {VERSION}\n")
    (draft / "bin").mkdir()
    script = draft / "bin" / "swcli"
    script.write_text(f"#!/bin/sh\nunset PYTHONPATH PYTHONHOME\nexec '{sys.executable}' -P -m starwhale.cli \"$@\"\n")
    script.chmod(0o755)
    try:
        draft.rename(place)
    except OSError:  # another process was quicker, or what is there leads nowhere any more
        if not (place / "starwhale").exists():
            shutil.rmtree(place, ignore_errors=True)
            draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return place


def point_at(site_packages: Path, ours: Path) -> None:
    """Let an environment find this program, whichever version it found before."""
    pth = site_packages / PTH
    wanted = f"{ours}\n"
    if pth.is_file() and pth.read_text() == wanted:
        return
    draft = pth.with_suffix(f".{secrets.token_hex(6)}")
    draft.write_text(wanted)
    draft.replace(pth)
