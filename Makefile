# The commands of the README, demo and test, set up .venv first: demo installs the package alone, everything else the
# extras and tools besides, into the same .venv. A second call installs nothing.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(if $(shell command -v $(name) 2>/dev/null),$(name))))
VENV := .venv
BIN := $(VENV)/bin
# Known-good torch versions; empty where a machine wants others: make demo CONSTRAINTS=
CONSTRAINTS ?= -c constraints.txt

.PHONY: demo test types quick-tests test-all test-lowest test-newest docs setup setup-demo lint clean pictures

# Environments that people have: the lowest versions that pyproject.toml admits, and the newest, from a wheel, with no
# extras. torch is that of constraints.txt in both, as older ones come with gigabytes; `make test-lowest CONSTRAINTS=`
# takes the lowest of it, too.
LOWEST := .venv-lowest
NEWEST := .venv-newest
UV ?= $(or $(shell command -v uv 2>/dev/null),.venv-uv/bin/uv)
JOB := vist --models gill,stable-diffusion --contexts 1-caption --limit 1 --seeds 1 --workers 1 --threads 1
LOADERS := tests/weights/test_hub.py tests/weights/test_find.py tests/models/test_clip.py tests/models/diffusers/test_pipelines.py \
	tests/models/test_causal_lm.py tests/models/gill/test_checkpoint.py tests/models/fromage/test_checkpoint.py \
	tests/metrics/test_lpips.py

demo: setup-demo
	$(BIN)/gill-bench run vist --models gill,stable-diffusion,glide --contexts paper --out runs/demo
	$(BIN)/gill-bench report runs/demo --table table-1 --compare paper
	$(BIN)/gill-bench mini findings runs/demo
	$(BIN)/gill-bench report runs/demo --table table-1 --out runs/demo/table-1.md --pictures runs/demo/pictures.png
	$(BIN)/gill-bench report runs/demo --html
	@echo "also written: runs/demo/table-1.md and runs/demo/pictures.png; open runs/demo/page/index.html in a browser"

test: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@$(MAKE) --no-print-directory -j2 types quick-tests

# Beside each other: mypy has one thread.
types:
	$(BIN)/mypy

quick-tests:
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

# The slow tests besides: kills at every turn, training, Ray, the paper's findings on the embedded world. Whole files
# go to a worker, so that what several tests share is made once.
test-all: test
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow

# The documentation site, in build/site; a broken link is an error. A slow test builds it, too.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "open build/site/index.html in a browser; the search needs a server: $(BIN)/python -m mkdocs serve"

# The pictures of the README; a test says when the first is out of date. The second needs Chromium.
pictures: setup
	$(BIN)/python -m benchmarks.readme_pictures stories
	$(BIN)/python -m benchmarks.readme_pictures gallery

test-lowest: $(LOWEST)/.installed
	rm -rf $(LOWEST)/run
	GILL_BENCH_CACHE=$(LOWEST)/cache $(LOWEST)/bin/gill-bench run $(JOB) --out $(LOWEST)/run
	$(LOWEST)/bin/gill-bench report $(LOWEST)/run
	$(LOWEST)/bin/gill-bench report $(LOWEST)/run --html
	$(LOWEST)/bin/python -m pytest -q -p no:cacheprovider $(LOADERS)

$(LOWEST)/.installed: pyproject.toml constraints.txt | $(UV)
	rm -rf $(LOWEST)
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --no-compile $(CONSTRAINTS) torch torchvision
	printf 'pytest>=8\npytest-socket>=0.7\n' | $(UV) pip compile --quiet --python $(LOWEST)/bin/python \
		--resolution lowest-direct $(CONSTRAINTS) pyproject.toml - --output-file $(LOWEST)/lowest.txt >/dev/null
	$(UV) pip install --quiet --python $(LOWEST)/bin/python -r $(LOWEST)/lowest.txt
	$(UV) pip install --quiet --python $(LOWEST)/bin/python --no-deps -e .
	touch $@

# Outside the checkout, so that nothing but the wheel is imported.
test-newest: $(NEWEST)/.installed
	rm -rf $(NEWEST)/wheel $(NEWEST)/outside
	mkdir $(NEWEST)/outside
	$(NEWEST)/bin/python -m pip wheel --quiet --no-deps --wheel-dir $(NEWEST)/wheel .
	$(NEWEST)/bin/python -m pip install --quiet --no-deps --force-reinstall $(NEWEST)/wheel/*.whl
	cp tests/weights/test_hub.py $(NEWEST)/outside
	printf '[pytest]\nmarkers = enable_socket: known to pytest-socket, which is not installed\n' > $(NEWEST)/outside/pytest.ini
	cd $(NEWEST)/outside && ../bin/gill-bench --help >/dev/null
	cd $(NEWEST)/outside && GILL_BENCH_CACHE=../cache ../bin/gill-bench run $(JOB) --out run
	cd $(NEWEST)/outside && ../bin/gill-bench report run && ../bin/gill-bench report run --html
	cd $(NEWEST)/outside && ../bin/python -m pytest -q -p no:cacheprovider test_hub.py

$(NEWEST)/.installed: pyproject.toml constraints.txt
	rm -rf $(NEWEST)
	$(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --no-compile $(CONSTRAINTS) . pytest
	touch $@

.venv-uv/bin/uv:
	$(PYTHON) -m venv .venv-uv
	.venv-uv/bin/python -m pip install --quiet uv

lint: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: $(VENV)/.installed

setup-demo: $(VENV)/.installed-demo

# After the package alone, also in a new .venv: the two never install at the same time, and one recipe makes .venv.
$(VENV)/.installed: $(VENV)/.installed-demo
	$(BIN)/python -m pip install --quiet $(CONSTRAINTS) -e '.[dev]'
	touch $@

$(VENV)/.installed-demo: pyproject.toml constraints.txt
	command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(CONSTRAINTS) -e .
	touch $@

clean:
	rm -rf $(VENV) $(LOWEST) $(NEWEST) .venv-uv build dist runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
