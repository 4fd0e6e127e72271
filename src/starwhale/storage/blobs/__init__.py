"""CONTENT-ADDRESSED BYTES: model files, runtime locks and large media, verified when they are read.

Doors: the classes that meet `storage.protocols.BlobStore`: `memory` (for tests) and `local` (a directory). One on an object store comes with the
server. Behind them: `batch` (many at once, made durable together), `content` (copy and digest in one go), `digests` (what one looks like).

Who may enter: models, transfer, instances, `storage.stores`. What it may import: `storage.protocols`, `storage.layout`, and floors below.
"""
