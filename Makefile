# Short names for the daily work, which `make help` lists. Each installs the packages that it needs; Meson builds.
LISTEN ?= 127.0.0.1:8080
BUILD ?= build
PREFIX ?= /usr/local
SECONDS ?= 60
TASKS ?= 10000000
SCREENSHOTS ?= build-browser/screenshots
MESON = /usr/bin/meson
SANITIZED = -Dbuildtype=debugoptimized -Db_lundef=false

.DEFAULT_GOAL := help
.PHONY: help build build-tests install run demo test unit system sanitize threads crash faults fuzz mutation compare damage sdk docs lint bench bench-profile node-red snippets browser screenshots fresh deb deb-test clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

build: ## install the packages that a build needs, and build build/codecmeter
	@scripts/install build
	@if test -f $(BUILD)/build.ninja; then scripts/build $(BUILD); else scripts/build $(BUILD) -Dtests=disabled; fi

build-tests: # `build`, with the unit tests
	@scripts/install test-base
	@scripts/build $(BUILD) -Dtests=enabled

install: ## build the release and install it into PREFIX=/usr/local, with sudo unless run by root
	@scripts/install build
	@scripts/build build-release -Dtests=disabled -Db_lto=true -Dprefix=$(PREFIX)
	@$(if $(filter-out 0,$(shell id -u)),sudo )$(MESON) install -C build-release --no-rebuild --quiet
	@echo 'installed $(PREFIX)/bin/codecmeter'

run: ## build, serve ./data on LISTEN=127.0.0.1:8080, transcode a clip and show what it counts
	@scripts/install run
	@$(MAKE) --no-print-directory build
	@exec scripts/run '$(LISTEN)'

demo: ## `run` in a temporary directory on a free port; fails if the table is wrong
	@scripts/install run
	@$(MAKE) --no-print-directory build
	@scripts/demo

test: ## build with warnings as errors, and run every test, also those of the console in Chromium
	@scripts/install test
	@scripts/build $(BUILD) -Dtests=enabled
	@scripts/test

unit: build-tests ## run the unit tests only
	@$(MESON) test -C $(BUILD) --print-errorlogs

system: build-tests ## run the system tests only
	@/usr/bin/python3 -m pytest -q -n 4 --dist loadfile tests/system

sanitize: ## run every test under the address and undefined-behaviour sanitizers
	@scripts/install test
	@scripts/build build-sanitize -Dtests=enabled -Db_sanitize=address,undefined $(SANITIZED)
	@BUILD=build-sanitize scripts/test

threads: ## run the tests under the thread sanitizer, except those of signals to `run`, which it delays
	@scripts/install test
	@scripts/build build-threads -Dtests=enabled -Db_sanitize=thread $(SANITIZED)
	@PYTEST_ADDOPTS='-k "not signals_are_passed_on"' BUILD=build-threads scripts/test

crash: ## kill the server in commit, checkpoint, merge and recovery, ROUNDS=300 times; SEED=n replays
	@$(MAKE) --no-print-directory build-tests
	@/usr/bin/python3 tests/crash/campaign.py

faults: ## fail each file call of a script in turn: error, short write, kill, power cut; STRIDE=n takes every nth
	@$(MAKE) --no-print-directory build-tests
	@/usr/bin/python3 tests/crash/faults.py

fuzz: ## run each parser's fuzzer for SECONDS=60
	@scripts/install fuzz
	@CC=clang CXX=clang++ scripts/build build-fuzz -Dtests=enabled -Dfuzz=true -Dwerror=false
	@scripts/fuzz '$(SECONDS)'

mutation: ## change the rules of counting in some hundred small ways: the unit tests must notice
	@scripts/install test-base
	@/usr/bin/python3 tests/mutation/mutate.py build-mutation

compare: ## measure media of every kind, and print them beside ffprobe's counts
	@$(MAKE) --no-print-directory build-tests
	@tests/data/media/compare

