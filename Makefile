PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test bench clean

demo: .venv/train  ## install, then show everything once in a fresh temporary course
	$(BIN)/lhy-grade demo

test: .venv/test  ## linters, types and the whole suite, on SQLite and PostgreSQL
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q -n 2 --durations 10

bench: .venv/test  ## speed, as ratios against the usual program in the same run
	for bench in commands grading board; do $(BIN)/python tests/bench/$$bench.py || exit 1; done

clean:
	rm -rf .venv

.venv/train .venv/test: .venv/%: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[$*]"
	touch $@
