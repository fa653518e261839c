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

# --- Tools: the control plane of the tests, built from pinned Go modules ------------------------------------------

# The version that a module's go.mod requires: $(call version,<directory>,<Go module>).
# The Rust side reads the same files, so a version is written in one place only.
version = $(shell awk '{ sub(/^require /, "") } $$1 == "$(2)" { print $$2; exit }' tests/tools/$(1)/go.mod)

KUBERNETES := $(AMISEAL_TOOLS)/kubernetes-$(call version,kubernetes,k8s.io/kubernetes)
ETCD := $(AMISEAL_TOOLS)/etcd-$(call version,etcd,go.etcd.io/etcd/server/v3)
HELM := $(AMISEAL_TOOLS)/helm-$(call version,helm,helm.sh/helm/v4)
PROMTOOL := $(AMISEAL_TOOLS)/promtool-$(call version,promtool,github.com/prometheus/prometheus)

TOOLS := $(ETCD)/etcd $(KUBERNETES)/kube-apiserver $(KUBERNETES)/kubectl $(KUBERNETES)/kube-controller-manager
TOOLS_ALL := $(TOOLS) $(HELM)/helm $(PROMTOOL)/promtool

.PHONY: tools
tools: $(TOOLS) ## Build what tests and demo need: etcd, kube-apiserver, kube-controller-manager, kubectl

.PHONY: tools-all
tools-all: $(TOOLS_ALL) ## Build also helm and promtool

# A half-built binary is never seen under its final name: $(call go-build,<directory>,<package>,<more linker flags>).
define go-build
@mkdir -p $(@D)
@echo "building $(@F) of $(notdir $(@D))"
@tmp="$@.$$$$.tmp"; trap 'rm -f "$$tmp"' EXIT; \
cd tests/tools/$(1) && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "-s -w $(3)" -o "$$tmp" $(2) && mv "$$tmp" "$@"
endef

$(ETCD)/etcd:
	$(call go-build,etcd,go.etcd.io/etcd/server/v3)

# Without these, kube-apiserver calls itself v0.0.0, and clients that compare versions refuse it.
kubernetes-version = $(patsubst kubernetes-%,%,$(notdir $(KUBERNETES)))
kubernetes-flags = $(foreach package,k8s.io/component-base/version k8s.io/client-go/pkg/version,\
	-X $(package).gitVersion=$(kubernetes-version) -X $(package).gitTreeState=clean \
	-X $(package).gitMajor=$(word 1,$(subst ., ,$(kubernetes-version:v%=%))) \
	-X $(package).gitMinor=$(word 2,$(subst ., ,$(kubernetes-version:v%=%))))

$(KUBERNETES)/%:
	$(call go-build,kubernetes,k8s.io/kubernetes/cmd/$*,$(kubernetes-flags))

$(HELM)/helm:
	$(call go-build,helm,helm.sh/helm/v4/cmd/helm)

$(PROMTOOL)/promtool:
	$(call go-build,promtool,github.com/prometheus/prometheus/cmd/promtool)
