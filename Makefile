# The two commands of the README. Both set up .venv first; a second call is quick.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(if $(shell command -v $(name) 2>/dev/null),$(name))))
VENV := .venv
BIN := $(VENV)/bin
# Known-good torch versions; empty where a machine wants others: make demo CONSTRAINTS=
CONSTRAINTS ?= -c constraints.txt

.PHONY: demo test setup lint clean

demo: setup
	$(BIN)/gill-bench run vist --contexts paper --out runs/demo
	$(BIN)/gill-bench report runs/demo --table table-1 --compare paper
	$(BIN)/gill-bench mini findings runs/demo
	$(BIN)/gill-bench report runs/demo --table table-1 --out runs/demo/table-1.md --pictures runs/demo/pictures.png
	$(BIN)/gill-bench report runs/demo --html
	@echo "also written: runs/demo/table-1.md and runs/demo/pictures.png; open runs/demo/page/index.html in a browser"

test: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(CONSTRAINTS) -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
