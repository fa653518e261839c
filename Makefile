# Every command that a person or CI runs. `make help` lists them.
#
# What takes long to build lives in a cache outside of the work tree, keyed by version, so that it is built once
# per machine and not once per clone: the Kubernetes binaries, Cargo's target directory, cargo-deny, boto3.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

CACHE ?= $(or $(AMISEAL_CACHE),$(HOME)/.cache/amiseal)
# Absolute, since it is handed to processes with other working directories.
override CACHE := $(abspath $(CACHE))
export AMISEAL_TOOLS := $(CACHE)/bin
export CARGO_TARGET_DIR ?= $(CACHE)/target
PYTHON ?= python3

# Nothing here may reach a person's AWS account or cluster, whatever their shell is set up for.
unexport KUBECONFIG $(filter AWS_%,$(.VARIABLES))
export AWS_EC2_METADATA_DISABLED := true
export AWS_CONFIG_FILE := /dev/null
export AWS_SHARED_CREDENTIALS_FILE := /dev/null
comma := ,
export NO_PROXY := $(if $(NO_PROXY),$(NO_PROXY)$(comma))127.0.0.1,localhost

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- Tools: the control plane of the tests, built from pinned Go modules ------------------------------------------

# The version that a module's go.mod requires: $(call version,<directory>,<Go module>).
# The Rust side reads the same files, so a version is written in one place only.
version = $(shell awk '{ sub(/^require /, "") } $$1 == "$(2)" { print $$2; exit }' tests/tools/$(1)/go.mod)

# VERSION=1.35 takes another minor version of Kubernetes than the pinned one, and its own module below tests/tools.
ifeq ($(origin VERSION),command line)
KUBERNETES_MODULE := $(if $(filter v$(VERSION).%,$(call version,kubernetes,k8s.io/kubernetes)),kubernetes,kubernetes-$(VERSION))
KUBERNETES_VERSION := $(if $(wildcard tests/tools/$(KUBERNETES_MODULE)/go.mod),$(call version,$(KUBERNETES_MODULE),k8s.io/kubernetes))
$(if $(KUBERNETES_VERSION),,$(error VERSION=$(VERSION): there is no tests/tools/$(KUBERNETES_MODULE)/go.mod, but $(patsubst tests/tools/%/go.mod,%,$(wildcard tests/tools/kubernetes-*/go.mod))))
export AMISEAL_KUBERNETES := $(KUBERNETES_VERSION)
else
KUBERNETES_MODULE := kubernetes
KUBERNETES_VERSION := $(call version,kubernetes,k8s.io/kubernetes)
unexport AMISEAL_KUBERNETES
endif

KUBERNETES := $(AMISEAL_TOOLS)/kubernetes-$(KUBERNETES_VERSION)
ETCD := $(AMISEAL_TOOLS)/etcd-$(call version,etcd,go.etcd.io/etcd/server/v3)
HELM := $(AMISEAL_TOOLS)/helm-$(call version,helm,helm.sh/helm/v4)
PROMETHEUS := $(AMISEAL_TOOLS)/prometheus-$(call version,prometheus,github.com/prometheus/prometheus)
# Of our own, around the code by which Flux judges objects, and the Lua that Argo CD runs.
GITOPS := $(AMISEAL_TOOLS)/gitops-$(call version,gitops,github.com/fluxcd/pkg/runtime)
# Of our own, around Grafana's schema of dashboards.
GRAFANA := $(AMISEAL_TOOLS)/grafana-$(call version,grafana,github.com/grafana/grafana-foundation-sdk/go)

TOOLS := $(ETCD)/etcd $(KUBERNETES)/kube-apiserver $(KUBERNETES)/kubectl $(KUBERNETES)/kube-controller-manager \
	$(HELM)/helm
TOOLS_ALL := $(TOOLS) $(PROMETHEUS)/promtool $(GITOPS)/gitops $(GRAFANA)/grafana

.PHONY: tools
tools: $(TOOLS) ## Build what the demo needs, and most tests: etcd, kube-apiserver, kube-controller-manager, kubectl, helm

.PHONY: tools-all
tools-all: $(TOOLS_ALL) ## Build also promtool, and what judges as Argo CD, Flux and Grafana do

