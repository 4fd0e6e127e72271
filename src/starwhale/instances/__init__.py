"""THE COMPOSITION ROOT: opens the stores and offers the verbs. The only place that chooses which implementation is used.

Doors: `open_instance(settings)` gives an `Instance` (`instance`); its nouns carry the verbs that the command line and the SDK call: `projects`, `datasets`,
`models`, `runtimes` (`versions` is what the three share, `listed_versions` what models and runtimes do), and `jobs/`. `garbage/` deletes for good what they removed, `place/` is where an instance
lies: root, configuration, logins.

Behind the nouns: `dataset_handler` and `dataset_stores` (datasets), `environments` and `runtime_choice` (runtimes), `destination` (copies), `archive_place`
(imports), `copy_across` (between instances), `own_tokens` (what may not leave), `hold_blobs`. `served_stores` with `served_datasets`, `served_results`, `served_jobs` (archives of jobs) and `uploads` is what a server gives to other instances. `change_feed` notices what other processes changed; `console` says where the console is, `server` where the server, and who may
ask it, `online` what models are served (`online_record` keeps what they are asked, `online_dataset` makes a version of that); `server_process` runs them, `running` finds them.

Who may enter: cli, server, api, compat, testing. What it may import: everything below.
Start reading at `instance.py`.
"""

from __future__ import annotations

from starwhale.instances.instance import Instance, open_instance

__all__ = ["Instance", "open_instance"]
