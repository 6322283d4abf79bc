# make demo            the demo suite at http://127.0.0.1:7860
# make test            the tests, on TensorFlow
# make check           format, lint, tests
# make check-backends  the tests of models and data on JAX and torch
# make train MODEL=dcgan ARGS="--epochs 5"
# make benchmark       speed, to training/results/benchmark.json

PYTHON ?= python3
PORT ?= 7860
PYTEST = bin/python -m pytest -n 2 --dist worksteal -m "not slow"
BACKEND_TESTS = tests/models tests/layers tests/metrics tests/datasets \
	tests/test_backend.py tests/test_callbacks.py tests/test_resume.py \
	tests/test_latents.py tests/test_presets.py tests/test_saved_generators.py \
	tests/training/test_benchmark.py

# What .venv has, unless the caller says otherwise.
demo train: export KERAS_BACKEND ?= tensorflow
# TensorFlow reports a missing GPU as an error.
demo train: export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: demo test check format check-backends check-jax check-torch train benchmark

# One thread a process: results on the CPU depend on the number of threads.
test check-jax check-torch: export OMP_NUM_THREADS = 1
# JAX compiles each operation by itself; the tests' processes share the results.
check-jax: export JAX_COMPILATION_CACHE_DIR = $(CURDIR)/.venv-jax/compiled
check-jax: export JAX_PERSISTENT_COMPILATION_CACHE_MIN_COMPILE_TIME_SECS = 0
check-jax: export JAX_PERSISTENT_COMPILATION_CACHE_MIN_ENTRY_SIZE_BYTES = -1
test: export KERAS_BACKEND = tensorflow
# What XLA compiles runs a few times in a test: fast code is not worth its making.
test: export XLA_FLAGS = --xla_backend_optimization_level=0
test check-jax check-torch: export TF_CPP_MIN_LOG_LEVEL = 3

demo: .venv/installed
	.venv/bin/python demos/app.py --port $(PORT) $(if $(MODEL),--model "$(MODEL)") \
		$(if $(DATASET),--dataset "$(DATASET)")

test: .venv/installed
	.venv/$(PYTEST)

check: .venv/installed
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/python training/make_tables.py --check
	$(MAKE) test

format: .venv/installed
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

check-backends: check-jax check-torch

check-jax: .venv-jax/installed
	KERAS_BACKEND=jax .venv-jax/$(PYTEST) $(wildcard $(BACKEND_TESTS))

check-torch: .venv-torch/installed
	KERAS_BACKEND=torch .venv-torch/$(PYTEST) $(wildcard $(BACKEND_TESTS))

MODEL ?=
train: .venv/installed
	@test -f "training/train_$(MODEL).py" || { echo "Name a model, such as: make train MODEL=dcgan"; exit 1; }
	.venv/bin/python training/train_$(MODEL).py $(ARGS)

benchmark: .venv/installed .venv-jax/installed .venv-torch/installed
	.venv/bin/python training/benchmark.py

.venv/installed: requirements.txt pyproject.toml
	$(call make_venv,.venv,-r requirements.txt)

# Variables, since a comma would end the argument of `call`.
JAX_PACKAGES = -e ".[jax,test]"
TORCH_PACKAGES = torch==2.13.0 -e ".[test,oracles]"

.venv-jax/installed: pyproject.toml
	$(call make_venv,.venv-jax,$(JAX_PACKAGES))

.venv-torch/installed: pyproject.toml
	$(call make_venv,.venv-torch,$(TORCH_PACKAGES))

# $(1): the folder, $(2): what to install. The file `installed` marks a complete one.
define make_venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"gen_keras needs Python 3.11 or later; name one by PYTHON=…. Received: " + \
		sys.version.split()[0])'
	$(PYTHON) -m venv $(1)
	$(1)/bin/python -m pip install --quiet --upgrade pip
	$(1)/bin/python -m pip install --quiet $(2)
	touch $@
endef
