"""CARRIERS OF THE TASK-SIDE CONTRACT: how `storage.protocols.TaskStores` reaches a worker that is another process.

Doors: `pipe` (the contract over a socket between a worker and its parent on one machine), `frames` (messages: a JSON header and byte strings;
nothing is unpickled). Over HTTP comes with the server. To add one: a file here, and a subclass of `testing.task_stores.TaskStoresContract`.

Who may enter: execution, and `testing`. What it may import: `storage.protocols` and floors below, with the standard library alone.
"""
