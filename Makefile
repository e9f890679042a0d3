# Everything that is done to this tree by hand or by CI. `make help` lists it.

SHELL := /bin/sh
CARGO ?= cargo
TOOLS := target/tools
# Where cargo puts what it builds; tests and the demo look for our programs there.
OUT := $(or $(CARGO_TARGET_DIR),target)

.DEFAULT_GOAL := help
.PHONY: help setup build programs demo demo-down test check fmt bench bench-engine bench-peers sim torture mutants tools

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Tests and the demo need engines, unless they are left out on purpose.
ENGINES := $(if $(filter 0,$(PINION_TEST_DOCKER)),,engines)

# Without engines no test logs in anywhere.
MOTO := $(if $(ENGINES),moto)
# Without engines no rollout waits for a metric.
METRICS := $(if $(ENGINES),metrics)

setup: ## Install missing packages of the distribution (as root)
	@deploy/ci/setup.sh $(ENGINES) buf $(MOTO) $(METRICS)

build: ## The four programs, optimised, in target/release
	$(CARGO) build --locked --release --bins -p pinion-coordinator -p pinion-agent -p pinion-launcher -p pinion-cli

programs:
	@deploy/ci/setup.sh $(ENGINES)
	@$(CARGO) build --locked --workspace --bins

demo: programs ## Four machines: v1, then v2 in stages, then a v3 that crashes. KEEP=1 leaves it up
	@KEEP=$(KEEP) $(OUT)/debug/pinion-demo

demo-down: ## Take down what `make demo KEEP=1` left up
	@$(OUT)/debug/pinion-demo down

test: programs ## All tests, on real engines and registries. PINION_TEST_DOCKER=0 leaves engines out
	@deploy/ci/setup.sh buf $(MOTO) $(METRICS)
	@deploy/ci/tools.sh $(TOOLS) buf $(MOTO)
	@if [ "$$PINION_TEST_DOCKER" = 0 ]; then echo "PINION_TEST_DOCKER=0: tests/e2e is left out, and with it every test on a real engine, registry or network"; fi
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --locked --workspace; \
	else \
		$(CARGO) test --locked --workspace --all-targets --no-fail-fast -- --test-threads=2; \
	fi
	$(CARGO) test --locked --workspace --doc --quiet

# One after the other: each wants the machine's moments for itself.
torture: programs ## Kills, full disks and faults on real engines, hundreds of times (an hour). PINION_TEST_SEED=… replays
	@PINION_TORTURE=long $(CARGO) test --locked --workspace --test torture -- --test-threads=1 --nocapture $(ONLY)
	@PINION_TORTURE=long $(CARGO) test --locked --workspace --lib -- --nocapture reconcile::tests::model::

tools:
	@deploy/ci/setup.sh buf
	@deploy/ci/tools.sh $(TOOLS) buf deny

check: tools ## Format, lints, dependencies, protocol, purity
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --quiet -- -D warnings
	$(TOOLS)/bin/cargo-deny --log-level error check bans licenses sources
	$(TOOLS)/node_modules/.bin/buf lint
	deploy/ci/purity.sh

bench-engine: ## Measure what decides, alone: plans, whole rollouts, memory (minutes)
	@$(CARGO) build --locked --release -p pinion-benches
	@$(OUT)/release/pinion-bench-engine
	@$(OUT)/release/pinion-bench-memory

bench: bench-engine bench-peers ## All benches, optimised; nothing else may run on the machine

bench-peers: ## Downtime, overhead, rollout and memory beside Docker, Compose, Swarm: ROUNDS=30 PAIRS=40 ONLY=downtime
	@deploy/ci/setup.sh engines bench
	@$(CARGO) build --locked --release --bins
	@$(OUT)/release/pinion-bench $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(PAIRS),--pairs $(PAIRS)) $(if $(ONLY),--only $(ONLY))

sim: ## Simulated fleets, from seeds: SEEDS=2000 AGENTS=200, or SEED=17 AGENTS=20 LOG=1
	@$(CARGO) run --locked --quiet --release -p pinion-sim -- --agents $(or $(AGENTS),200) \
		$(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(LOG),--log)

# What decides is built without optimisation here: it is built once for each change.
mutants: ## Change every gate in every way that a test should notice (an hour or more)
	@deploy/ci/tools.sh $(TOOLS) mutants
	$(TOOLS)/bin/cargo-mutants mutants --package pinion-rollout --file 'coordinator/rollout/src/gates/**' \
		--file coordinator/rollout/src/naming.rs \
		--output $(OUT) --cargo-arg=--locked \
		--cargo-arg=--config=profile.dev.package.pinion-rollout.opt-level=0 -- --lib --test scenarios

fmt: ## Format all code
	$(CARGO) fmt --all
