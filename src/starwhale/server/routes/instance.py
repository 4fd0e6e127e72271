"""The instance, its projects, and what changes in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse

from starwhale.server.paging import page_of
from starwhale.server.state import ITEMS, After, Here, Limit
from starwhale.wire import Page
from starwhale.wire.instance import InstanceView, NewProject, ProjectView

if TYPE_CHECKING:
    from starwhale.instances.projects import ProjectVerbs
    from starwhale.storage.catalog.records import ProjectRecord

router = APIRouter(tags=["instance"])


@router.get("/instance")
def show_instance(here: Here) -> InstanceView:
    """Say which instance answers."""
    found = here.instance.describe()
    return InstanceView(
        name=found["name"],
        type=found["type"],
        root=found["uri"],
        version=found["version"],
        current_project=here.instance.projects.current,
        has_driver=True,
    )


@router.get("/projects")
def list_projects(here: Here, *, removed: bool = False, after: After = "", limit: Limit = ITEMS) -> Page[ProjectView]:
    """List projects, the oldest first."""
    verbs = here.instance.projects
    return page_of(
        verbs.list(removed=removed),
        lambda each: (each.created_at, each.id),
        after,
        limit,
        lambda each: _show(verbs, each),
    )


@router.post("/projects", status_code=201)
def create_project(here: Here, body: NewProject) -> ProjectView:
    """Make a project; 409 where there is one of that name."""
    verbs = here.instance.projects
    return _show(verbs, verbs.create(body.name))


@router.get("/projects/{project}")
def show_project(here: Here, project: str) -> ProjectView:
    """Show a project."""
    verbs = here.instance.projects
    return _show(verbs, verbs.get(project))


@router.post("/projects/{project}/remove")
def remove_project(here: Here, project: str) -> ProjectView:
    """Hide a project with everything in it until it is recovered; one that is hidden already is left as it is."""
    verbs = here.instance.projects
    gone = next((each for each in verbs.list(removed=True) if each.name.casefold() == project.casefold()), None)
    return _show(verbs, gone or verbs.remove(project))


@router.post("/projects/{project}/recover")
def recover_project(here: Here, project: str) -> ProjectView:
    """Bring a removed project back; one that is there already is left as it is."""
    verbs = here.instance.projects
    is_gone = any(each.name.casefold() == project.casefold() for each in verbs.list(removed=True))
    return _show(verbs, verbs.recover(project) if is_gone else verbs.get(project))


@router.get("/events", responses={200: {"content": {"text/event-stream": {}}}}, response_class=StreamingResponse)
async def follow_changes(
    request: Request, here: Here, last_event_id: Annotated[str, Header(max_length=80)] = ""
) -> StreamingResponse:
    """Tell what changes, as server-sent events that carry ids only: `event: change`, `data: {"kind": …, "id": …}` (`Change`).

    The first event is `event: hello` when the stream begins; after a break it is followed by a change of kind `all`, for what may have been missed.
    """
    return here.changes.stream(request, is_again=bool(last_event_id))


def _show(verbs: ProjectVerbs, project: ProjectRecord) -> ProjectView:
    return ProjectView(
        name=project.name,
        created_at=project.created_at,
        is_current=not project.is_removed and project.name.casefold() == verbs.current.casefold(),
        is_removed=project.is_removed,
    )
