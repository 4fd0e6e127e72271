"""THE CONTRACT WITH USER CODE: decorators, arguments, the context of a task, and how functions are found and called.

Doors: `handler`, `predict`, `evaluate`, `PipelineHandler`, `argument`, `multi_classification`, `Context`; `discover` imports the
user's modules; `call`, `predict_rows` and `predict_async` are the only places that call what the user wrote.

Who may enter: execution, serving, transfer and everything above. What it may import: floors below. It works with the standard
library alone, so that no user's environment can conflict with ours.
"""
