"""What every route gets: the opened instance, and what the program keeps beside it while it serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Query, Request

if TYPE_CHECKING:
    from starwhale.instances import Instance
    from starwhale.instances.jobs.job_table import JobTable
    from starwhale.instances.served_stores import ServedStores
    from starwhale.results.row_index import RowIndexes
    from starwhale.server.comparisons import Comparisons
    from starwhale.server.live import Changes

MOST_ITEMS = 1000
"""Items of a page, at most."""
ITEMS = 100
"""Items of a page when nobody says how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An instance that is served. Whoever made it closes the instance."""

    instance: Instance
    """The instance; its verbs are those of the command line."""
    stores: ServedStores
    """Its stores, for other instances."""
    jobs: JobTable
    """All jobs with their summaries, kept up to date."""
    rows: RowIndexes
    """Orders of rows that were asked for."""
    comparisons: Comparisons
    """Comparisons that were asked for."""
    changes: Changes
    """Who wants to know of changes."""


def served(request: Request) -> Served:
    """Return what is served by the program that a request has come to."""
    found: Served = request.app.state.served
    return found


Here = Annotated[Served, Depends(served)]
"""Parameter of a route: what is served."""
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description="Items of the page, at most.")]
"""Parameter of a list: how many."""
After = Annotated[str, Query(max_length=2000, description="`next` of the page before; empty for the first page.")]
"""Parameter of a list: where it goes on."""
