"""The program `python -m starwhale.server.online OPTIONS`: serves models until it is stopped. `swcli model serve` starts it.

OPTIONS is the JSON of `OnlineOptions`. It says one line of JSON on stdout, for whoever started it: `{"address": …, "models": …}`, or `{"error": …}`.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence

from starwhale.errors import MissingDependencyError, StarwhaleError
from starwhale.settings import read_settings
from starwhale.storage.carriers.frames import error_to_json


def main(words: Sequence[str] | None = None) -> int:
    """Serve, and return the exit code."""
    given = list(sys.argv[1:] if words is None else words)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        _check_packages()
        from starwhale.instances.online import OnlineOptions
        from starwhale.server.online.program import serve_online

        serve_online(read_settings(), OnlineOptions.from_json(given[0]), _say)
    except StarwhaleError as error:
        _say({"error": error_to_json(error)})
        return error.exit_code
    except KeyboardInterrupt:  # what had begun has been finished already
        return 0
    return 0


def _check_packages() -> None:
    for name in ("fastapi", "uvicorn"):
        try:
            __import__(name)
        except ImportError as error:
            raise MissingDependencyError(name, extra="serve", purpose="swcli model serve") from error


def _say(said: dict[str, object]) -> None:
    print(json.dumps(said), flush=True)  # noqa: T201 - its purpose


if __name__ == "__main__":
    sys.exit(main())
