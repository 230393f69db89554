# Fleet Portal. `make test`, `make check`, `make demo` work from a fresh checkout with git, make
# and Python 3.11 or newer; what else a target needs is fetched by the ordinary package clients
# or named with the one command that installs it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: install demo test check bench nightly screens format clean

install: $(VENV)/.installed static/vendor/.built fleet_portal/locale/.compiled

$(VENV)/.installed: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit("Fleet Portal needs Python 3.11 or newer." if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	touch $@

static/vendor/.built: static/package.json static/package-lock.json static/build.py $(VENV)/.installed
	$(BIN)/python static/build.py
	touch $@

fleet_portal/locale/.compiled: $(wildcard fleet_portal/locale/*/LC_MESSAGES/django.po) $(VENV)/.installed
	$(BIN)/python -m fleet_portal.common.translations compile
	touch $@

demo: install
	exec $(BIN)/python -m fleet_portal.demo

test: install
	$(BIN)/python -m tests.run

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null
	$(BIN)/python -m fleet_portal.common.templates_check
	$(BIN)/python -m fleet_portal.common.translations check

bench: install
	$(BIN)/python -m tests.bench $(ONLY)

nightly: install
	FLEET_LONG=1 $(BIN)/python -m tests.run

screens: install
	$(BIN)/python -m tests.e2e.screens

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) static/vendor static/node_modules staticfiles fleet_portal/locale/.compiled
