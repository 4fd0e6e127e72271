"""The description of the API as a file: `python -m starwhale.server.openapi FILE` writes `openapi.json`, which the console's types are made of."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from starwhale.server.app import make_app


def describe_api() -> str:
    """Return the description of the API as indented JSON; the same for the same program."""
    return json.dumps(make_app(None).openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(describe_api(), encoding="utf-8")
