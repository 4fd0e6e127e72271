"""`Resource` and `Project`: what a URI names, looked up in the default instance."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from enum import StrEnum
from typing import Any

from starwhale.api.instance import default_instance
from starwhale.domain.uri import as_instance, parse_project_uri, parse_uri
from starwhale.errors import NotFoundError


class ResourceType(StrEnum):
    """What a resource can be."""

    dataset = "dataset"
    model = "model"
    runtime = "runtime"
    job = "job"
    evaluation = "evaluation"


class Project:
    """A project of this machine's instance or of a server; the current one where none is named."""

    def __init__(self, name: str = "", uri: str | None = None, instance: object = None) -> None:
        text = uri or name
        place = default_instance().at(as_instance(str(getattr(instance, "alias", instance) or "")) or text)
        parsed = parse_project_uri(text or place.project, instances=place.names)
        self.name = parsed.project
        """Name of the project."""
        self.id = parsed.project
        """The same: projects have no other id."""
        self.instance = place.name
        """Alias of the instance."""
        self.full_uri = f"{place.name}/project/{parsed.project}"
        """The URI with nothing left out."""

    def __repr__(self) -> str:
        return f"Project({self.full_uri!r})"


class Resource:
    """A dataset, model, runtime or job, by URI; the version is looked up when it is made.

    Args:
        uri: What the user would type.
        typ: What it has to name; None asks for it in the URI.
        project: Project of a URI that names none; None for the current one.
        token: Accepted for old scripts; `starwhale.login` keeps it.
        refine: Whether to look the version up; a version that is not there is left as it was typed.

    Raises:
        InvalidUriError: The text is not a URI, or names another type.
    """

    def __init__(
        self,
        uri: str,
        typ: ResourceType | str | None = None,
        project: Project | str | None = None,
        token: str | None = None,
        refine: bool = True,
    ) -> None:
        del token
        place = default_instance().at(project.full_uri if isinstance(project, Project) and "://" not in uri else uri)
        name = project.name if isinstance(project, Project) else project or place.project
        kind = str(typ) if typ else None
        parsed = replace(parse_uri(uri, kind=kind, default_project=name, instances=place.names), instance=place.name)
        if refine and parsed.kind in ("dataset", "model", "runtime"):
            with contextlib.suppress(NotFoundError):  # a name that is yet to be made: `create` takes such a URI
                parsed = place.catalog.versions.resolve(parsed.kind, parsed).uri
        self._uri = parsed
        self.project = Project(uri=f"{place.name}/project/{parsed.project}")
        """Project that the resource is in."""
        self.typ = ResourceType(parsed.kind)
        """What it is."""

    @property
    def name(self) -> str:
        """Name, or the id of a job."""
        return self._uri.name

    @property
    def version(self) -> str:
        """Whole version id; empty when there is none yet."""
        return self._uri.version

    @property
    def instance(self) -> str:
        """Alias of the instance."""
        return self._uri.instance

    @property
    def full_uri(self) -> str:
        """The URI with nothing left out."""
        return self._uri.full

    def asdict(self) -> dict[str, str]:
        """Return the parts of the URI."""
        return {"project": self.project.full_uri, "name": self.name, "version": self.version, "type": str(self.typ)}

    def info(self) -> dict[str, Any]:
        """Return the manifest of the version.

        Raises:
            NotFoundError: There is none.
        """
        return dict(default_instance().at(self._uri).catalog.versions.resolve(self._uri.kind, self._uri).manifest)

    def __str__(self) -> str:
        return self.full_uri

    def __repr__(self) -> str:
        return f"Resource({self.full_uri!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Resource) and self.full_uri == other.full_uri

    def __hash__(self) -> int:
        return hash(self.full_uri)
