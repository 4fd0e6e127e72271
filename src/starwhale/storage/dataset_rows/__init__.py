"""DATASET ROWS WITH VERSIONS: fragments of rows, packs of large values, and manifests that name both by digest.

Doors: `dataset_store` (meets `storage.protocols.DatasetStore`), `dataset_reader` (one immutable version), `dataset_writer` (changes, committed).
Writing, within `limits`: `overlay`, `fragment_writer`, `blocks`, `packs` with `pack_index`, `row_order`, `compaction` with `size_classes`, then `manifest`.
Reading: `places` (where files lie) and `object_places`, `fragments` over `fragment_file`, `column_cache`; `sums` verify every byte.
Comparing and copying: `row_digests`, `differing`, `version_files`, `share_files`, `object_copies`, `object_dataset`. Looking after: `verify_files`,
`unused_files`.

Who may enter: datasets, transfer and the floors above; `storage.stores` and `storage.task_side`. What it may import: `storage.columns`,
`storage.objects`, `storage.protocols`, `storage.layout`, and floors below; `result_parts` is a stranger. pyarrow is imported on first use.
"""
