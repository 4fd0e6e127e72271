"""`starwhale.base.uri.resource` and `.project`."""

from starwhale.api.resource import Project, Resource, ResourceType

__all__ = ["Project", "Resource", "ResourceType"]
