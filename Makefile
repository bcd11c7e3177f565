# make demo   the example application, live on a local AWS, from nothing but Python >= 3.11
# make test   everything that is tested, the fast things first
# make lint   only what reads the code
# make prove  every call x every fault, 20,000 random schedules, rivals: half an hour on two cores
# make prove-guards   each guard switched off in turn: some test must notice
# make prove-templates   2,000 stages judged by cfn-lint: about an hour (PART="--from 0 --count 50" for a part)
# make prove-kills  kill -9 at every call of a deploy on a local AWS, then again: about half an hour
# make prove-wire   every operation of a deploy meets every fault of a connection: about 20 minutes
# make prove-hostile  every secret looked for everywhere; hostile assets and manifests: a minute
# make soak   deploys and rollbacks under load: ten minutes (PART="--minutes 1" for less)
# make bench  every benchmark, and docs/performance.md from its figures: under 20 minutes on two cores
# make timeline-picture  docs/timeline.svg, from a deploy of the example to the local AWS
# make down   stop the local AWS of `make demo`
# make clean  remove what the targets made in this directory
#
# VERBOSE=1 shows what pip says.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:
.DELETE_ON_ERROR:
.PHONY: demo test lint bench prove prove-guards prove-templates prove-kills prove-wire prove-hostile soak timeline-picture down clean
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check $(if $(VERBOSE),,-qq)
EXAMPLE := examples/laravel
TESTS := $(wildcard $(addprefix tests/,unit typing process contract runtime e2e))

help:
	sed -n 's/^# \{0,1\}//;/^$$/q;p' Makefile

demo: $(VENV)/user
	export PATH="$(BIN):$$PATH"
	# The base image takes the longest, and needs only the engine: it is made beside the rest where one runs.
	beside=
	if docker version >/dev/null 2>&1; then
	    $(EXAMPLE)/base-image & beside=$$!
	    trap 'kill $$beside 2>/dev/null || true' EXIT
	fi
	hover-async local up >/dev/null
	if [ -n "$$beside" ]; then wait "$$beside"; trap - EXIT; else $(EXAMPLE)/base-image; fi
	cd $(EXAMPLE)
	hover-async build dev
	hover-async deploy --local

test: lint
	export PATH="$(BIN):$$PATH" HOVER_LOCAL_INSTANCE=test
	if ! command -v busybox >/dev/null; then
	    echo "installing busybox-static: the images of the Docker tests are made from it"
	    apt-get update -qq >/dev/null || true
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq busybox-static >/dev/null
	fi
	# The tests' own local AWS; one that ran before is used, and left running.
	if ! hover-async local status >/dev/null; then
	    trap 'hover-async local down >/dev/null 2>&1 || true' EXIT
	    hover-async local up >/dev/null
	fi
	python -m pytest $(TESTS)

lint: $(VENV)/dev
	export PATH="$(BIN):$$PATH"
	ruff check .
	ruff format --check .
	mypy
	lint-imports

prove: $(VENV)/dev
	for proof in matrix interleavings schedules; do "$(BIN)/python" -m tests.process.$$proof --write; done

prove-guards: $(VENV)/dev
	"$(BIN)/python" -m tests.process.guards --write

prove-templates: $(VENV)/dev
	"$(BIN)/python" benchmarks/prove_templates.py $(PART)

prove-kills: $(VENV)/dev
	PATH="$(BIN):$$PATH" "$(BIN)/python" benchmarks/prove_kills.py $(PART)

prove-wire: $(VENV)/dev
	PATH="$(BIN):$$PATH" "$(BIN)/python" benchmarks/prove_kills.py --faults $(PART)

prove-hostile: $(VENV)/dev
	"$(BIN)/python" -m tests.process.canaries --write
	"$(BIN)/python" -m tests.process.hostile --write

soak: $(VENV)/dev
	PATH="$(BIN):$$PATH" "$(BIN)/python" benchmarks/soak.py $(PART)

bench: $(VENV)/dev
	export PATH="$(BIN):$$PATH"
	python benchmarks/bench.py $(PART)

timeline-picture: demo
	export PATH="$(BIN):$$PATH"
	cd $(EXAMPLE)
	hover-async build dev --skip-tests
	hover-async deploy --local --timeline "$(CURDIR)/docs/timeline.svg"

down:
	if [ -x "$(BIN)/hover-async" ]; then "$(BIN)/hover-async" local down; fi

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis $(EXAMPLE)/.hover/out
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/user: pyproject.toml | $(VENV)/bin/python
	echo "installing hover-async into $(VENV), about half a minute"
	$(PIP) install --editable .
	touch $@

$(VENV)/dev: pyproject.toml | $(VENV)/bin/python
	echo "installing hover-async and what checks it into $(VENV), about a minute"
	$(PIP) install --editable '.[dev]'
	touch $@ $(VENV)/user

$(VENV)/bin/python:
	for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
	    if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi
	done
	if [ -z "$${python:-}" ]; then
	    echo "there is no Python 3.11 or later on PATH: install one (Debian, Ubuntu: apt-get install python3)" >&2
	    exit 1
	fi
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then
	    # Debian keeps this part of Python in a package of its own.
	    package=$$("$$python" -c 'import sys; print("python{}.{}-venv".format(*sys.version_info))')
	    if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	        echo "Python's venv module is missing: install it (Debian, Ubuntu: apt-get install $$package)" >&2
	        exit 1
	    fi
	    echo "installing $$package"
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$$package"; } >/dev/null
	fi
	"$$python" -m venv $(VENV)
