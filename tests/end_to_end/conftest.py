from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.end_to_end.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Swcli


@pytest.fixture
def project(swcli: Swcli, tmp_path: Path) -> Project:
    """An empty folder of a user."""
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(swcli=swcli, folder=folder)
