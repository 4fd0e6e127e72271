"""WHAT A CELL CAN HOLD: images, audio, video, text, boxes, lines, links, each to and from bytes.

Doors: one file per type, every public name re-exported here.

Who may enter: storage and everything above it. What it may import: `errors` and the standard library; NumPy and Pillow are
imported by the methods that need them, and a missing one is named with the command that installs it.
Start reading at the type you know.
"""