# A half-built binary is never seen under its final name: $(call go-build,<directory>,<package>,<more linker flags>).
define go-build
@mkdir -p $(@D)
@echo "building $(@F) of $(notdir $(@D))"
@tmp="$@.$$$$.tmp"; trap 'rm -f "$$tmp"' EXIT; \
cd tests/tools/$(1) && CGO_ENABLED=0 go build -mod=readonly -trimpath -buildvcs=false -tags '$(GO_TAGS)' -ldflags "-s -w $(3)" -o "$$tmp" $(2) && mv "$$tmp" "$@"
endef

$(ETCD)/etcd:
	$(call go-build,etcd,go.etcd.io/etcd/server/v3)

# Without these, kube-apiserver calls itself v0.0.0, and clients that compare versions refuse it. The others likewise.
kubernetes-flags = $(foreach package,k8s.io/component-base/version k8s.io/client-go/pkg/version,\
	-X $(package).gitVersion=$(KUBERNETES_VERSION) -X $(package).gitTreeState=clean \
	-X $(package).gitMajor=$(word 1,$(subst ., ,$(KUBERNETES_VERSION:v%=%))) \
	-X $(package).gitMinor=$(word 2,$(subst ., ,$(KUBERNETES_VERSION:v%=%))))

$(KUBERNETES)/%:
	$(call go-build,$(KUBERNETES_MODULE),k8s.io/kubernetes/cmd/$*,$(kubernetes-flags))

$(HELM)/helm:
	$(call go-build,helm,helm.sh/helm/v4/cmd/helm,-X helm.sh/helm/v4/internal/version.version=$(patsubst helm-%,%,$(notdir $(HELM))))

# Of the ways to find targets only that by the API server: the others are the clients of twenty clouds.
$(PROMETHEUS)/%: GO_TAGS := remove_all_sd,enable_kubernetes_sd
$(PROMETHEUS)/%:
	$(call go-build,prometheus,github.com/prometheus/prometheus/cmd/$*,-X github.com/prometheus/common/version.Version=$(patsubst prometheus-v%,%,$(notdir $(PROMETHEUS))))

# Its sources are here, and not in a module of this version.
$(GITOPS)/gitops: $(wildcard tests/tools/gitops/*)
	$(call go-build,gitops,.)

$(GRAFANA)/grafana: $(wildcard tests/tools/grafana/*)
	$(call go-build,grafana,.)

# --- Tools: cargo-deny --------------------------------------------------------------------------------------------

CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := $(CACHE)/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny

# Cargo puts the binary in place only when it is whole. Its build is of no use afterwards.
$(CARGO_DENY):
	cargo install --locked --root $(CACHE)/cargo-deny-$(CARGO_DENY_VERSION) \
		--target-dir $(CACHE)/cargo-deny-$(CARGO_DENY_VERSION)/target cargo-deny@$(CARGO_DENY_VERSION)
	rm -rf $(CACHE)/cargo-deny-$(CARGO_DENY_VERSION)/target

# --- Tests, checks, and the product at work -----------------------------------------------------------------------

# Everything is built with one selection of packages and targets: another one unites the features of dependencies
# otherwise, and the AWS SDK is then compiled again, for minutes.
.PHONY: build
build: ## Build all packages and targets in the dev profile
	cargo build --workspace --all-targets --locked

# Tests of real parts wait more than they work: twice as many at a time as two cores have, and two binaries beside each other. Whichever
# ends makes room for the next: the long ones begin first, so that none of them is left over. `scenarios` and `chart` mostly wait for
# API servers, `policy_fields` keeps one busy, `simulation` computes.
TEST_THREADS ?= 4
TEST_JOBS ?= 2
LONG_TESTS := scenarios simulation policy_fields chart
TESTS := $(sort $(basename $(notdir $(wildcard tests/*.rs tests/*/tests/*.rs))) $(notdir $(patsubst %/main.rs,%,$(wildcard tests/*/main.rs tests/*/tests/*/main.rs))))

.PHONY: test
test: tools-all ## Run all Rust tests: unit, property, scenarios on a real API server, a slice of `fields` and of `simulate`
	cargo test --workspace --locked --no-run
	@$(MAKE) --no-print-directory --jobs=$(TEST_JOBS) --output-sync=target --keep-going \
		$(patsubst %,test-%,$(LONG_TESTS) unit $(filter-out $(LONG_TESTS),$(TESTS)))

