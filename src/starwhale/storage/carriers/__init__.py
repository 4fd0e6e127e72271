"""CARRIERS OF THE TASK-SIDE CONTRACT: how `storage.task_contract.TaskStores` reaches a worker that is another process.

Doors: `pipe` (the contract over a socket between a worker and its parent on one machine), `http` (over HTTP to a server, whatever gets lost on the way),
`frames` (messages: a JSON header and byte strings; nothing is unpickled), `lifetime` (how processes end). What carriers share: `carried` at the worker meets
`TaskStores` with a client that brings messages, `answer` at the other end asks a `ServedTaskStores`. To add one: a file here with a client, and a subclass of
`testing.task_stores.TaskStoresContract`.

Who may enter: execution, and `testing`. What it may import: `storage.task_contract`, `storage.part`, `storage.protocols` and floors below, with the standard library alone.
"""
