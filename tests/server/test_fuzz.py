"""Whatever fits the description of the API, and whatever does not: the server answers, and never with a mistake of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from starwhale.instances.place.access import Access

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.needs_schemathesis
EXAMPLES = 8


@pytest.mark.filterwarnings("ignore")  # of schemathesis and what it imports
def test_no_request_finds_a_mistake_of_ours(tmp_path: Path) -> None:
    """Every operation with generated words and bodies, fitting and unfitting, on a root of its own that requests may change."""
    import schemathesis
    from hypothesis import strategies as st
    from tests.server.conftest import make_root, serving

    from starwhale.storage.carriers.frames import FRAMES_TYPE

    schemathesis.openapi.media_type(FRAMES_TYPE, st.binary(max_size=200))

    root = make_root(tmp_path)
    with root.open() as instance:
        bundle = instance.datasets.resolve("numbers").bundle_id
    known = {
        "digest": "0" * 64,
        "dataset_id": bundle,
        "folder": "fragments",
        "file": "x",
        "project": "self",
        "name": "numbers",
        "version": "latest",
        "job": root.jobs[0],
        "run": list(root.jobs),
    }
    with serving(root.env, "--login") as (address, _):
        token = Access(tmp_path / "storage" / "access.json").make_token()
        headers = {"authorization": f"Bearer {token}"}
        schema: Any = schemathesis.openapi.from_url(
            f"{address}/api/v1/openapi.json", headers=headers
        )  # Any: it is typed loosely
        operations = [each.ok() for each in schema.get_all_operations()]
        assert len(operations) > 85
        for operation in operations:
            if operation.path.endswith("/events") and "{job}" not in operation.path:
                continue  # a stream without an end
            _ask_often(operation, address, known, headers)


def _ask_often(operation: Any, address: str, known: dict[str, Any], headers: dict[str, str]) -> None:
    """Send generated requests of one operation; every other one asks for what is there."""
    from itertools import count

    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.checks import not_a_server_error

    turn = count()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(operation.as_strategy())
    def ask(case: Any) -> None:
        if next(turn) % 2:
            case.path_parameters = {name: known.get(name, "x") for name in case.path_parameters or {}}
        case.call_and_validate(base_url=address, headers=headers, checks=[not_a_server_error], timeout=30)

    ask()
