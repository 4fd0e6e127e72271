"""OTHER PEOPLE'S DATA AS ROWS: one file per kind of source, found by name in the table of `registry.py`.

Doors: `open_source(kind, places, options)` reads any source; `read_csv`, `read_folder` and the like read one kind: `csv_files`, `json_files` (with `json_stream`), `parquet_files`,
`arrow_files`, `lance_data`, `folder` (images, sounds, videos), `coco`, `webdataset`, `huggingface` (with `hf_features`). They yield rows `(key, features)`, or `RowBlock`s
of many rows where the source has columns (`blocks`, `arrow_blocks`, `arrow_values`), and say file, line, column or row of what they cannot read in a
`DatasetSourceError`. `place` says where rows are read from, `media_values` makes media of bytes and file names. All of them stream in bounded
memory, and nothing that they read is executed.

To add a kind: its file, with an `Importer` that names its options and the endings of its files, and a line in `registry.BUILTIN`: `swcli dataset build --from KIND` and
`Dataset.from_source` have it then. An option of its own on the command line is a line in `cli/dataset_build.py` and in `PLACES` beside it. An installed
package adds a kind with an entry point of the group `starwhale.importer`. Suite: `testing.importers`.

Start reading with `registry.py`. Who may enter: the modules of `datasets` and those above. What it may import: `media`, `domain`,
`errors`, `plugins`, and what storage says of Arrow types; no store.
"""

from starwhale.datasets.importers.arrow_files import ArrowOptions, read_arrow
from starwhale.datasets.importers.blocks import Chunk, RowBlock
from starwhale.datasets.importers.coco import CocoOptions, read_coco
from starwhale.datasets.importers.csv_files import CsvOptions, read_csv
from starwhale.datasets.importers.folder import FolderKind, read_folder
from starwhale.datasets.importers.huggingface import HuggingFaceOptions, read_huggingface
from starwhale.datasets.importers.json_files import read_json, read_json_text
from starwhale.datasets.importers.lance_data import LanceOptions, read_lance
from starwhale.datasets.importers.parquet_files import ParquetOptions, read_parquet
from starwhale.datasets.importers.place import Row
from starwhale.datasets.importers.registry import BUILTIN, Importer, open_source
from starwhale.datasets.importers.webdataset import WebDatasetOptions, read_webdataset

__all__ = [
    "BUILTIN",
    "ArrowOptions",
    "Chunk",
    "CocoOptions",
    "CsvOptions",
    "FolderKind",
    "HuggingFaceOptions",
    "Importer",
    "LanceOptions",
    "ParquetOptions",
    "Row",
    "RowBlock",
    "WebDatasetOptions",
    "open_source",
    "read_arrow",
    "read_coco",
    "read_csv",
    "read_folder",
    "read_huggingface",
    "read_json",
    "read_json_text",
    "read_lance",
    "read_parquet",
    "read_webdataset",
]
