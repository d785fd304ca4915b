# A thin door to the CMake presets (see CMakePresets.json): `make PRESET=dev build` is `cmake --preset dev` and
# `cmake --build --preset dev` after build_tools/setup.sh.
PRESET ?= release
PYTHON := build/deps/venv/bin/python
CMAKE := build/deps/venv/bin/cmake

.PHONY: help setup build demo test bench bench-adaptive wheel clean
.DEFAULT_GOAL := help

help:
	@echo "make demo     watch a real model become a native program that gives the right answer"
	@echo "make test     run every test: unit, lit, Python, end-to-end, ONNX node tests"
	@echo "make build    compiler, tools and Python package in build/$(PRESET)"
	@echo "make bench    compare with ONNX Runtime, results in build/bench"
	@echo "make bench-adaptive  adaptive models, against OpenVINO and IREE too, results in build/bench/adaptive"
	@echo "make wheel    the Python package as a wheel in build/dist"
	@echo "make setup    install what is missing (Debian packages, build/deps)"
	@echo "make clean    remove build/$(PRESET)"
	@echo "PRESET=release|dev|asan chooses the CMake preset; now $(PRESET)"

setup:
	@build_tools/setup.sh

build: setup
	@$(PYTHON) build_tools/build.py $(PRESET)

demo: build
	@$(PYTHON) build_tools/demo.py --build build/$(PRESET)

test: build
	@$(PYTHON) build_tools/run_tests.py --build build/$(PRESET)

bench: build
	@$(PYTHON) benchmarks/run.py --build build/$(PRESET)

bench-adaptive: build
	@$(PYTHON) benchmarks/adaptive/run.py --build build/$(PRESET)

wheel: setup
	@$(PYTHON) -m pip wheel --no-deps --no-build-isolation -w build/dist .

clean:
	rm -rf build/$(PRESET)