# Built by then: what Cargo selects here changes nothing of that.
.PHONY: test-unit
test-unit:
	cargo test --workspace --locked --lib --bins
	cargo test --workspace --locked --doc

test-%:
	RUST_TEST_THREADS=$(TEST_THREADS) cargo test --workspace --locked --test $*

.PHONY: test-kubernetes
test-kubernetes: tools ## Run the scenarios against another Kubernetes: VERSION=1.35 or 1.37; its first build takes ten minutes
	$(if $(AMISEAL_KUBERNETES),,$(error VERSION is missing: make test-kubernetes VERSION=1.35))
	RUST_TEST_THREADS=$(TEST_THREADS) AMISEAL_EVERY_CHANGE=1 cargo test --workspace --locked --test scenarios --test policy_fields --test policy_validation
	cargo test --workspace --locked --test chart -- installing

.PHONY: fields
fields: tools ## Change each field of a policy in every way and back, on a real API server
	AMISEAL_EVERY_CHANGE=1 cargo test --workspace --locked --test policy_fields

# Of the moments at which each fault strikes every STRIDE-th is played: STRIDE=1 plays all. Then SEEDS histories with faults at random,
# and the first of their seeds: SEEDS=20000 FIRST=1000000 plays new ones.
STRIDE ?= 20
SEEDS ?= 100
FIRST ?= 1

.PHONY: simulate
simulate: ## Simulate each fault at many moments, and SEEDS histories with several at random; STRIDE=1 SEEDS=1200 before a release
	cargo test --workspace --locked --test simulation -- --stride $(STRIDE) --histories $(SEEDS) --first $(FIRST)

.PHONY: guards
guards: build ## Take what guards a promise out of a copy of the sources, one after the other, and see the simulation find it
	@"$(CARGO_TARGET_DIR)/debug/guards" $(GUARDS)

# Digits, and names of faults as `chaos --help` lists them.
SEED ?=
FAULTS ?=

.PHONY: chaos
chaos: tools ## Kill, stop, cut off and fill up what amiseal runs on while it migrates 300 images; SEED=n, FAULTS="full etcd"
	cargo build --workspace --all-targets --locked
	@"$(CARGO_TARGET_DIR)/debug/chaos" $(if $(SEED),--seed $(SEED)) $(FAULTS)

# Names of causes as `alerts --help` lists them, and a file of HTML to draw the dashboard in.
CAUSES ?=
DASHBOARD ?=

.PHONY: alerts
alerts: tools $(PROMETHEUS)/prometheus ## Make each alert fire by its real cause, read by a real Prometheus, and resolve; CAUSES="killed aws-gone"
	cargo build --workspace --all-targets --locked
	@"$(CARGO_TARGET_DIR)/debug/alerts" $(if $(DASHBOARD),--dashboard $(DASHBOARD)) $(CAUSES)

.PHONY: lint
lint: $(CARGO_DENY) ## Check formatting, lints, and the licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO_DENY) --workspace --locked check licenses bans sources

.PHONY: crds
crds: build ## Generate crds/ from the types in src/api
	$(CARGO_TARGET_DIR)/debug/amiseal crd --output-dir crds

.PHONY: findings
findings: ## Generate docs/findings.md from the checks in src/plan/findings
	AMISEAL_WRITE_DOCS=1 cargo test --workspace --locked --test docs -- the_page_of_findings

.PHONY: rights
rights: ## Write what `amiseal iam-policy` prints into docs/guide.md, and its statements into docs/rights.md
	AMISEAL_WRITE_DOCS=1 cargo test --workspace --locked --test docs --test rights -- rights

.PHONY: chart
chart: $(HELM)/helm ## Check the Helm chart and package it into the current directory
	$(HELM)/helm lint --strict charts/amiseal
	$(HELM)/helm package charts/amiseal

.PHONY: demo
demo: tools ## Watch amiseal encrypt the images of six accounts; KEEP=1 leaves it running to try by hand
	cargo build --workspace --all-targets
	@"$(CARGO_TARGET_DIR)/debug/demo" $(if $(KEEP),--keep)

