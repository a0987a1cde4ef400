#!/bin/sh
# Make .venv: find a Python 3.13 (or fetch one), then install the packages that tools/requirements.txt pins.
# `make` runs it whenever the pins change. It needs only sh and any python3. HUB_PYTHON=/path/to/python3.13 skips the search.
set -eu
cd "$(dirname "$0")/.."
log=.local/logs/setup.log
mkdir -p .local/logs
: >"$log"

# A checkout changes the date of the pins. Install again only if their content changed.
pins=$(cksum <tools/requirements.txt)
if [ "$(cat .venv/.installed 2>/dev/null)" = "$pins" ] && .venv/bin/python -c '' 2>/dev/null; then
    touch .venv/.installed
    exit 0
fi

say() { printf '  %s\n' "$*"; }

fail() {
    printf '\nSet-up failed: %s\n' "$1" >&2
    if [ -s "$log" ]; then
        printf 'The last lines of %s:\n' "$log" >&2
        tail -n 12 "$log" | sed 's/^/    /' >&2
    fi
    printf '%s\n' "${2:-Remove the cause, then run the same command again.}" >&2
    exit 1
}

is_313() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1; }

can_make_venv() { "$1" -c 'import venv, ensurepip' >/dev/null 2>&1; }

if [ -n "${HUB_PYTHON:-}" ] && ! is_313 "$HUB_PYTHON"; then
    fail "HUB_PYTHON=$HUB_PYTHON is not a working Python 3.13." "Correct HUB_PYTHON, or unset it: set-up then finds a Python itself."
fi

find_313() {
    for candidate in "${HUB_PYTHON:-}" python3.13 python3 \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python3.13 \
        "$HOME"/.local/share/uv/python/cpython-3.13*/bin/python3.13 \
        .local/python/cpython-3.13*/bin/python3.13 /usr/bin/python3; do
        if [ -n "$candidate" ] && is_313 "$candidate"; then
            "$candidate" -c 'import sys; print(sys._base_executable)'  # the real program behind a shim or .venv
            return 0
        fi
    done
    return 1
}

# Debian has venv and pip in a package of their own; root (a container, CI) can install it.
debian_venv() {
    command -v apt-get >/dev/null 2>&1 || return 1
    [ "$(id -u)" = 0 ] || return 1
    say "installing Debian's python3-venv"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv; } \
        >>"$log" 2>&1
}

fetch_313() {
    if command -v uv >/dev/null 2>&1; then
        uv=uv
    else
        system=
        for candidate in /usr/bin/python3 python3; do
            if "$candidate" -c '' >/dev/null 2>&1; then system=$candidate; break; fi
        done
        [ -n "$system" ] || fail "no working python3 was found." "Install Python 3.13, then run the same command again."
        can_make_venv "$system" || debian_venv || fail "$system cannot make virtual environments." \
            "Install its venv package (Debian: apt-get install python3-venv) or a Python 3.13, then run the same command again."
        "$system" -m venv --clear .local/bootstrap >>"$log" 2>&1 || fail "could not make .local/bootstrap."
        pin=$(sed -n '/^uv==/,/[^\\]$/p' tools/requirements.txt)
        printf '%s\n' "$pin" >.local/bootstrap/uv.txt
        .local/bootstrap/bin/pip install -q --require-hashes -r .local/bootstrap/uv.txt >>"$log" 2>&1 ||
            fail "could not install uv, which fetches Python 3.13." "Check the network, or install Python 3.13 yourself."
        uv=.local/bootstrap/bin/uv
    fi
    say "fetching Python 3.13 (once)"
    "$uv" python install --install-dir .local/python 3.13 >>"$log" 2>&1 ||
        fail "could not fetch Python 3.13." \
            "Install Python 3.13 (with pyenv or your distribution) or set HUB_PYTHON, then run the same command again."
}

if ! python=$(find_313); then
    fetch_313
    python=$(find_313) || fail "the fetched Python 3.13 does not run."
fi
can_make_venv "$python" || debian_venv || fail "$python cannot make virtual environments." \
    "Install its venv package (Debian: apt-get install python3-venv), then run the same command again."

[ ! -L .venv ] || fail ".venv is a symbolic link, and set-up would empty its target." "Remove the link, then run the same command again."
say "Python $("$python" -c 'import platform; print(platform.python_version())') at $python"
"$python" -m venv --clear .venv >>"$log" 2>&1 || fail "could not make .venv."
say "installing $(grep -c '^[a-z].*==' tools/requirements.txt) pinned packages into .venv (about a minute, once)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes \
    -r tools/requirements.txt >>"$log" 2>&1 || fail "could not install the pinned packages."
printf '%s\n' "$pins" >.venv/.installed
say "set-up is complete"
