# Needs Python 3.11 or newer and make; everything else is set up in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test check bench soak prompts lock clean

setup: $(STAMP)

$(STAMP): pyproject.toml setup.py requirements.lock requirements-dev.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup # with the demo agent's hearing, where there is a wheel of it
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary pocketsphinx -r requirements-demo.lock \
		|| echo "No speech recognition for this machine: the demo agent talks and takes the keypad, but does not understand words."
	$(BIN)/callbridge demo $(ARGS)

test: setup
	$(BIN)/python -m pytest -n auto $(ARGS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: setup
	$(BIN)/callbridge bench $(ARGS)

soak: setup
	$(BIN)/python -m bench.soak $(ARGS)

prompts: setup # the bridge's own spoken clips, rendered anew
	$(BIN)/python -m bench.prompts

lock: # newest versions that pyproject.toml allows, for every supported Python, with hashes
	uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --upgrade pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --upgrade pyproject.toml --group dev -o requirements-dev.lock
	uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --upgrade pyproject.toml --extra demo -o requirements-demo.lock

clean:
	rm -rf $(VENV) build *.egg-info

fuzz: setup # the four parsers, coverage-guided; SECONDS each, two at a time
	$(BIN)/python -c "import atheris" 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check "atheris>=3"
	printf '%s\n' carrier agent webhook twiml | xargs -P 2 -I{} $(BIN)/python -m tests.fuzz {} $(or $(SECONDS),60)
