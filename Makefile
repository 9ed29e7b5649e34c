# kalends from a fresh Debian machine with Rust: `make run` starts it, `make test` proves it.
# What is fetched and built lies in $(KALENDS_CACHE), not here. CONTRIBUTING.md says when to use which target.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
export KALENDS_CACHE ?= $(HOME)/.cache/kalends
export CARGO_TARGET_DIR ?= $(KALENDS_CACHE)/target
export CARGO_TERM_COLOR ?= auto
ifdef CI # what is built once gains nothing by it, and the compiler fails less often
export CARGO_INCREMENTAL ?= 0
endif

install := tests/tools/install.sh
debug := $(CARGO_TARGET_DIR)/debug/kalends

.PHONY: help run check test sso clients bless soak fuzz bench docs

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

run: ## install what is missing, build, and start a server with a database of its own
	@$(install) run
	@cargo build --release --locked
	@exec $(CARGO_TARGET_DIR)/release/kalends up $(ARGS)

check: ## formatting, lints and the licences of dependencies
	@cargo fmt --check
	@cargo clippy --locked --all-targets -- -D warnings
	@python3 tests/tools/deny.py
	@if command -v cargo-deny > /dev/null; then cargo deny check bans licenses sources; fi # advisories: by hand, they need a network

test: ## everything that must be green before a commit: check, the tests, the REST service, the small clients, single sign-on
	@$(install) test
	@$(MAKE) --no-print-directory check
	@cargo test --locked --no-fail-fast
	@cargo build --locked --quiet
	@KALENDS=$(debug) tests/rest/run.sh short
	@KALENDS=$(debug) tests/rest/flows.sh
	@KALENDS=$(debug) tests/clients/run.sh
	@KALENDS=$(debug) tests/sso/run.sh

sso: ## what `make test` has of single sign-on: sign-ins, attacks, a browser and clients at deploy/apache and deploy/nginx
	@$(install) test
	@cargo build --locked --quiet
	@KALENDS=$(debug) tests/sso/run.sh

clients: ## Thunderbird and Evolution, as a person would use them (drivers in ../shared/rig), at all three proxies
	@$(install) desktop
	@cargo build --locked --quiet
	@for proxy in plain apache nginx; do KALENDS=$(debug) tests/clients/run.sh desktop $$proxy; done

bless: ## rewrite the expected answers of tests/wire; read the difference before committing it
	@$(install) test
	@KALENDS_BLESS=1 cargo test --locked --test wire

soak: ## the long tests, which `make test` leaves out: consistency under load, kill -9, restarts, every zone, many more rules, 10,000 requests of Schemathesis
	@$(install) soak
	@cargo test --locked --release --lib --test ical --test recur -- --ignored
	@cargo test --locked --release --test bounds
	@cargo test --locked --release --test concurrency --test home_sync --test crowd --test leaks --test hostile --test durability --test remote --test systemd --test nodes -- --ignored --test-threads=1 --nocapture
	@cargo build --locked --release --quiet
	@KALENDS=$(CARGO_TARGET_DIR)/release/kalends tests/rest/run.sh long

fuzz: ## look for octets that break the targets of tests/fuzz: TARGET= one of them, SECONDS= for how long each
	@$(install) fuzz
	@tests/tools/fuzz.sh "$(or $(SECONDS),60)" $(TARGET)

bench: ## the micro-benchmarks, then side by side with other servers (../shared/bench)
	@$(install) test
	@cargo bench --locked
	@benches/side_by_side.sh

docs: ## print docs/settings.md, docs/compliance.md and docs/rest.md from the tables in the code
	@cargo build --locked --quiet
	@$(debug) list settings > docs/settings.md
	@$(debug) list > docs/compliance.md
	@$(debug) list rest > docs/rest.md
