"""COPIES OF A VERSION BETWEEN INSTANCES, resumable, sending only what the other side lacks.

Nothing is built here yet: `swcli dataset copy` and its siblings answer that they are not built.

Who may enter: instances and everything above. What it may import: `handlers` and floors below; `execution` and `serving` are
strangers.
"""
