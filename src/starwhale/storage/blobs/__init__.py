"""CONTENT-ADDRESSED BYTES: model files, runtime locks and large media, verified when they are read.

Doors: the classes that meet `storage.protocols.BlobStore`: in memory and in a local directory. Object stores come with the
server.

Who may enter: `storage.stores`, which picks one. What it may import: `storage.protocols`, `storage.layout`, and floors below.
"""
