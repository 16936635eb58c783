#!/bin/sh
# Make .venv ready: sh deploy/bootstrap.sh demo|dev|bench|docs|fuzz
#
# Needs Python 3.11 or newer and nothing else. Installs what requirements/LEVEL.lock names, each file proved by its
# hash, then this repository itself. Says what it does on standard error. The second run finds its stamp and ends at
# once, without a network. Ends with 8, and says what to do, where something is missing.
set -eu
cd "$(dirname "$0")/.."
level=$1
stamp=.venv/.ready
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

say() { echo "$*" >&2; }

fail() {
  say ""
  for line; do say "$line"; done
  exit 8
}

# Each level holds the ones before it.
holds() {
  case "$1:$level" in
    fuzz:* | docs:docs | docs:bench | docs:dev | docs:demo) return 0 ;;
    bench:bench | bench:dev | bench:demo | dev:dev | dev:demo | demo:demo) return 0 ;;
    *) return 1 ;;
  esac
}

# The first Python from 3.11 on that can make a virtual environment; PYTHON decides where it is set.
find_python() {
  for candidate in ${PYTHON:-python3 python3.11 python3.12 python3.13 python3.14}; do
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    found=$candidate
    "$candidate" -c 'import venv, ensurepip' 2>/dev/null || continue
    echo "$candidate"
    return
  done
  if [ -n "${found:-}" ]; then
    fail "$found has no module venv or ensurepip, so it cannot make a virtual environment." \
      "On Debian or Ubuntu: apt-get install python3-venv. Then run make again."
  fi
  fail "No Python 3.11 or newer was found (looked for: ${PYTHON:-python3, python3.11 to python3.14})." \
    "Install one (Debian 12 and newer: apt-get install python3 python3-venv), or name one: make PYTHON=/path/to/python3 ..."
}

locks=$(cat requirements/*.lock | cksum | tr ' ' -)
project=$(cat pyproject.toml deploy/bootstrap.sh | cksum | tr ' ' -)
have=none have_locks= have_project=
if [ -x .venv/bin/python ] && [ -f "$stamp" ]; then read -r have have_locks have_project <"$stamp"; fi
if holds "$have"; then
  if [ "$have_locks/$have_project" = "$locks/$project" ]; then exit 0; fi
  level=$have # never narrow what is there
fi

if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
  python=$(find_python)
  say "Making .venv with $("$python" -c 'import sys; print(sys.executable, sys.version.split()[0])')"
  rm -rf .venv
  "$python" -m venv .venv || fail "The virtual environment .venv could not be made: see above."
fi

rm -f "$stamp"
if [ "$have/$have_locks" != "$level/$locks" ]; then
  say "Installing the Python packages of requirements/$level.lock into .venv"
  .venv/bin/python -m pip install --require-hashes --requirement "requirements/$level.lock" >&2 ||
    fail "Some Python packages could not be installed: the lines above name them." \
      "The first run needs a network that reaches the Python package index (HTTPS_PROXY or pip's own settings can" \
      "lead there) and 500 MB of disk. Nothing is lost: run make again."
fi
say "Installing this repository into .venv"
.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable . >&2 ||
  fail "This repository could not be installed into .venv: see above."
echo "$level $locks $project" >"$stamp"
