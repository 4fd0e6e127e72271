"""THE COMPOSITION ROOT: opens the stores and offers the verbs. The only place that chooses which implementation is used.

Doors: `open_instance(settings)` gives an `Instance`; its nouns (`projects`, `datasets`, `models`, `runtimes`, `jobs`) carry the verbs that
the command line and the SDK call, and `garbage` (`collect`) deletes for good what they removed. Behind them: `root` (may this directory
be used?), `configuration` (the user's YAML file).

Who may enter: cli, server, api, compat, testing. What it may import: everything below.
Start reading at `instance.py`.
"""

from __future__ import annotations

from starwhale.instances.instance import Instance, open_instance

__all__ = ["Instance", "open_instance"]
