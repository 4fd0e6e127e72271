"""CONFORMANCE SUITES for people who write an executor, a store or a media type.

Nothing is published here yet: the suites live in `tests/` until a second implementation outside this repository needs them.

Who may enter: tests, here and elsewhere. What it may import: `instances` and floors below.
"""
