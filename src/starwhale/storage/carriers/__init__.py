"""CARRIERS OF THE TASK-SIDE CONTRACT: how `storage.task_contract.TaskStores` reaches a worker that is another process.

Doors: `pipe` (the contract over a socket between a worker and its parent on one machine), `frames` (messages: a JSON header and byte strings;
nothing is unpickled), `lifetime` (how processes end). Over HTTP comes with the server. To add one: a file here that
meets `TaskStores` at the worker and asks a `ServedTaskStores` at the other end, and a subclass of `testing.task_stores.TaskStoresContract`.

Who may enter: execution, and `testing`. What it may import: `storage.task_contract`, `storage.part`, `storage.protocols` and floors below, with the standard library alone.
"""
