PYTHON ?= python3
BIN := .venv/bin
BENCHES := commands grading frames board gradebook burst cluster bleu answers auc frechet leaks images replay gradients training_hw01 training_hw02 training_hw03 training_hw04 training_hw05 training_hw06 training_hw07 training_hw08 training_hw11 training_hw12 training_hw13 training_hw14 training_hw15

.PHONY: demo test test-slow bench clean

demo: .venv/train  ## install, then run a tour of everything in a temporary course
	$(BIN)/lhy-grade demo

test: .venv/test  ## linters, types and all fast tests, mostly on SQLite
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q -n 2 --dist worksteal -m 'not slow' --durations 10

test-slow: .venv/test  ## tests that take long: PostgreSQL, coverage of intervals, cheap tricks, repeated kills, bursts
	$(BIN)/pytest -q -n 2 --dist worksteal -m slow --durations 10

bench: .venv/test  ## measure the speed, as ratios to the usual program in the same run
	for bench in $(BENCHES); do $(BIN)/python tests/bench/$$bench.py || exit 1; done

clean:
	rm -rf .venv

.venv/train .venv/test: .venv/%: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[$*]"
	# The reference of HW6's Inception network; without torchvision, which would install another torch.
	test $* != test || $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps torch-fidelity==0.4.0
	touch $@
