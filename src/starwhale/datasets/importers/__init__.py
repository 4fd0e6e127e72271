"""OTHER PEOPLE'S FILES AS ROWS: CSV, JSON, JSON Lines, folders of media, Python handlers.

Doors: one module per source; each takes a place and yields `(key, features)`, and says file, line and column of what it cannot
read in a `DatasetSourceError`. All of them stream, except that a JSON file which is not JSON Lines is read whole.

Who may enter: the modules of `datasets`. What it may import: `media`, `domain`, `errors`; no store.
"""

from starwhale.datasets.importers.csv_files import CsvOptions, read_csv
from starwhale.datasets.importers.folder import FolderKind, read_folder
from starwhale.datasets.importers.handler import read_handler
from starwhale.datasets.importers.json_files import read_json, read_json_text
from starwhale.datasets.importers.place import Row

__all__ = ["CsvOptions", "FolderKind", "Row", "read_csv", "read_folder", "read_handler", "read_json", "read_json_text"]
