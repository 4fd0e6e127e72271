"""`starwhale.core.model.view`: the models of the terminal commands of 0.6, over the verbs of today."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starwhale.api import model


class ModelTermView:
    """One model, by its URI; every method raises the error that the command would show."""

    def __init__(self, model_uri: Any) -> None:  # Any: a URI as text, or what has one as its text
        self.model_uri = str(model_uri)
        """URI of a version, or a name."""

    @classmethod
    def copy(
        cls,
        src_uri: str,
        dest_uri: str,
        force: bool = False,
        dest_local_project_uri: str | None = None,
        ignore_tags: Sequence[str] | None = None,
    ) -> str:
        """Copy a version to another name or project, and return the URI of the copy."""
        return model.copy(src_uri, dest_uri, force, dest_local_project_uri or "", ignore_tags)

    @classmethod
    def list(cls, project_uri: str = "") -> Sequence[dict[str, Any]]:  # Any: JSON objects
        """Return the newest version of each model as `swcli model list -o json` does."""
        return model.list(project_uri)

    def info(self) -> dict[str, Any]:  # Any: a JSON object
        """Return the version as `swcli model info -o json` does."""
        return model.info(self.model_uri)

    def diff(self, compare_uri: Any, show_details: bool = False) -> dict[str, Any]:  # Any: a URI; a JSON object
        """Compare with another version as `swcli model diff -o json` does."""
        return model.diff(self.model_uri, str(compare_uri), show_details).to_json()

    def remove(self, force: bool = False) -> str:
        """Hide the version, and return its URI."""
        del force
        return model.remove(self.model_uri)

    def recover(self, force: bool = False) -> str:
        """Bring the version back, and return its URI."""
        del force
        return model.recover(self.model_uri)


__all__ = ["ModelTermView"]
