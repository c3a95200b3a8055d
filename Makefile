# make demo   set up and make a talking head from the packaged sample, in demo/
# make test   set up and run all tests
# make lint   set up, then ruff and mypy
# make test-fuzz   1,000 damaged files for every reader, a quarter of an hour
# make test-readers   what others make of our files: Blender, an older USD, the glTF validator (Node.js),
#                     three.js (Chromium), Godot (if godot3-server is there)
# make venv   set up only: .venv with the package, editable, and the tools of development

PYTHON ?= $(or $(shell command -v python3.11),python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-readers test-fuzz lint venv gl

demo: $(READY) gl
	$(BIN)/adamesh demo -o demo

test: $(READY) gl
	$(BIN)/python -m pytest -n auto --dist loadfile

test-fuzz: $(READY)
	$(BIN)/python fuzz/run.py

# Blender's module wants another numpy than ours, and the USD is another, so they live in environments of their own.
READERS := .readers
test-readers: $(READY) $(READERS)/.ready gl
	ADAMESH_READERS=$(CURDIR)/$(READERS) $(BIN)/python -m pytest readers

$(READERS)/.ready: Makefile | $(READY)
	$(PYTHON) -m venv $(READERS)/venv
	$(READERS)/venv/bin/python -m pip install bpy==5.0.1
	$(PYTHON) -m venv $(READERS)/usd
	$(READERS)/usd/bin/python -m pip install usd-core==25.11 # the last with ComplianceChecker that was tried
	# Its wheel lacks the definitions of the preview shaders, without which the checker fails on any material.
	cd $(READERS)/usd/lib/python*/site-packages/pxr/pluginfo && \
		cp -r $(CURDIR)/$(VENV)/lib/python*/site-packages/pxr/pluginfo/usdShaders . && \
		cp -r usdShaders/resources/shaders usdHydra/resources/
	npm install --prefix $(READERS) gltf-validator@2.0.0-dev.3.10 three@0.187.0
	touch $@

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy

venv: $(READY)

# The stamp is made last: where a set-up was cut off there is none, and the next make goes on.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev]'
	touch $@

# Rendering draws with OpenGL through EGL. Where that is missing and Debian packages can be installed,
# they are; elsewhere the renderer says what it needs.
GL_PACKAGES := libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri libx11-6 libxcursor1 libxrender1
gl:
	@if $(PYTHON) -c 'import ctypes; ctypes.CDLL("libEGL.so.1")' 2>/dev/null; then :; \
	elif ! command -v apt-get >/dev/null; then echo "No libEGL here: mp4 export needs it."; \
	elif [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $(GL_PACKAGES); \
	elif sudo -n true 2>/dev/null; then \
		sudo apt-get update -qq && sudo apt-get install -y -qq --no-install-recommends $(GL_PACKAGES); \
	else echo "No libEGL here: mp4 export needs it (apt-get install $(GL_PACKAGES))."; fi
