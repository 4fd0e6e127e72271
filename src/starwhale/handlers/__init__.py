"""THE CONTRACT WITH USER CODE: decorators, arguments, the context of a task, and how functions are found and called.

Doors: `decorators` (`predict`, `evaluate`, `handler`), `pipeline` (`PipelineHandler`), `argument`, `metrics` (with `metrics_mark`), `multi_classification`,
`service`, `context` (`Context`). `form` is what a function takes, as a JSON schema, `row_columns` what it reads of a row. `discover` imports the user's modules, found by `find_modules`, into the `registry`; `call` calls a function once, and
`calls/` row by row: these are the only places that call what the user wrote. `dataset_rows` are what a dataset's handler yields, `result_rows` what
evaluate receives, `log_buffer` what was logged and not committed yet, `failures` what users see of their own errors.

Who may enter: execution, serving, transfer and everything above. What it may import: floors below. It works with the standard
library alone, so that no user's environment can conflict with ours.
"""