.PHONY: bench
bench: tools ## Measure makespan, reads, writes, scans, replicas and memory in release, one JSON line each; the first build takes long
	cargo bench --workspace --locked --no-fail-fast --bench consumers --bench migration --bench moving --bench neighbours --bench scaling --bench silent --bench size

# Python packages live in an environment per version of Python and set of requirements; `installed` says that it is whole.
# $(call venv,<name>,<requirements>) makes it, and has the shell know it as $$venv.
define venv
python="$$($(PYTHON) -c 'import platform; print(platform.python_version())')"; \
requirements="$$(git hash-object $(2))"; \
venv="$(CACHE)/$(1)-$$python-$$requirements"; \
if [ ! -e "$$venv/installed" ]; then \
	rm -rf "$$venv"; \
	$(PYTHON) -m venv "$$venv"; \
	"$$venv/bin/pip" install --quiet --disable-pip-version-check --requirement $(2); \
	touch "$$venv/installed"; \
fi
endef

.PHONY: image-lint
image-lint: ## Check the Dockerfile with hadolint
	@$(call venv,hadolint,tests/chart/hadolint.txt); \
	"$$venv/bin/hadolint" --failure-threshold style Dockerfile

.PHONY: boto3
boto3: build ## Drive the simulator with boto3, an independent AWS client
	@$(call venv,boto3,tests/ec2sim/boto3/requirements.txt); \
	EC2SIM_BIN="$(CARGO_TARGET_DIR)/debug/ec2sim" "$$venv/bin/python" -B -m pytest -p no:cacheprovider tests/ec2sim/boto3

# Packages of npm likewise, per version of Node.js and lock file.
define npm
lock="$$(git hash-object $(2)/package-lock.json)"; \
modules="$(CACHE)/$(1)-node-$$(node --version)-$$lock"; \
if [ ! -e "$$modules/installed" ]; then \
	rm -rf "$$modules"; \
	mkdir -p "$$modules"; \
	cp $(2)/package.json $(2)/package-lock.json "$$modules"; \
	npm ci --prefix "$$modules" --ignore-scripts --no-audit --no-fund --loglevel error; \
	touch "$$modules/installed"; \
fi
endef

.PHONY: iam-lint
iam-lint: build ## Hold the rights that `amiseal iam-policy` prints, and the documents, against AWS's own data and cfn-lint
	@$(call venv,iam,tests/rights/iam/requirements.txt); \
	$(call npm,iam,tests/rights/iam); \
	IAM_MODULES="$$modules" CFN_LINT="$$venv/bin/cfn-lint" AMISEAL_BIN="$(CARGO_TARGET_DIR)/debug/amiseal" \
		node --test --test-reporter spec tests/rights/iam/*.test.mjs

# A browser comes with the system: Debian's package is chromium.
CHROMIUM ?= $(firstword $(shell command -v chromium chromium-browser google-chrome))
# A folder for pictures of the report's page.
PICTURES ?=

.PHONY: chromium
chromium: ## Install Debian's Chromium where there is none
	@$(if $(CHROMIUM),,apt-get update && apt-get install --yes --no-install-recommends chromium)

.PHONY: forms
forms: chromium ## Hold the report's golden files against the schemas of SARIF and OCSF, and use its page in Chromium; PICTURES=dir
	@$(call venv,forms,tests/report_command/forms/requirements.txt); \
	"$$venv/bin/python" -B tests/report_command/forms/ocsf.py
	@$(call npm,forms,tests/report_command/forms); \
	FORMS_MODULES="$$modules" FORMS_PICTURES="$(abspath $(PICTURES))" CHROMIUM="$(CHROMIUM)" \
		node --test --test-reporter spec tests/report_command/forms/*.test.mjs

.PHONY: golden
golden: ## Write the report's golden files anew
	AMISEAL_WRITE_GOLDEN=1 cargo test --workspace --locked --test report_command -- golden

.PHONY: control-plane
control-plane: tools build ## Run an empty control plane with what the chart installs until Ctrl-C; prints its KUBECONFIG
	$(CARGO_TARGET_DIR)/debug/control-plane

.PHONY: clean
clean: ## Remove what Cargo built; tools stay in the cache
	cargo clean