damage: ## measure media that are cut, changed and spliced, for SECONDS=60; SEED=n replays
	@$(MAKE) --no-print-directory build-tests
	@SECONDS='$(SECONDS)' SEED='$(SEED)' tests/data/media/damage

sdk: ## test UCloud's own clients, UCLOUD_SDK_GO=DIR (ucloud-sdk-go) and UCLOUD_CLI=FILE (ucloud); needs golang
	@$(MAKE) --no-print-directory build-tests
	@UCLOUD_SDK_GO='$(UCLOUD_SDK_GO)' UCLOUD_CLI='$(UCLOUD_CLI)' /usr/bin/python3 -m pytest -q tests/sdk

docs: build ## write the tables and examples of the API's pages in docs/ from the program's own
	@CODECMETER=$(BUILD)/codecmeter scripts/api-docs

lint: ## run cppcheck over the sources
	@scripts/install lint
	@cppcheck --quiet --enable=warning,portability --inline-suppr --error-exitcode=1 --std=c11 --language=c \
	    --suppress=missingIncludeSystem -I src $$(find src -name '*.c')

bench: ## compare with PostgreSQL, SQLite and nginx, up to TASKS=10000000 tasks; see bench/README.md
	@scripts/install bench
	@scripts/build build-release -Dtests=disabled -Db_lto=true -Dprefix=$(PREFIX)
	@test -f build-bench/build.ninja || $(MESON) setup build-bench bench >/dev/null
	@ninja -C build-bench --quiet
	@/usr/bin/python3 bench/bench.py --tasks '$(TASKS)' $(if $(PARTS),--parts '$(PARTS)') $(if $(QUICK),--quick)

bench-profile: ## measure where the server spends its time
	@$(MAKE) --no-print-directory bench PARTS=profile

node-red: ## run the flows of examples/node-red in a real Node-RED; needs Node 18 or 20 and npm; not part of `make test`
	@$(MAKE) --no-print-directory build-tests
	@mkdir -p build-node-red && cp tests/node-red/package.json tests/node-red/package-lock.json build-node-red/
	@npm ci --prefix build-node-red --no-audit --no-fund --loglevel error
	@/usr/bin/python3 -m pytest -p no:cacheprovider -q tests/node-red

snippets: ## compile and run the programs in Go and Java that the API browser copies; installs both compilers
	@scripts/install snippets
	@$(MAKE) --no-print-directory build
	@scripts/browser-modules
	@/usr/bin/python3 -m pytest -p no:cacheprovider -q -rP tests/snippets

browser: ## run the tests of the console in Chromium only
	@scripts/install test
	@$(MAKE) --no-print-directory build
	@scripts/browser-modules
	@/usr/bin/python3 -m pytest -p no:cacheprovider -q -n 2 --dist loadfile tests/browser

screenshots: ## keep pictures of every state of the console in both languages, in SCREENSHOTS=build-browser/screenshots
	@scripts/install test
	@$(MAKE) --no-print-directory build
	@scripts/browser-modules
	@SCREENSHOTS='$(SCREENSHOTS)' /usr/bin/python3 -m pytest -p no:cacheprovider -q -n 2 tests/browser/test_console_looks.py tests/browser/test_api_looks.py
	@echo 'The pictures are in $(SCREENSHOTS)'

fresh: ## run README.md's steps and `make test` in bare Debian 12 roots; needs root; PARTS='root user test'
	@scripts/install bare-root
	@scripts/fresh $(PARTS)

deb: ## build the Debian packages codecmeter and codecmeter-media in build-deb/
	@scripts/install deb
	@scripts/deb

deb-test: ## try the packages in a bare root, as root; BOOT=1 boots it too, and runs docs/deploy.md
	@scripts/install deb
	@BOOT='$(BOOT)' scripts/install bare-root
	@BOOT='$(BOOT)' scripts/test-packages

clean: ## remove all build directories
	rm -rf build build-release build-sanitize build-threads build-fuzz build-bench build-deb build-fresh build-node-red build-browser build-prometheus
