"""TASKS ON RAY: a process beside the driver that talks to the cluster, and what runs at the other end.

Doors: `bridge_client` (the driver's end: what an executor tells, and hears) and `placement` (what a task asks for in Ray's words, and what nodes come to; pure). The process is
`bridge`, which `joining` brings into a cluster, or starts one for it; `losses` reads why an actor ended. On a node: `task_actor`, which holds the worker of one attempt. `shipping` packs what
nodes do not have: this program, and the user's work directory.

Who may enter: executors. What it may import: `execution.network` beside it, `models` and floors below; the package ray in `bridge`, `joining`, `losses` and `task_actor` alone, inside functions.
"""
