"""THE HTTP API AND THE CONSOLE: one file of routes per noun, each calling the same verb as the command line.

`python -m starwhale.server` (`__main__.py`) serves one instance on loopback: `app.py` puts the `routes/` together, `guard.py` refuses what other
web pages send, `door.py` who has no token (with `login_page.py`; for `swcli server`; `task_keeper.py` knows tokens of tasks), `problems.py` says errors, `live.py` tells what changes, `supervisor.py` begins what was submitted (`driver.py`: each job in a process of its own), `task_door.py` serves the tasks of one job alone, beside its driver, `console.py` gives the files of the built console in `static/`, `process_memory.py` keeps the process small.
Bodies are the dataclasses of `wire`; `cells.py` makes JSON of values, `media_answers.py` gives their content. No rules live here.

Who may enter: nobody; it is started as a program. What it may import: `instances` and floors below; `cli` and `api` are strangers.
Start reading at `app.py`.
"""
