"""Come into a Ray cluster, or start one of this machine alone; and say what is wrong in words that help. Runs in the bridge."""

# pyright: reportMissingImports=false
from __future__ import annotations

import contextlib
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starwhale.domain.json_shape import Json
from starwhale.errors import ExecutionError, LoginError, StarwhaleError, VersionMismatchError
from starwhale.settings import forget_variables

PROBE_S = 3.0
"""How long a head may take to accept a connection."""
CURRENT = "ray/ray_current_cluster"
"""Where `ray start` notes its cluster, below the folder for temporary files."""
_OBJECTS_BYTES = 80 << 20  # our calls are small, and Ray wants no less
LOOPBACK = "127.0.0.1"
STAYS_HERE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Makes a Ray that is started listen on loopback alone, as it does outside Linux: otherwise it takes 127.0.0.1 for the address by which others reach this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A cluster that this process is part of."""

    host: str
    """Address of this node, as other nodes reach it."""
    is_ours: bool
    """Whether it was started for this job, and ends with it."""
    address: str
    """Of its head; empty for one of ours."""


def join(told: Json) -> Joined:
    """Come into the cluster that is told, or into a new one.

    Args:
        told: `address` (empty for a new one), `modules` (folders to ship), `folder` (of a new cluster, short), `cores`, `accelerators`, `memory_bytes`.

    Raises:
        StarwhaleError: What is wrong, with the address.
    """
    import ray

    # It was read with the import, and would be in the way of user code that goes to other clusters.
    forget_variables(STAYS_HERE)
    address = str(told["address"])
    usual: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "include_dashboard": False}
    if not address:
        ray.init(
            address="local",
            num_cpus=told["cores"],
            num_gpus=told["accelerators"],
            _memory=told["memory_bytes"],
            object_store_memory=_OBJECTS_BYTES,
            _node_ip_address=LOOPBACK,
            _temp_dir=told["folder"],
            **usual,
        )
        return Joined(host=LOOPBACK, is_ours=True, address="")
    own = reach(address)
    check_node(address)
    usual.pop("include_dashboard")
    try:
        ray.init(address=address, _node_ip_address=own, runtime_env={"py_modules": told["modules"]}, **usual)
    except Exception as error:
        raise explain(error, address) from error
    return Joined(host=str(ray.util.get_node_ip_address()), is_ours=False, address=address)


def check_node(address: str) -> None:
    """Refuse a cluster that this machine is no node of; Ray would look for a minute.

    Raises:
        ExecutionError: No node of any cluster runs here.
    """
    try:
        from ray._private.services import find_node_ids
    except ImportError:
        return  # another version of Ray: it will say so itself
    if not find_node_ids():
        raise _no_node(address)


def _no_node(address: str) -> ExecutionError:
    message = f"Ray at {address} was reached, and this machine is no node of it"
    hint = "run swcli on a node: ray job submit -- swcli model run …; or submit to a server that runs on one"
    return ExecutionError(message, hint=hint)


def find_running(
    temporary: Path = Path("/tmp"),  # noqa: S108 - where Ray notes it, whatever TMPDIR says
    *,
    is_own: bool = False,
) -> str:
    """Return the address of a cluster that runs on this machine; empty where none answers.

    Args:
        temporary: The folder for temporary files.
        is_own: Take none that another user has started: whoever runs it gets the user's code, and tokens of the job.
    """
    with contextlib.suppress(OSError, UnicodeDecodeError, StarwhaleError):
        noted = temporary / CURRENT
        address = noted.read_text(encoding="utf-8").strip()
        if address and not (is_own and noted.stat().st_uid != os.getuid()):
            reach(address)
            return address
    return ""


def reach(address: str) -> str | None:
    """Connect to a head once, and return the address of this machine that it sees; None where that is loopback.

    Raises:
        ExecutionError: Nothing accepts a connection there.
    """
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_S) as made:
            own = str(made.getsockname()[0])
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"no Ray answers at {address}: {reason}"
        raise ExecutionError(
            message, hint="give the address of its head with --address HOST:PORT, and look whether it runs: ray status"
        ) from error
    return None if own.startswith("127.") else own


def explain(error: BaseException, address: str) -> StarwhaleError:
    """Return what to tell the user of what Ray raised."""
    text = "\n".join(_causes(error))
    versions = re.findall(r"Ray: (\S+)\s+Python: (\S+)", text)
    if "Version mismatch" in text and len(versions) == 2:
        (ray_there, python_there), (ray_here, python_here) = versions
        message = f"the cluster at {address} is of Ray {ray_there} with Python {python_there}, and this is Ray {ray_here} with Python {python_here}"
        return VersionMismatchError(
            message, hint="run swcli on a node of the cluster, in the environment that started Ray there"
        )
    names = {each.__name__ for each in type(error).__mro__}
    if "AuthenticationError" in names or re.search(
        r"unauthenticated|auth(entication)? token|token authentication|InvalidAuthToken", text, re.IGNORECASE
    ):
        message = f"Ray at {address} wants a token, and the one that is given is missing or wrong"
        return LoginError(
            message, hint="set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to the file that the nodes were started with"
        )
    if "No node info found" in text or "node to connect" in text or "node IP" in text:
        return _no_node(address)
    last = text.strip().splitlines()[-1] if text.strip() else type(error).__name__
    return ExecutionError(f"Ray at {address} cannot be used: {last}", hint="look at ray status there")


def _causes(error: BaseException | None) -> list[str]:
    found: list[str] = []
    while error is not None and len(found) < 10:
        found.insert(0, str(error))
        error = error.__cause__ or error.__context__
    return found
