# From nothing to a tested package: every target makes the environment and the compiled parts it needs.
# Needs make, a C compiler with OpenMP and Python 3.11 or newer. Stamp files in $(VENV) keep repeats quick.

VENV ?= .venv
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13; do \
    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
# The other engines of the comparison, apart from what cyconv is tested with.
PEERS_VENV ?= .venv-peers
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# For tools that call other tools of the environment by name.
IN_ENV := PATH="$(abspath $(BIN)):$$PATH"
# Show what a command says only when it fails.
QUIETLY := sh -c 'log=$$(mktemp); "$$@" >$$log 2>&1 || { cat $$log; rm $$log; exit 1; }; rm $$log' --
C_SOURCES = $(wildcard src/*/*.c src/*/*.h src/*/*.inc benchmarks/*.c)
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 315532800)
export PYTHONHASHSEED := 0

.PHONY: help build test test-all test-service lint format demo peers bench bench-compare wheelhouse dashboard wheel clean
.DELETE_ON_ERROR:

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile | awk -F': ' '{ printf "make %-13s %s\n", $$1, $$2 }'
	@echo "Variables: PYTHON (interpreter), VENV (environment), PYTEST_ARGS, DEMO_ARGS, PEERS_ARGS, BENCH, PYTHONS (make wheel), CYCONV_DEBUG=1 (bounds checks)"

$(VENV)/stamp-venv:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found; name one with PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/stamp-build: $(VENV)/stamp-venv pyproject.toml
	$(PIP) install "setuptools>=77" "Cython>=3.1"
	@touch $@

# stamp-demo, stamp-test, stamp-lint, stamp-wheel: the package, editable, with that extra.
$(VENV)/stamp-%: $(VENV)/stamp-build pyproject.toml
	$(PIP) install --no-build-isolation --editable ".[$*]"
	@touch $@

$(VENV)/stamp-package: $(VENV)/stamp-build pyproject.toml
	$(PIP) install --no-build-isolation --editable .
	@touch $@

# setup.py knows what is stale, so it is always asked.
build: $(VENV)/stamp-package  ## compile what changed, in place
	$(BIN)/python setup.py --quiet build_ext --inplace

test: $(VENV)/stamp-test build  ## the tests, without the slow ones
	$(BIN)/python -m pytest -q -m "not slow" $(PYTEST_ARGS)

test-all: $(VENV)/stamp-test build  ## the slow tests as well
	$(BIN)/python -m pytest -q $(PYTEST_ARGS)

# With Chromium and its driver (Debian: chromium, chromium-driver), and as root for the full disk; what is missing is left out and said.
test-service: $(VENV)/stamp-test-service build  ## the benchmark service for real: builds, faults, a browser (about 40 minutes)
	$(BIN)/python -m benchmarks.service.vendor .asv/vendor
	$(BIN)/python -m pytest -q --timeout 3600 tests/benchmarks/service $(PYTEST_ARGS)

lint: $(VENV)/stamp-lint  ## ruff, cython-lint, clang-format, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(IN_ENV) cython-lint src cyconv
	$(if $(C_SOURCES),$(BIN)/clang-format --dry-run -Werror $(C_SOURCES))
	$(BIN)/mypy

format: $(VENV)/stamp-lint  ## rewrite Python and C in the common format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(if $(C_SOURCES),$(BIN)/clang-format -i $(C_SOURCES))

demo: $(VENV)/stamp-demo build  ## the lecture's example, digits, AlexNet and GoogLeNet on a photograph
	$(BIN)/python -m cyconv demo $(DEMO_ARGS)

$(PEERS_VENV)/stamp-peers: $(VENV)/stamp-venv benchmarks/peers/requirements.txt
	$(PYTHON) -m venv $(PEERS_VENV)
	$(PEERS_VENV)/bin/python -m pip --quiet --disable-pip-version-check install -r benchmarks/peers/requirements.txt
	@touch $@

# cyconv is taken from this directory, as it was built for $(VENV).
peers: $(PEERS_VENV)/stamp-peers build  ## compare with other engines (PEERS_ARGS=--help lists the options)
	$(PEERS_VENV)/bin/python -m benchmarks.peers $(PEERS_ARGS)

# A quick look, in this environment and in all settings of asv.conf.json, which asv sets itself.
bench: $(VENV)/stamp-bench build  ## each benchmark once, on the working tree (BENCH=regex)
	ASV_PYTHONPATH="$(CURDIR)" CYCONV_BENCH_SECONDS="$${CYCONV_BENCH_SECONDS:-0.1}" \
	    $(BIN)/python -m benchmarks.run_asv run --python=same --quick --show-stderr --bench "$(or $(BENCH),.)"

bench-compare: $(VENV)/stamp-bench build  ## two commits in turns, with verdicts (BASE=main HEAD=HEAD BENCH=regex, COMPARE_ARGS=--help)
	$(BIN)/python -m benchmarks.compare "$(or $(BASE),main)" "$(or $(HEAD),HEAD)" $(if $(BENCH),--bench "$(BENCH)") $(COMPARE_ARGS)

wheelhouse: $(VENV)/stamp-venv  ## what asv's environments need, for benchmarks without a network
	$(PIP) download --dest .asv/wheelhouse --requirement benchmarks/constraints.txt

dashboard: $(VENV)/stamp-service build  ## measure this branch's commits and show them on http://127.0.0.1:8765/
	$(BIN)/python -m benchmarks.service

# The wheel is built from the unpacked sdist, so that the sdist is proved complete and the unstripped objects can be inspected.
wheel: $(VENV)/stamp-wheel  ## sdist and manylinux wheel in dist/, inspected and tried on each Python found
	rm -rf dist build/wheel
	mkdir -p build/wheel/source
	@echo build the sdist
	@$(QUIETLY) $(BIN)/python -m build --sdist --outdir dist
	tar -xzf dist/*.tar.gz -C build/wheel/source --strip-components=1
	@echo build the wheel from the unpacked sdist
	@$(QUIETLY) $(BIN)/python -m build --wheel --outdir build/wheel/plain build/wheel/source
	@echo auditwheel repair
	@$(QUIETLY) env $(IN_ENV) auditwheel repair --wheel-dir dist build/wheel/plain/*.whl
	$(BIN)/abi3audit --strict dist/*.whl
	$(BIN)/python .ci/check_wheel.py dist/*.whl --objects build/wheel/source/build

clean:  ## remove what was built (the environment stays; delete $(VENV) for that)
	rm -rf build dist *.egg-info cyconv/_kernels/*.so
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
