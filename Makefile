# Every target does its own set-up; `make help` is the manual, so a target without a `##` comment is a bug.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
ARGS ?=
MINUTES ?= 1
NODE_IMAGE ?= default
PREVIOUS ?=
SINCE ?= main

# Images of containers set it, and then each of the thousand processes of the tests compiles all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

CORES := $(shell getconf _NPROCESSORS_ONLN)
# Tests wait half of the time, so that two share a core. WORKERS=n: as many at a time.
WORKERS ?= $(shell echo $$((2 * $(CORES))))

BIN := .venv/bin
INSTALLED := .venv/.installed
PINS := requirements/runtime.txt requirements/dev.txt requirements/bootstrap.txt

CONTROL_PLANE := $(BIN)/python hack/controlplane/build.py
# hack/ is a source root, and its programs use what tests/common has.
RUN := PYTHONPATH=hack:tests $(BIN)/python
# Says what it is about to download and build, once; says nothing when all is there.
PROVISION := $(RUN) -m provision
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--custom-compile-command 'make requirements'
# Their decisions let requests through or refuse them: every branch is run by a test.
FULLY_COVERED := operator/servicetokens/lifecycle/*,operator/servicetokens/authn/*,operator/servicetokens/policy/*,operator/servicetokens/tokens/*

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ------------------------------------------------------------------------------------------------------- set-up

.PHONY: install
install: $(INSTALLED) ## Make .venv with everything pinned in requirements/ and .venv/bin/servicetokens

# All output goes to standard error: `make -s control-plane-path` must print one directory and nothing else.
$(INSTALLED): $(PINS) pyproject.toml
	@{ \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 or newer is needed: install it, or name it with 'make PYTHON=/path/to/python3 ...'"; exit 1; }; \
	test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
		{ echo "Python's venv module does not work: install it (Debian and Ubuntu: apt-get install python3-venv)"; exit 1; }; \
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements/bootstrap.txt; \
	export VIRTUAL_ENV=$(CURDIR)/.venv; \
	echo "Installing the pinned Python packages into .venv: about 700 MB, a minute or two."; \
	$(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode requirements/dev.txt; \
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .; \
	touch $@; \
	} >&2

# Each is a folder in the user's cache directory, keyed by what pins it, and a link to it in .venv.
.PHONY: peers
peers: $(INSTALLED) ## Fetch the proxies that tests/proxies runs (nginx, Traefik, Caddy, Envoy, HAProxy)
	@$(PROVISION) peers

# Apart from .venv: what it needs must not come into ours. gitleaks is among the tools.
.PHONY: scanners
scanners: $(INSTALLED) ## Fetch the secret scanner that tests/scanners runs together with gitleaks (detect-secrets)
	@$(PROVISION) scanners

.PHONY: tools
tools: $(INSTALLED) ## Build Helm, Prometheus and others that tests run, from Go modules (about 5 minutes, once)
	@$(PROVISION) tools

.PHONY: requirements
requirements: $(INSTALLED) ## Pin again what pyproject.toml asks for (after changing a dependency there)
	@$(COMPILE) pyproject.toml --extra grpc --output-file requirements/runtime.txt
	@$(COMPILE) pyproject.toml --extra grpc --group dev --constraints requirements/runtime.txt \
		--output-file requirements/dev.txt
	@$(COMPILE) --group proxies --output-file requirements/proxies.txt
	@$(COMPILE) --group scanners --output-file requirements/scanners.txt
	@$(COMPILE) --group build --constraints requirements/dev.txt --output-file requirements/build.txt
	@$(COMPILE) --group bootstrap --output-file requirements/bootstrap.txt

.PHONY: control-plane
control-plane: $(INSTALLED) ## Build kube-apiserver, kube-controller-manager, etcd and kubectl (about 5 minutes, once)
	@$(CONTROL_PLANE)

.PHONY: control-plane-path
control-plane-path: $(INSTALLED) ## Print the directory that holds the control plane's binaries
	@$(CONTROL_PLANE) --path

.PHONY: generate
generate: $(INSTALLED) ## Write crds/ from the models, pages in docs/, and the copies in the chart
	@$(BIN)/python -m servicetokens.crdgen
	@$(RUN) -m pages

.PHONY: manifests
manifests: $(INSTALLED) tools ## Write config/manager/manager.yaml from the chart (after changing the chart)
	@$(RUN) -m pages.manager

# ------------------------------------------------------------------------------------------------------- checks

# Side by side: each but the last keeps one core busy.
.PHONY: check
check: $(INSTALLED) ## What to run before every commit: no cluster; seconds where little has changed since
	@$(MAKE) -j $(CORES) lint types layers drift unit-changed

.PHONY: lint
lint: $(INSTALLED) ## Formatting and ruff, which wants a docstring on every test, too
	@$(BIN)/ruff format --quiet --check --output-format concise . || \
		{ echo "not formatted: run .venv/bin/ruff format ." >&2; exit 1; }
	@$(BIN)/ruff check --quiet --output-format concise .

.PHONY: types
types: $(INSTALLED) ## mypy --strict over the package, hack/ and the tests
	@$(BIN)/mypy

.PHONY: layers
layers: $(INSTALLED) ## Check which module may import which (import-linter)
	@$(BIN)/lint-imports

.PHONY: drift
drift: $(INSTALLED) ## Fail when a generated file differs from what would be generated
	@$(BIN)/python -m servicetokens.crdgen --check
	@$(RUN) -m pages --check

# What cannot be compared without Helm or a network is not part of `make check`.
.PHONY: verify
verify: drift tools ## Fail when anything generated differs, the manifests and the pins included
	@$(RUN) -m pages.manager --check
	@$(MAKE) requirements
	@git diff --exit-code --stat -- requirements || { echo "out of date: requirements/; commit what changed" >&2; exit 1; }

# Pages, links and anchors are checked on the way; SERVICETOKENS_REPOSITORY says where links to files lead.
.PHONY: docs
docs: $(INSTALLED) ## Write the pages of docs/ as a site into site/, and fail when a link leads nowhere
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean
	@echo "Open site/index.html. The search needs a server: python3 -m http.server --bind 127.0.0.1 --directory site"

.PHONY: sbom
sbom: $(INSTALLED) ## Write dist/servicetokens.cdx.json: what an image holds, as CycloneDX
	@mkdir -p dist
	@$(BIN)/cyclonedx-py requirements requirements/runtime.txt --pyproject pyproject.toml --output-reproducible \
		-o dist/servicetokens.cdx.json

# The times in the archives are that of the last commit, so that the same commit gives the same bytes.
.PHONY: dist
dist: sbom tools ## Write wheel, chart and bill of materials to dist/, the same bytes for the same commit
	@export SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct); \
	$(BIN)/python -m hatchling build -t wheel -d dist >/dev/null; \
	.venv/tools/helm4 package charts/servicetokens --destination dist >/dev/null

.PHONY: unit
unit: $(INSTALLED) ## Unit tests: no cluster, no network
	@$(BIN)/pytest --quiet -n $(WORKERS) tests/unit

.PHONY: unit-changed
unit-changed: $(INSTALLED) ## The unit tests for which something has changed since they passed; make unit runs all
	@$(RUN) -m unchanged $(WORKERS)

.PHONY: test-changed
test-changed: $(INSTALLED) ## Unit and property tests of what differs from the branch main (SINCE=another commit)
	@$(RUN) -m changed $(SINCE) $(ARGS)

# The cheapest failures come first; `.ci/run` puts other checks between the parts.
.PHONY: test
test: ## Every test that needs no container engine, and the coverage floors
	@$(MAKE) test-quick
	@$(MAKE) test-servers
	@$(MAKE) coverage

# With ARGS (as `-k word`) a part may have nothing to run, which pytest reports as 5.
PYTEST = run() { "$$@" $(ARGS) || { status=$$?; test $$status = 5 -a -n '$(ARGS)' || exit $$status; }; }; run

# Property tests search without being measured: unit tests alone reach every branch, and tracing doubles the time.
.PHONY: test-quick
test-quick: $(INSTALLED) ## The first part of `make test`: unit and property tests, without any server
	@rm -f .coverage .coverage.*
	@$(PYTEST) $(BIN)/coverage run -m pytest -n $(WORKERS) tests/unit
	@$(PYTEST) $(BIN)/pytest -n $(CORES) tests/property

# Then what must be alone: it measures time, or needs all cores.
.PHONY: test-servers
test-servers: $(INSTALLED) ## The second part: tests on real servers
	@$(PROVISION) control-plane tools peers scanners
	@$(PYTEST) $(BIN)/coverage run -m pytest -n $(WORKERS) -m 'not alone' --ignore tests/unit --ignore tests/property
	@$(PYTEST) $(BIN)/coverage run -m pytest -m alone --ignore tests/unit --ignore tests/property

.PHONY: coverage
coverage: $(INSTALLED) ## The third part: the coverage floors, from what the first two have measured
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --include='$(FULLY_COVERED)' --fail-under=100
	@$(BIN)/coverage report

# NODE_IMAGE=local makes the node's image and the base of operator/Dockerfile here, for machines that reach no registry of
# images. PREVIOUS=REVISION names what is upgraded from, if not the previous commit. `python3 hack/node/engine.py make e2e`
# starts an engine where none runs.
.PHONY: e2e
e2e: $(INSTALLED) ## Pods on a real node, by kind: needs Docker and root (NODE_IMAGE=local: without image registries)
	@$(PROVISION) control-plane tools peers $(if $(filter local,$(NODE_IMAGE)),node node-root python-root)
	@$(if $(filter local,$(NODE_IMAGE)),$(RUN) -m node.images)
	@SERVICETOKENS_E2E=$(NODE_IMAGE) SERVICETOKENS_PREVIOUS=$(PREVIOUS) $(BIN)/pytest tests/e2e $(ARGS)

.PHONY: e2e-binaries
e2e-binaries: $(INSTALLED) ## Make what `make e2e NODE_IMAGE=local` needs in addition to an engine (about 10 minutes, once)
	@$(PROVISION) control-plane tools peers node node-root python-root

.PHONY: matrix
matrix: $(INSTALLED) ## Write docs/guides/proxies/matrix.md from what clients of the proxies see
	@$(PROVISION) control-plane peers
	@SERVICETOKENS_WRITE_MATRIX=1 $(BIN)/pytest --quiet tests/proxies -k matrix

.PHONY: fuzz
fuzz: $(INSTALLED) ## Feed the validator's parsers to a fuzzer (MINUTES=1, for all of them together)
	@$(RUN) -m fuzz --minutes $(MINUTES)

.PHONY: mutants
mutants: $(INSTALLED) ## Make known mistakes in the code, one at a time; the tests must notice each
	@$(RUN) -m mutants $(ARGS)

# ---------------------------------------------------------------------------------------------------- showing it

.PHONY: demo
demo: $(INSTALLED) ## The life of a token on a real API server; waits for Ctrl-C (ARGS=--once: ends automatically)
	@$(RUN) -m demo $(ARGS)

.PHONY: bench
bench: $(INSTALLED) ## Measure against Go and a bare writer (ARGS=--write: into docs/concepts/benchmarks.md)
	@$(PROVISION) control-plane peers
	@$(RUN) -m bench $(ARGS)

.PHONY: bench-scale
bench-scale: $(INSTALLED) ## Measure 10,000 and 50,000 tokens, for minutes (ARGS=--write: into docs/concepts/scale.md)
	@$(CONTROL_PLANE) >/dev/null
	@$(RUN) -m bench.scale $(ARGS)

.PHONY: soak
soak: $(INSTALLED) ## Random life and restarts against a model that knows what must be accepted (MINUTES=1)
	@$(CONTROL_PLANE) >/dev/null
	@$(RUN) -m soak --minutes $(MINUTES) $(ARGS)

.PHONY: screenshots
screenshots: $(INSTALLED) ## Write docs/images with Chromium (after changing the page of `servicetokens report`)
	@$(RUN) -m screenshots

.PHONY: clean
clean: ## Remove everything that make has made here (what clones share stays: clean-cache)
	@rm -rf .venv dist site .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: clean-cache
clean-cache: ## Remove the binaries, environments and images that all clones of this user share
	@rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/servicetokens"
