"""TASKS WHOSE WORKERS ARE ELSEWHERE: they reach their instance over HTTP, and nothing else.

Doors: `launch` (the driver's side: the right and the words that a worker starts with, how it ended, whether it is still heard of), `desk` (the server's side:
what a token may ask, and who answers). At the worker: `remote_worker` (runs the one task that it was started for), `renewer` (a process
beside it that keeps its leases), `model_files` (the files of a packaged model, fetched and kept), `spec` (what it is told).

Who may enter: executors, the server, and `execution.worker`. What it may import: `storage` and below at the worker's side with the standard library alone; `models` at the
server's side.
"""
