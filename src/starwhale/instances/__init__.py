"""THE COMPOSITION ROOT: opens the stores and offers the verbs. The only place that chooses which implementation is used.

Doors: `open_instance(settings)` gives an `Instance`; its nouns (`dataset`, `job`, …) carry the verbs that the command line and the
SDK call.

Who may enter: cli, server, api, compat, testing. What it may import: everything below.
"""
