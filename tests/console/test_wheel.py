"""A wheel carries the console, so that what is installed from it shows the pages without a clone beside it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from tests.console.conftest import build_console
from tests.console.roots import CLONE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.needs_browser  # that is where the console is built
STATIC = CLONE / "src" / "starwhale" / "server" / "static"


def test_a_wheel_carries_every_file_of_the_console(tmp_path: Path) -> None:
    build_console()
    code = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, tmp_path], cwd=CLONE, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as held:
        carried = {
            name: held.read(f"starwhale/server/static/{name}")
            for name in ("index.html", *(f"assets/{each.name}" for each in (STATIC / "assets").iterdir()))
        }
    assert carried == {name: (STATIC / name).read_bytes() for name in carried}
    assert any(name.endswith(".js") for name in carried)
