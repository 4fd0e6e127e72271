"""RUNTIMES: lock the environment that user code needs, and make it again anywhere (docs/decisions/0027).

A version is a list of files: `runtime.yaml`, requirement files, wheels, native files, the lock and `_manifest.yaml`. `runtime_yaml` and
`requirements` read what a user wrote, `installed` with `installed_files` what an environment has, `interpreters` which Pythons there are; `bundle` gathers the
files; `installer` is uv or pip; `lock` is what they pin; `manifest` describes the files and says how an environment is made of them; `environment` makes it
beside its place, finds damage and verifies; `ours` lets it import this program. `diff` compares two versions, `describe` gives the shapes that scripts read.

Who may enter: handlers and everything above it. What it may import: `storage` and floors below; `datasets`, `models` and `results`
are strangers. Keeping the files as blobs is the part of `instances`.
"""
