"""Models that are served by a process beside this one: what `starwhale.model.serve` gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from starwhale.instances.online import OnlineOptions


class Serving:
    """Models that answer requests; `stop` ends it, as does the end of a `with` block."""

    def __init__(self, options: OnlineOptions) -> None:
        """Start it, and wait until it answers.

        Raises:
            StarwhaleError: It does not start; the error says why.
        """
        from starwhale.instances.server_process import ServerProcess

        self._process = ServerProcess("starwhale.server.online", [options.to_json()])
        said = self._process.started()
        self.address: str = said["address"]
        """Where its page is, and below `/api/` its functions."""
        self.models: list[dict[str, Any]] = said["models"]  # Any: JSON
        """Id, URI and names of the functions of each model."""

    def wait(self) -> int:
        """Wait until it ends: by Ctrl-C or a signal; return its exit code."""
        return self._process.wait()

    def stop(self) -> None:
        """End it; what it had begun is finished first."""
        self._process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"Serving({self.address}, models={[each['id'] for each in self.models]})"
