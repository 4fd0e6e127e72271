"""A Ray of this machine for tests: `python ray_head.py CORES ACCELERATORS MEMORY FOLDER` says its address, and ends with its standard input."""

# pyright: reportMissingImports=false
import json
import sys

import ray

cores, accelerators, memory, folder = sys.argv[1:]
ray.init(
    address="local",
    num_cpus=int(cores),
    num_gpus=int(accelerators),
    _memory=int(memory),
    object_store_memory=80 << 20,
    include_dashboard=False,
    log_to_driver=False,
    configure_logging=False,
    _node_ip_address="127.0.0.1",
    _temp_dir=folder,
    resources={"tpu": 2},
    labels={"zone": "west"},
)
sys.stdout.write(json.dumps(ray.get_runtime_context().gcs_address) + "\n")
sys.stdout.flush()
sys.stdin.read()
ray.shutdown()
