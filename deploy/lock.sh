#!/bin/sh
# Regenerate requirements/*.lock: every dependency pinned with its hashes, for Python 3.11 and newer on Linux and macOS.
#
#   runtime.lock  what a server needs to run a unit, a router or a ledger, PostgreSQL's client included
#   demo.lock     runtime, and what brings Kafka and Java here, and what installs this repository
#   dev.lock      demo, and the tools of `make check` and `make test`
#   bench.lock    dev, and the client of NATS, which `make bench` measures beside ours
#   docs.lock     bench, and what `make docs` builds the site with
#   fuzz.lock     docs, and atheris
#
# Each is made under the constraints of the widest one, so the six never disagree about a version.
# Known versions are kept; `sh deploy/lock.sh --upgrade` takes the newest that pyproject.toml allows.
set -eu
cd "$(dirname "$0")/.."
UV=${UV:-.venv/.lock/bin/uv}
if [ ! -x "$UV" ]; then
  echo "lock: installing uv into .venv/.lock" >&2
  .venv/bin/python -m venv .venv/.lock
  .venv/.lock/bin/python -m pip install --quiet uv==0.13.9
fi
compile() {
  out=requirements/$1.lock
  shift
  "$UV" pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
    --quiet --output-file "$out" "$@" >/dev/null
  echo "$out: $(grep -c '==' "$out") packages" >&2
}
mkdir -p requirements
compile fuzz --group build --group kafka --group dev --group bench --group docs --group fuzz "$@"
compile docs --group build --group kafka --group dev --group bench --group docs --constraint requirements/fuzz.lock "$@"
compile bench --group build --group kafka --group dev --group bench --constraint requirements/fuzz.lock "$@"
compile dev --group build --group kafka --group dev --constraint requirements/fuzz.lock "$@"
compile demo --group build --group kafka --constraint requirements/fuzz.lock "$@"
compile runtime --extra postgresql --constraint requirements/fuzz.lock "$@"
