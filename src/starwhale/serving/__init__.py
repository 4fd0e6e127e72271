"""ONLINE EVALUATION: the functions of a model, called for whoever asks, in a process of the model's own.

In the model's process (`model_process`, standard library alone): `callables` loads what the model offers, `values` makes Python values of JSON and JSON of
what comes back, `gradio_page` lets gradio serve its own page. On the other side, in an event loop: `served_model` is one model with its `model_host`, which starts the process and replaces it when it
ends, and its `lanes`, in which requests wait, are gathered into batches and bounded. `endpoint` is what both sides know of a function, `check` whether a
body fits its form. HTTP and the page are `server.online`; user code is called by `handlers.calls.online` alone.

Who may enter: instances and everything above. What it may import: `handlers` and floors below; `execution` and `transfer` are strangers.
Start reading at `model_process.py`, then `lanes.py`.
"""
