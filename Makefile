# make serve     install missing packages into .venv, and serve on http://127.0.0.1:8080
# make test      install the packages of the tests too, also Debian's, and run all tests
# make check     lint, formatting, words, sizes, types, import rules
# make format    format the code
# make bench     measure how fast it is, in less than five minutes; bench-quick: in one; bench-catalog: with 10^7 rows
# make docs      build the documentation into build/docs; settings-reference: write its list of settings again
# make binary    build dist/imges, one file that needs no Python; test-binary: build it and test it in an empty root
# make release   wheel, sdist, binary, checksums, bill of materials and licences in dist/, each tested with nothing else installed
#                (SIGN=NAME: sign the checksums by that key of GnuPG)
# make screenshots  pictures of every page into build/screenshots/, the best into docs/pictures/; and the icons
# make drain     stop the server under load many times (ROUNDS=100, SEED=7)
# make memory    measure the memory of all processes under the largest pictures; slow: good uploads among 1,000 slow connections
# make figures   measure each page: its bytes, when it is painted, how much it shifts
# make languages  update the catalogs in templates/languages/ from the texts in the sources (LANGUAGE=fr: begin a new one)
# make crash     break an upload, a deletion, an expiry and a migration at each system call (ONLY=upload, PART=2/5);
#                ROUNDS=1000: kill -9 under load, 1,000 times
# make fuzz      hostile input: send mutated pictures (ROUNDS=10000, SEED=7) and those of Pillow's own tests to the server; run libFuzzer
#                on the metadata filter and on forms (SECONDS=240 each); compare lives of the service with a model (LIVES=500)
# make clients   install clients from npm into build/clients, and PHP and npm from Debian, and upload with each: this needs the network
# make hostile   send hostile requests, group by group, and print figures (GROUPS="framing forms": only these)
# make audit     list known holes of the locked packages, from PyPI's advisories, and what could not be asked
# make lock      write the lock files again from pyproject.toml (UPGRADE=--upgrade: with the newest versions)

PYTHON ?= python3
BIN := .venv/bin
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
EXTRACT := $(BIN)/pybabel --quiet extract --mapping-file babel.cfg --no-default-keywords --keywords "N_ _ gettext ngettext:1,2" \
	--add-location file --sort-by-file --project imges
PIP_COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --strip-extras --generate-hashes \
	--allow-unsafe --no-emit-index-url --no-emit-find-links --extra heic --extra postgres --extra redis --extra s3 $(UPGRADE)

# The programs that tests call, each with its Debian package
TOOLS := exiftool:libimage-exiftool-perl strace:strace chromium:chromium nginx:nginx-light redis-server:redis-server \
	caddy:caddy curl:curl haproxy:haproxy openssl:openssl ip:iproute2 wget:wget

.PHONY: install serve test check format lock screenshots drain crash fuzz hostile audit tools bench bench-quick bench-catalog

install: .venv/installed

serve: install
	@exec $(BIN)/imges serve

test: .venv/installed-dev tools
	$(BIN)/pytest -n 2

bench: .venv/installed-dev tools
	@$(BIN)/python -m benchmarks

bench-quick: .venv/installed-dev tools
	@$(BIN)/python -m benchmarks --quick

bench-catalog: .venv/installed-dev
	@$(BIN)/python -m benchmarks catalogs

check: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python -m tests.house.words
	$(BIN)/python -m tests.house.figures
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory docs

format: .venv/installed-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: .venv/installed-dev
	$(PIP_COMPILE) --build-deps-for editable --output-file requirements.lock pyproject.toml
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"], sep="\n")' \
		| $(PIP_COMPILE) --extra testing --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml -

.PHONY: figures languages
figures: .venv/installed-dev tools
	@$(BIN)/python -m tests.browser.figures

