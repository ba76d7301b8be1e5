# weir: two commands are enough on a fresh machine, `make demo` and `make test`.
#
# Both first look for what they need; on Debian and Ubuntu, as root, what is missing is installed (INSTALL=no
# only names it). CI=1 makes a missing need a failure instead of a skip.

CARGO ?= cargo
INSTALL ?= yes
export INSTALL
# Where rustup puts cargo, for shells that have not been told.
export PATH := $(PATH):$(HOME)/.cargo/bin

.DEFAULT_GOAL := help
.PHONY: help deps build demo test test-bundle kernels kernels-short fuzz fuzz-short lint fmt bench package deb image sbom clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

deps: ## Look for what every target needs, and install it where that is possible
	@.ci/deps lint

build: ## Build the static binaries
	@.ci/deps build
	$(CARGO) build --release --locked
	@.ci/static

demo: ## Show the main job: programs built, two pods wired, pinged, policed, checked, deleted
	@.ci/deps demo
	$(CARGO) build --release --locked
	@.ci/static
	@tests/demo.sh

test: ## Build, and run every level of tests
	@.ci/deps test
	@.ci/test

test-bundle: ## The suites that run programs, where there is a bundle and no compiler
	@.ci/deps test
	@.ci/bundle

kernels: ## The datapath in the kernels of KERNELS ("6.1 6.12 6.1-lockdown"), under qemu
	@.ci/deps kernels
	@tests/kernels/run.sh every

kernels-short: ## The oldest kernel with the shapes at the corners: what CI has time for
	@.ci/deps kernels
	@KERNELS="$${KERNELS:-6.1}" tests/kernels/run.sh few

fuzz: ## What weir-cni is told by a runtime, noise included, for a minute each (nightly, cargo-fuzz)
	@.ci/fuzz 60

fuzz-short: ## The same for as long as CI has time
	@.ci/fuzz 20

lint: ## Format, lints, documentation, licences and sources of dependencies
	@.ci/deps lint
	@.ci/lint

fmt: ## Format Rust and C
	$(CARGO) fmt --all
	find bpf-src -name '*.[ch]' -exec clang-format -i {} +

bench: ## Measure: template compiler, loader, programs, the plugin beside ptp and bridge, traffic between pods and outside
	@.ci/deps bench
	$(CARGO) build --release --locked
	$(CARGO) build --release --locked --package weir-tests --example traffic
	@tests/bench.sh

package: ## The release as an archive: programs, sources, prebuilt templates, pages, digests
	@.ci/deps package
	$(CARGO) build --release --locked
	@.ci/static
	@.ci/package archive

deb: ## The release as a package for Debian and Ubuntu
	@.ci/deps deb
	$(CARGO) build --release --locked
	@.ci/static
	@.ci/package deb

image: ## The release as an image in the layout of the OCI
	@.ci/deps image
	$(CARGO) build --release --locked
	@.ci/static
	@.ci/package image

sbom: ## The list of a release's parts, as SPDX
	@.ci/package sbom

clean: ## Remove everything that was built
	$(CARGO) clean
