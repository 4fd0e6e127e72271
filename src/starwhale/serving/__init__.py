"""ONLINE EVALUATION: handlers behind HTTP and a page.

Nothing is built here yet: `swcli model serve` and the names of `starwhale.api.service` answer that they are not built.

Who may enter: instances and everything above. What it may import: `handlers` and floors below; `execution` and `transfer` are
strangers.
"""
