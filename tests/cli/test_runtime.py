"""What `swcli runtime` says beside its results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Swcli


def test_a_runtime_of_another_project_is_named_whole_in_what_comes_next(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "runtime.yaml").write_text("name: r\ndependencies: []\n")
    assert swcli("project", "create", "other").returncode == 0
    said = swcli("runtime", "build", "--disable-env-lock", "-p", "other").stdout
    assert "next: swcli runtime run local/project/other/runtime/r -- python" in said
    assert "      swcli runtime info local/project/other/runtime/r/version/" in said
