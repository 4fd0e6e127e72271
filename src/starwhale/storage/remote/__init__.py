"""THE SAME STORES ON A SERVER: the contracts of storage over HTTP.

Door: `storage.stores`, which opens them where a reference has an address. Behind it: `connection` (requests that are tried again, and
errors that come back as what they were), `remote_catalog` (a call per method of `catalog.contract`), `remote_blobs`, `remote_datasets` with `staged_places` (rows are read
by ranges, with the very reader that reads local files), `remote_results` and `remote_logs` (parts of results, and logs, likewise), `upload` and `download` (long contents in pieces, which go on where they stopped), `logins` (the tokens
that the user has).

Who may enter: `instances`, `transfer`, and every room above through the opened stores. What it may import: the other implementations and floors below.
"""
