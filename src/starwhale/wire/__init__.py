"""HTTP BODIES THAT ARE NOT DOMAIN TYPES: `Page` (one page of a list and the key of the next) and `Problem` (an error as JSON).

Nothing is built here yet: the room is kept so that its floor is. The HTTP API arrives with the server.

Who may enter: storage and everything above it. What it may import: `domain`, `media`, `errors`, the standard library.
"""
