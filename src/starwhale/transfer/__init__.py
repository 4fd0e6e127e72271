"""COPIES OF A VERSION BETWEEN INSTANCES: as one archive file, or from stores to stores (`between`), resumable, sending only what the other side lacks.

`archive` is the format; `version_archive` writes a version of any kind and brings it back: `dataset_archive` says what of a dataset goes into it,
`listed_archive` what of a model or runtime. `job_archive` does the same for a job and what it ran on.

Who may enter: instances and everything above. What it may import: `handlers` and floors below; `execution` and `serving` are
strangers.
"""
