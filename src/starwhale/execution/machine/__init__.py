"""WHAT THIS MACHINE HAS, and how busy it is; what fits on it is decided in `domain.machine`.

Doors: `capacity` (processors, memory, accelerators within the limits of the container), `hardware` (for the record of a job), `accelerator_use`.

Who may enter: execution, instances. What it may import: `domain` and floors below.
"""
