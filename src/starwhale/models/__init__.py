"""MODELS: package code and weights as one version, unpack a version.

A version is a list of files (`listing`), each a blob under its digest; the list is a blob too, and its digest is the version's content
digest. `walk` finds what belongs to a model, `ignore` with `gitignore` says what is left out, `seen` what need not be read again, `package` writes blobs, `unpack`
verifies and writes files, `extract` beside what a user has, `copy` to another name; `inside` keeps entries within their folder, `space` asks the disk
first. `diff` with `text_diff` compares two versions, `describe` gives the shapes that scripts read, `model_yaml` reads what the user wrote. Whoever
sweeps blobs asks `digests_of` for those of a version.

Who may enter: handlers and everything above it. What it may import: `storage` and floors below; `datasets`, `runtimes` and `results`
are strangers. Handlers that were discovered are handed in by `instances`.
"""
