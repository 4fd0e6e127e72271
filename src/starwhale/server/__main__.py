"""The program `python -m starwhale.server`: serves the local instance until Ctrl-C. `swcli ui` and `swcli server start` start it.

Its last words go to stderr; with `--say-json` they are one JSON object, for whoever started it: `{"address": …}`, or `{"error": {…}}`.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence

from starwhale.errors import MissingDependencyError, StarwhaleError
from starwhale.server.process_memory import keep_small
from starwhale.settings import read_settings


def main(words: Sequence[str] | None = None) -> int:
    """Serve, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m starwhale.server", description="Serve the local instance.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=None, help="port; the first free one from 8848 on by default")
    parser.add_argument("--login", action="store_true", help="ask everybody for the token of this root")
    parser.add_argument("--name", action="append", default=[], help="another name that browsers reach it under")
    parser.add_argument("--say-json", action="store_true", help="say address and errors as JSON on stdout")
    given = parser.parse_args(words)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        _check_packages()
        keep_small()
        from starwhale.server.serve import ServeOptions, serve

        serve(
            read_settings(),
            ServeOptions(host=given.host, port=given.port, has_login=given.login, names=tuple(given.name)),
            lambda address: _say(given.say_json, address),
        )
    except StarwhaleError as error:
        return _fail(given.say_json, error)
    except KeyboardInterrupt:  # the server has ended cleanly already
        return 0
    return 0


def _check_packages() -> None:
    for name in ("fastapi", "uvicorn"):
        try:
            __import__(name)
        except ImportError as error:
            raise MissingDependencyError(name, purpose="serving") from error


def _say(is_json: bool, address: str) -> None:
    print(json.dumps({"address": address}) if is_json else f"the console is at {address}", flush=True)  # noqa: T201 - its purpose


def _fail(is_json: bool, error: StarwhaleError) -> int:
    if is_json:
        said = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
        print(json.dumps(said), flush=True)  # noqa: T201 - its purpose
    else:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201 - its purpose
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
