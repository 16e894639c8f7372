# The same commands for people and for CI; `make` alone prints them.
PYTHON  ?= python3
VENV    ?= .venv
BIN     := $(VENV)/bin
PACKAGES := tools/debian-packages
OBJECT  := agent/src/rollcall_agent/collect/rollcall.bpf.o
CLANG   ?= clang
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

.PHONY: help
help: ## print this
	@echo 'Every container that starts on a node answers by name. make …'
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: demo
demo: venv bpf ## a containerd of its own, pods and containers in it, one record each, closed books (root)
	@PYTHON=$(PYTHON) $(PACKAGES) demo
	@PYTHONPATH=tests $(BIN)/python -m lab.demo

.PHONY: test
test: venv bpf ## unit tests, then the tests on a real containerd (root)
	@PYTHON=$(PYTHON) $(PACKAGES) test
	@$(BIN)/python tools/link_bcc.py
	$(BIN)/pytest tests/unit
	$(BIN)/pytest tests/node

.PHONY: test-newer
test-newer: bpf ## the unit tests on a newer Python than 3.11, where one is found
	@newer=$$(tools/newer-python) || { echo 'There is no newer Python here: nothing was tested.' >&2; exit 1; }; \
	$(MAKE) venv PYTHON="$$newer" VENV=$(VENV)-newer
	$(VENV)-newer/bin/pytest tests/unit

.PHONY: lint
lint: venv ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: full
full: venv bpf ## everything, with the long form of each test (root)
	@PYTHON=$(PYTHON) $(PACKAGES) test
	@$(BIN)/python tools/link_bcc.py
	$(BIN)/pytest -m '' tests
	@$(MAKE) mutation

.PHONY: mutation
mutation: venv ## mutate references, patterns and judge; whatever no test notices must be explained in docs/mutation.md
	$(BIN)/python tools/mutation.py

.PHONY: bench
bench: venv bpf ## measure on this machine and write docs/benchmarks.md (root)
	@PYTHON=$(PYTHON) $(PACKAGES) bench
	@$(BIN)/python tools/link_bcc.py
	@PYTHONPATH=tests $(BIN)/python -m bench

.PHONY: venv
venv: $(VENV)/.installed ## the virtual environment, from requirements/dev.lock

$(VENV)/.installed: requirements/dev.lock pyproject.toml
	@PYTHON=$(PYTHON) $(PACKAGES) venv
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: bpf
bpf: $(OBJECT) ## the kernel program, by clang

# linux/types.h wants asm/types.h, which Debian keeps in the folder of the architecture, where -target bpf does not look.
$(OBJECT): bpf/rollcall.bpf.c bpf/rollcall.h
	@PYTHON=$(PYTHON) $(PACKAGES) bpf
	$(CLANG) -O2 -g -target bpf -mcpu=v3 -Wall -Werror -ffile-prefix-map=$(CURDIR)=. \
	  -idirafter /usr/include/$$(uname -m)-linux-gnu -c $< -o $@

.PHONY: wheel
wheel: venv bpf ## dist/rollcall-….whl, with the kernel program inside
	$(BIN)/python -m hatchling build -t wheel

.PHONY: proto
proto: venv ## generate the protobuf stubs anew
	$(BIN)/python tools/stubs.py

.PHONY: lock
lock: ## resolve requirements/*.lock anew (needs uv)
	uv pip compile $(LOCKED) --extra agent pyproject.toml -o requirements/agent.lock
	uv pip compile $(LOCKED) --extra agent --extra dev pyproject.toml -o requirements/dev.lock

# No addresses: each machine has its own index. Universal: one file for every Python from 3.11 and every architecture.
LOCKED = --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links

.PHONY: clean
clean: ## remove everything that make built
	rm -rf $(VENV) $(VENV)-newer dist $(OBJECT) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
