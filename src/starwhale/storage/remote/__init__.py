"""THE STORAGE CONTRACTS OVER HTTP, so that a remote instance is used like a local one.

Nothing is built here yet: it arrives with the server. A remote URI answers with `NotBuiltYetError`.

Who may enter: `storage.stores`, which picks it. What it may import: `storage.protocols`, `storage.layout`, and floors below.
"""
