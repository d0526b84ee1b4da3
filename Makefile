# Everything a newcomer needs. What needs more than a line is a program: internal/testrun.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# A checkout that belongs to another user (a container, a CI machine) must not stop git, nor with it the build.
export GIT_CONFIG_COUNT := 1
export GIT_CONFIG_KEY_0 := safe.directory
export GIT_CONFIG_VALUE_0 := $(CURDIR)

# Arguments for go test, e.g. make test ARGS='-run TestRotate ./internal/keys'
ARGS ?=
# How long each fuzz target runs.
FUZZTIME ?= 1m
export FUZZTIME

TOOL := go tool -modfile=tools/go.mod
TESTRUN := mkdir -p build && go build -buildvcs=false -o build/testrun ./internal/testrun && build/testrun

.PHONY: help build test prove bench fuzz lint fmt check vuln

help: ## what there is to make
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

build: ## the program: one static file, build/tocsin, its version from git
	CGO_ENABLED=0 go build -buildvcs=auto -trimpath -o build/tocsin ./cmd/tocsin

test: ## every test with the race detector; installs and starts what they need, PostgreSQL among it
	@$(TESTRUN) test $(ARGS)

prove: ## the same properties at full size, then docs/bench
	@$(TESTRUN) prove $(ARGS)
	@$(TESTRUN) bench

bench: ## benchmarks of the rooms and of the whole pipeline, into docs/bench
	@$(TESTRUN) bench

fuzz: ## each fuzz target for FUZZTIME
	@$(TESTRUN) fuzz

lint: ## golangci-lint, format included; go.mod is tidy
	go mod tidy -diff
	$(TOOL) golangci-lint run ./...

fmt: ## format
	$(TOOL) golangci-lint fmt ./...

check: lint test ## before a commit: what CI runs

vuln: ## known vulnerabilities in what is called, where the database can be reached
	@$(TESTRUN) vuln
