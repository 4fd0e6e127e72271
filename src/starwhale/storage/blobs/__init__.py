"""CONTENT-ADDRESSED BYTES: model files, runtime locks and large media, verified when they are read.

Doors: the classes that meet `storage.protocols.BlobStore`: in memory (for tests) and in a local directory. One on an object store comes with the
server.

Who may enter: models, transfer, instances, `storage.stores`. What it may import: `storage.protocols`, `storage.layout`, and floors below.
"""
