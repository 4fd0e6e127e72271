"""COPIES OF A VERSION BETWEEN INSTANCES: as one archive file, or from stores to stores (`between`), resumable, sending only what the other side lacks.

`archive` is the format, with `archive_index` (what it says that it holds), `archive_reader` (its entries, none believed) and `target` (the file that is written);
`version_archive` writes a version of any kind and brings it back: `dataset_archive` says what of a dataset goes into it,
`listed_archive` what of a model or runtime. `job_archive` does the same for a job and what it ran on; its rows are `job_rows`, read by
`typed_json`. `places` says where things go here.

Who may enter: instances and everything above. What it may import: `handlers` and floors below; `execution` and `serving` are
strangers.
"""
