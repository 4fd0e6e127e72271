"""VALUES AS ARROW COLUMNS: what dataset rows and result rows share.

Doors: `encode` (values to columns, one kind each, and back), `cells` (values that need more than an Arrow type), `arrays` and `arrow_columns`
(Arrow without Python values in between), `arrow_stream` (rows on their way to a worker), `files` (written beside the target, synced, renamed;
read through a verified map).

Who may enter: the other rooms of storage, and rooms above that hand columns on. What it may import: `storage.protocols` and floors below.
"""
