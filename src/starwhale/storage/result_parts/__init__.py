"""RESULT PARTS: what each committed range of a job found, and the tables that all parts make together.

Doors: `results` (the local store: parts in, pages out; `memory` is one that is kept nowhere). A part becomes bytes in `part_codec`, lies in `segments` by `part_files` (one of several
ranges by `part_pieces`), and small ones are merged by `compact`. Read: `stored_parts` verifies, `results_read` pages, `result_rows` (the table `results` with its inputs), `result_table` (a logged table, its ids in `table_ids`),
`result_columns` (columns of millions of rows).

Who may enter: results, execution, instances and the floors above; `storage.stores` and `storage.task_side`. What it may import: `storage.columns`,
`storage.part`, `storage.protocols`, `storage.layout`, and floors below; `dataset_rows` is a stranger.
"""
