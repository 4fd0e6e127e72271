#!/bin/sh
# Leaves .venv with `python` and `swcli`, holding exactly what requirements/<set>.txt pins. Usage: install.sh demo|dev|everything
#
# PYTHON names the interpreter to use; without it the newest of 3.13, 3.12 and 3.11 that runs and has `venv` is taken.
set -eu
cd "$(dirname "$0")/.."
wanted="$1"
here="$(pwd -P)"
venv="$here/.venv"
log="$here/.cache/setup.log"
mkdir -p .cache
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s\n' "$*" >&2; }

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; }
has_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# A name on PATH may be a shim that cannot run, so each candidate is tried, not looked up.
candidates="${PYTHON:-python3.13 python3.12 python3.11 python3}"

first_that() {
    for candidate in $candidates; do
        if fits "$candidate" && "$1" "$candidate"; then printf '%s' "$candidate"; return 0; fi
    done
    return 1
}

any() { true; }

give_up() {
    if [ -n "${PYTHON:-}" ] && ! fits "$PYTHON"; then
        say "setup: PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13 that runs; name another: make PYTHON=/path/to/python3 setup"
        exit 1
    fi
    found="$(first_that any || true)"
    if [ -n "$found" ]; then
        minor="$("$found" -c 'import sys; print("3.%d" % sys.version_info[1])')"
        say "setup: $found is Python $minor without its venv module, and uv is not installed"
    else
        minor=3
        say "setup: no Python 3.11, 3.12 or 3.13 was found, and uv is not installed"
    fi
    if [ "$(uname -s)" = Darwin ]; then say "setup: run: brew install python@3.13"
    elif command -v apt-get >/dev/null 2>&1; then say "setup: run: sudo apt install python$minor-venv"
    elif command -v dnf >/dev/null 2>&1; then say "setup: run: sudo dnf install python3.13"
    elif command -v zypper >/dev/null 2>&1; then say "setup: run: sudo zypper install python313"
    elif command -v pacman >/dev/null 2>&1; then say "setup: run: sudo pacman -S uv"
    else say "setup: install uv, or a Python 3.11 to 3.13 that has the venv module"
    fi
    say "setup: and then the same make command again"
    exit 1
}

# What the environment is made from; a set that is up to date is not touched.
fingerprint() {
    "$venv/bin/python" - "$here" "requirements/$1.txt" pyproject.toml requirements/install.sh <<'PY' 2>/dev/null
import hashlib, pathlib, sys
if pathlib.Path(sys.prefix).resolve() != pathlib.Path(sys.argv[1], ".venv").resolve():
    sys.exit(1)
digest = hashlib.sha256(sys.version.encode() + sys.argv[1].encode())
for name in sys.argv[2:]:
    digest.update(pathlib.Path(name).read_bytes())
print(digest.hexdigest())
PY
}

up_to_date() {
    stamp="$venv/.stamp-$1"
    now="$(fingerprint "$1")" || return 1
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$now" ] && [ -x "$venv/bin/swcli" ]
}

asked_for_another() {
    [ -n "${PYTHON:-}" ] && [ "$("$PYTHON" -c 'import sys; print(sys.version)' 2>/dev/null)" != "$("$venv/bin/python" -c 'import sys; print(sys.version)' 2>/dev/null)" ]
}

usable() { fits "$venv/bin/python" && fingerprint "$wanted" >/dev/null && ! asked_for_another; }

quietly() {
    if ! "$@" >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        say "setup: that failed: $*"
        exit 1
    fi
}

if usable; then
    if up_to_date "$wanted"; then exit 0; fi
    if [ "$wanted" = demo ] && up_to_date dev; then exit 0; fi    # dev holds all of demo, and everything holds all of dev
    if [ "$wanted" != everything ] && up_to_date everything; then exit 0; fi
elif python="$(first_that has_venv)"; then
    say "setup: making .venv with $("$python" --version 2>&1) (once)"
    rm -rf "$venv"
    quietly "$python" -m venv "$venv"
elif command -v uv >/dev/null 2>&1; then
    python="$(first_that any || printf '>=3.11,<3.14')"
    say "setup: making .venv with uv (once)"
    rm -rf "$venv"
    quietly uv venv --quiet --python "$python" "$venv"
else
    give_up
fi

say "setup: installing what requirements/$wanted.txt pins (a minute or two, once)"
if "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    quietly "$venv/bin/python" -m pip install --quiet --require-hashes -r "requirements/$wanted.txt"
    quietly "$venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable .
elif command -v uv >/dev/null 2>&1; then
    quietly uv pip install --quiet --python "$venv/bin/python" --require-hashes -r "requirements/$wanted.txt"
    quietly uv pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
else
    say "setup: .venv has no pip; run: rm -rf .venv, and the same make command again"
    exit 1
fi
fingerprint "$wanted" >"$venv/.stamp-$wanted"
say "setup: done; .venv/bin holds python and swcli"
