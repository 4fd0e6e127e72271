"""ONLINE EVALUATION OVER HTTP: `python -m starwhale.server.online` serves the functions of models; `swcli model serve` starts it.

`app.py` makes the application of models that are ready: the `routes` (with `state` and `answers`), `rows` of datasets, the description (`openapi`), and the page in `page/` that asks them. `streaming` gives
answers out bit by bit, `program.py` starts models and serves until it is stopped. The guard of Host and Origin, problems and listening are those of
`server`. See docs/decisions/0051-online-evaluation.md.

Who may enter: nobody; it is started as a program. What it may import: `instances` and floors below, and `server`; `cli` and `api` are strangers.
Start reading at `app.py`.
"""
