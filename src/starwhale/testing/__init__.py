"""CONFORMANCE SUITES for people who write an executor, an importer, a carrier or a store.

Doors: `executors.ExecutorContract` for executors, `importers.ImporterSuite` for importers of datasets, `task_stores.TaskStoresContract` for carriers of
`storage.task_contract`, `blob_stores.BlobStoreContract`, `dataset_stores.DatasetStoreContract` and `result_stores.ResultStoreContract` for stores. A suite is a class whose tests are the rules
of a contract; a subclass says what is tried. `gate_plugin` is no suite but the plug-in of pytest that makes a gate a test.

Who may enter: tests, here and elsewhere. What it may import: `instances` and floors below.
"""