languages: .venv/installed-dev
	@texts=$$(mktemp) && trap 'rm -f $$texts' EXIT && $(EXTRACT) --output-file $$texts . && \
	if [ -n "$(LANGUAGE)" ]; then \
		$(BIN)/pybabel --quiet init --locale $(LANGUAGE) --input-file $$texts --output-file templates/languages/$(LANGUAGE).po --no-wrap; \
	fi; \
	for file in templates/languages/*.po; do \
		$(BIN)/pybabel --quiet update --locale $$(basename $$file .po) --input-file $$texts --output-file $$file --no-wrap \
			--no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date || exit 1; \
	done

.PHONY: docs settings-reference
docs: .venv/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

settings-reference: .venv/installed-dev
	$(BIN)/python release/settings_reference.py

.PHONY: binary test-binary
binary: .venv/installed-dev
	$(BIN)/python release/binary.py

test-binary: binary
	$(BIN)/pytest -m binary tests/shipping/test_binary.py

.PHONY: release
release: .venv/installed-dev
	$(BIN)/python release/binary.py --release $(SIGN:%=--sign %)
	$(BIN)/pytest -m binary tests/shipping

screenshots: .venv/installed-dev tools
	$(BIN)/python -m tests.browser.screenshots

drain: .venv/installed-dev
	$(BIN)/python -m tests.crash.drain $(or $(ROUNDS),100) $(SEED)

.PHONY: memory slow
memory: .venv/installed-dev
	$(BIN)/python -m tests.crash.memory $(SECONDS)

slow: .venv/installed-dev
	$(BIN)/python -m tests.crash.slow

crash: .venv/installed-dev
	$(BIN)/python -m $(if $(ROUNDS),tests.crash.kills $(ROUNDS) $(SEED),tests.crash.points $(ONLY:%=--only %) $(PART:%=--part %))

fuzz: .venv/installed-dev
	$(BIN)/python -m tests.crash.fuzz $(or $(ROUNDS),10000) $(SEED)
	$(BIN)/python -m tests.crash.fuzz_pillow
	$(BIN)/python -m tests.crash.libfuzzer filter $(or $(SECONDS),240)
	$(BIN)/python -m tests.crash.libfuzzer form $(or $(SECONDS),240)
	$(BIN)/python -m tests.crash.stateful $(or $(LIVES),500)

hostile: .venv/installed-dev tools
	@$(BIN)/python -m tests.hostile.sweep $(GROUPS)

.PHONY: clients
CLIENTS := axios@1.21.1 form-data@4.0.6 imgbb-uploader@1.5.1 picgo@3.1.0 picgo-plugin-web-uploader@1.1.1 twikoo-func@1.7.9

clients: TOOLS := npm:npm php:php-cli
clients: .venv/installed-dev tools
	@php -m | grep -qx curl || { echo "the tests of PHP need one more Debian package: apt-get install php-curl" >&2; exit 2; }
	npm install --prefix build/clients --ignore-scripts --no-audit --no-fund --no-save $(CLIENTS)
	$(BIN)/pytest -m clients tests/clients

audit: .venv/installed-dev
	@$(BIN)/python release/audit.py

# The stamps are newer than their sources, so a second run does nothing.
.venv/installed: requirements.lock pyproject.toml
	@echo "installing into .venv; this takes a minute or two" >&2
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(PIP_INSTALL) --require-hashes --requirement requirements.lock
	$(PIP_INSTALL) --no-build-isolation --no-deps --editable .
	$(BIN)/python -m compileall -q imges backends templates
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.lock
	$(PIP_INSTALL) --require-hashes --requirement requirements-dev.lock
	@touch $@

bench bench-quick: TOOLS := nginx:nginx-light caddy:caddy curl:curl haproxy:haproxy openssl:openssl wrk:wrk

tools:
	@PATH="$$PATH:/usr/sbin"; missing=; \
	for tool in $(TOOLS); do command -v $${tool%%:*} >/dev/null || missing="$$missing $${tool##*:}"; done; \
	install="apt-get install --yes --no-install-recommends$$missing"; \
	if [ -z "$$missing" ]; then exit 0; \
	elif [ "$$(id -u)" != 0 ]; then echo "tests need more Debian packages: sudo $$install" >&2; exit 2; fi; \
	export DEBIAN_FRONTEND=noninteractive; $$install || { apt-get update && $$install; }
