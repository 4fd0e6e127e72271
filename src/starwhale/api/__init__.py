"""The public Python SDK: thin, one verb per line over `instance.<noun>`; rules live below.

Doors: `dataset`, `evaluation`, `job`, `model`, `experiment` (finetune), `track`, `service`, `resource`, `instance` (the default instance,
login, logout), `logger`. Users reach them through `import starwhale`.

Who may enter: users. What it may import: every room below. `evaluation` and `dataset` also work inside a task, where they speak to the
task's own stores instead of opening an instance.
"""
