"""ROWS FOR OTHER LIBRARIES: Arrow, Parquet, CSV, pandas, Polars, DuckDB, PyTorch, TensorFlow, Hugging Face.

Doors: one module per target, each with a function that takes an open version (`DatasetReader`) or a reference to one: `arrow` with `lazy_arrow`, `files` (Parquet, CSV),
`pandas_frame`, `polars_frame`, `duckdb_query`, `pytorch` (the door to `torch_data`), `tensorflow_data`, `huggingface_data`.
`arrow.py` is the core: typed columns straight from storage, in batches of bounded size; `layout.py` says what each kind becomes,
and docs/decisions/0015-what-kinds-become-elsewhere.md why; `columns`, `json_text` and `samples` make cells and samples of it, `restore` undoes it.
What reads rows in other processes holds a `VersionRef`, never open files.

Who may enter: `api` and the modules of `datasets`. What it may import: `storage`, `media`, `errors`; the libraries themselves inside
functions only.
"""
