# Contrada: what can be done here. Needs Python 3.11 or newer, git and make; everything else is fetched once,
# proved by its hash, and kept (.venv here, Kafka in ~/.cache/contrada), so that later runs work without a network.
# Every target ends with an error that says what is missing and how to get it.

PY := .venv/bin/python
# Tests without Kafka run on all cores, each file on one of them. Those with Kafka wait more than they work: three at a
# time, test by test, each third with a broker of its own. The slowest are named, with what they took to prepare, and
# what was skipped, with the reason.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
WITH_KAFKA := -n 3 --dist loadgroup --no-loadscope-reorder --ignore=tests/unit
SLOWEST := --durations=10 -rs
# One test needs no second process: path::name, a file, a folder, or words that a test's name contains.
T ?=
CHOSEN = $(if $(wildcard $(firstword $(subst ::, ,$(T)))),$(T),-k "$(T)")
SEED ?= 1
SECONDS ?= 60
SEEDS ?= 4
YEARS ?= 1
ONLY ?=
export PYTHON

.PHONY: help demo demo-once test check chaos years matrix actions memory upgrade fuzz bench bench-against vectors package release advisories lock docs kafka clean venv-demo venv-dev venv-bench venv-docs venv-fuzz
.DEFAULT_GOAL := help

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: kafka ## Play the exchange between real processes and stay up to be tried
	@.venv/bin/contrada demo

demo-once: kafka ## Play it, check every outcome, print one JSON object and end
	@.venv/bin/contrada demo --once --json

test: venv-dev kafka ## The whole suite, on a real Kafka (under ten minutes), or a part: T=path::name, T="words of names"
ifeq ($(strip $(T)),)
	@ended=0; \
	$(PY) -m pytest -m "not kafka" $(PARALLEL) $(SLOWEST) || ended=$$?; \
	$(PY) -m pytest -m kafka $(WITH_KAFKA) $(SLOWEST) || ended=$$?; \
	exit $$ended
else
	@$(PY) -m pytest $(CHOSEN)
endif

check: venv-dev ## Formatting, types, import rules and the fast tests (some three minutes on two cores)
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/mypy --explicit-package-bases deploy
	@.venv/bin/lint-imports --no-logo
	@$(PY) -m pytest -m "not kafka and not slow" $(PARALLEL) -rs

chaos: venv-dev kafka ## Kill and pause routers, brokers, daemons and the ledger: SEED=1 SECONDS=60; PLAIN=1: no certificates
	@$(PY) -m tests.chaos --seed $(SEED) --seconds $(SECONDS) $(if $(PLAIN),--plain)

years: venv-dev ## The whole exchange in virtual time, with faults: SEEDS=4 YEARS=1, one by SEED=7; MUTANTS=1: rules taken away
	@$(PY) -m tests.years $(if $(MUTANTS),--mutants,--years $(YEARS) \
	  $(if $(filter command,$(firstword $(origin SEED))),--seed $(SEED) --tell,--seeds $(SEEDS)))

matrix: venv-dev kafka ## Who may do what in Kafka: each role tries each operation on a real broker, printed as a table
	@$(PY) -m tests.integration.matrix

actions: venv-dev kafka ## Count what people do from an empty host to a unit's first verified delivery, by doing it
	@$(PY) -m tests.integration.enrolment_actions

memory: venv-dev kafka ## Is memory flat? 100,000 messages through daemons, a router and the ledger, half an hour
	@$(PY) -m tests.chaos --memory

upgrade: venv-dev kafka ## From a release to this tree and back, in every order of programs: REV=tag, else the last one
	@REV=$(REV) EVERY_ORDER=1 $(PY) -m pytest tests/upgrade -v

bench: venv-bench kafka ## Measure speed, one JSON line per figure: ONLY=name,name for a part
	@$(PY) -m tests.bench $(if $(ONLY),--only $(ONLY))

bench-against: venv-bench kafka ## Measure this tree and an older one in turn: REV=commit
	@$(PY) -m tests.bench.against $(REV)

fuzz: venv-fuzz ## Throw mutated input at every parser: SECONDS=60
	@$(PY) -m tests.fuzz --seconds $(SECONDS)

vectors: venv-dev ## Write the protocol's test vectors again
	@$(PY) -m tests.vectors.generate

docs: venv-docs ## Build the documentation as a site into dist/site, without a warning
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --clean --strict --quiet
	@echo "dist/site/index.html"

package: venv-demo ## Build the Debian package into dist/, with every library in it
	@$(PY) deploy/package/build.py

release: venv-demo ## Build all that a release consists of into dist/VERSION/; tag nothing
	@$(PY) deploy/package/release.py

advisories: venv-dev ## Ask for known vulnerabilities of what is installed
	@$(PY) deploy/package/advisories.py

lock: venv-demo ## Write requirements/*.lock again from pyproject.toml (UPGRADE=1: newest allowed versions)
	@sh deploy/lock.sh $(if $(UPGRADE),--upgrade)

kafka: venv-demo ## Fetch Apache Kafka and Java and prepare them; start nothing
	@$(PY) deploy/kafka/launcher.py prepare

clean: ## Remove what tools left in this tree (not .venv, not the Kafka cache)
	rm -rf demo dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

venv-demo venv-dev venv-bench venv-docs venv-fuzz:
	@sh deploy/bootstrap.sh $(@:venv-%=%)
