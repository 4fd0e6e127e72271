"""`starwhale.core.project.view`: the projects of the terminal commands of 0.6, over the verbs of today."""

from __future__ import annotations

from typing import Any

from starwhale.api import project
from starwhale.api.instance import default_instance


class ProjectTermView:
    """One project, by its URI or name; every method raises the error that the command would show."""

    def __init__(self, project_uri: str = "") -> None:
        self.project_uri = project_uri or default_instance().project
        """URI or name; the current project by default."""

    def create(self) -> None:
        """Make the project."""
        project.create(self.project_uri)

    def select(self) -> None:
        """Make it the current one."""
        project.select(self.project_uri)

    def info(self) -> dict[str, Any]:  # Any: a JSON object
        """Return it as `swcli project info -o json` does."""
        described = default_instance().projects.describe(project.info(self.project_uri))
        return {name: described[name] for name in ("name", "location", "created_at")}

    def remove(self, force: bool = False) -> None:
        """Hide it with everything in it."""
        del force
        project.remove(self.project_uri)

    def recover(self) -> None:
        """Bring it back."""
        project.recover(self.project_uri)

    @classmethod
    def list(cls, instance_uri: str = "", page: int = 1, size: int = 20) -> list[dict[str, Any]]:  # Any: JSON objects
        """Return a page of projects as `swcli project list -o json` does."""
        del instance_uri  # there is one
        return [default_instance().projects.describe(each) for each in project.list(page, size)]


__all__ = ["ProjectTermView"]
