"""COPIES OF A VERSION BETWEEN INSTANCES: as one archive file; later over HTTP, resumable, sending only what the other side lacks.

`archive` is the format, for versions of any kind; `dataset_archive` says what of a dataset goes into it, and brings it back.

Who may enter: instances and everything above. What it may import: `handlers` and floors below; `execution` and `serving` are
strangers.
"""
