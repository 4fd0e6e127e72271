#!/bin/sh
# Writes the pinned files anew from pyproject.toml; needs uv. They name no host: packages come from wherever pip is told to look.
set -eu
cd "$(dirname "$0")/.."
options="--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --quiet"
export UV_CUSTOM_COMPILE_COMMAND="requirements/compile.sh"
uv pip compile $options pyproject.toml --extra demo --extra media --group build -o requirements/demo.txt "$@"
uv pip compile $options pyproject.toml --extra demo --extra media --group build --group dev -c requirements/demo.txt \
  -o requirements/dev.txt "$@"
uv pip compile $options pyproject.toml --extra demo --extra media --group build --group dev --group everything \
  -c requirements/dev.txt -o requirements/everything.txt "$@"
