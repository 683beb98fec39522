# Meson builds; this file installs what is missing and gives the daily work short names. `make help` lists them.
LISTEN ?= 127.0.0.1:8080
BUILD ?= build
PREFIX ?= /usr/local
SECONDS ?= 60
TASKS ?= 10000000
MESON = /usr/bin/meson
SANITIZED = -Dbuildtype=debugoptimized -Db_lundef=false

.DEFAULT_GOAL := help
.PHONY: help build build-tests install run demo test unit system sanitize threads crash faults fuzz lint bench bench-profile fresh deb deb-test clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

build: ## install the packages that building needs, and build build/codecmeter
	@scripts/install build
	@if test -f $(BUILD)/build.ninja; then scripts/build $(BUILD); else scripts/build $(BUILD) -Dtests=disabled; fi

build-tests: # the same, with the unit tests
	@scripts/install test
	@scripts/build $(BUILD) -Dtests=enabled

install: ## build the release and install it to PREFIX=/usr/local; asks sudo when not root
	@scripts/install build
	@scripts/build build-release -Dtests=disabled -Db_lto=true -Dprefix=$(PREFIX)
	@$(if $(filter-out 0,$(shell id -u)),sudo )$(MESON) install -C build-release --no-rebuild --quiet
	@echo 'installed $(PREFIX)/bin/codecmeter'

run: ## build, serve on LISTEN=127.0.0.1:8080 from ./data, and show the main job
	@scripts/install run
	@$(MAKE) --no-print-directory build
	@exec scripts/run '$(LISTEN)'

demo: ## the main job on a free port in a temporary directory; fails if the table is wrong
	@scripts/install run
	@$(MAKE) --no-print-directory build
	@scripts/demo

test: build-tests ## install, build with warnings as errors, run every test
	@scripts/test

unit: build-tests ## the unit tests alone
	@$(MESON) test -C $(BUILD) --print-errorlogs

system: build-tests ## the system tests alone
	@/usr/bin/python3 -m pytest -q tests/system

sanitize: ## the whole suite under the address and undefined-behaviour sanitizers
	@scripts/install test
	@scripts/build build-sanitize -Dtests=enabled -Db_sanitize=address,undefined $(SANITIZED)
	@BUILD=build-sanitize scripts/test

threads: ## the suite under the thread sanitizer, but for signals to `run`, which it holds back
	@scripts/install test
	@scripts/build build-threads -Dtests=enabled -Db_sanitize=thread $(SANITIZED)
	@PYTEST_ADDOPTS='-k "not signals_are_passed_on"' BUILD=build-threads scripts/test

crash: ## ROUNDS=300 of SIGKILL in commit, checkpoint, merge and recovery, compared by id; SEED=n replays
	@$(MAKE) --no-print-directory build-tests
	@/usr/bin/python3 tests/crash/campaign.py

faults: ## each file call of a script failed, cut short, killed and power-cut in turn; STRIDE=n takes every nth
	@$(MAKE) --no-print-directory build-tests
	@/usr/bin/python3 tests/crash/faults.py

fuzz: ## each parser's fuzzer for SECONDS=60
	@scripts/install fuzz
	@CC=clang CXX=clang++ scripts/build build-fuzz -Dtests=enabled -Dfuzz=true -Dwerror=false
	@scripts/fuzz '$(SECONDS)'

lint: ## cppcheck over the sources
	@scripts/install lint
	@cppcheck --quiet --enable=warning,portability --inline-suppr --error-exitcode=1 --std=c11 --language=c \
	    --suppress=missingIncludeSystem -I src src/*/*.c

bench: ## measure beside PostgreSQL, SQLite and nginx, up to TASKS=10000000 tasks; bench/README.md
	@scripts/install bench
	@scripts/build build-release -Dtests=disabled -Db_lto=true -Dprefix=$(PREFIX)
	@test -f build-bench/build.ninja || $(MESON) setup build-bench bench >/dev/null
	@ninja -C build-bench --quiet
	@/usr/bin/python3 bench/bench.py --tasks '$(TASKS)' $(if $(PARTS),--parts '$(PARTS)') $(if $(QUICK),--quick)

bench-profile: ## the same, but where the server spends its time
	@$(MAKE) --no-print-directory bench PARTS=profile

fresh: ## README.md's steps and `make test` in bare Debian 12 roots, as root; PARTS='root user test'
	@scripts/install bare-root
	@scripts/fresh $(PARTS)

deb: ## the Debian packages, in build-deb/: codecmeter and codecmeter-media
	@scripts/install deb
	@scripts/deb

deb-test: ## install, use, upgrade, remove and purge the packages in a bare Debian 12 root; needs root; BOOT=1 boots it, and runs docs/deploy.md
	@scripts/install deb
	@BOOT='$(BOOT)' scripts/install bare-root
	@BOOT='$(BOOT)' scripts/test-packages

clean: ## remove what was built
	rm -rf build build-release build-sanitize build-threads build-fuzz build-bench build-deb build-fresh
