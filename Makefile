# `make` runs everything, `make test` passes the tests; both install into .venv what is missing.
PYTHON ?= python3
ACTIVATE = . .venv/bin/activate

.PHONY: run experiment study nasbench201 test test-long test-slurm params lint report check claims docs verify lock

run: .venv/installed
	$(ACTIVATE) && snakemake --cores all

# The searches at greater length, each configuration in a clone of its own under .study/, where a
# study that was ended goes on; what it shows is copied to docs/study/.
study: .venv/installed
	$(ACTIVATE) && workflow/support/study.sh study text study/text
	$(ACTIVATE) && workflow/support/study.sh study images study/images
	$(ACTIVATE) && workflow/support/study.sh study_ptb text study/ptb

# Searches of NAS-Bench-201, judged by its published tables, likewise; copied to docs/nasbench201/.
# Needs pip install '.[nasbench]' and data/cifar10.tar.xz.
nasbench201: .venv/installed
	$(ACTIVATE) && workflow/support/study.sh nasbench201 nasbench201 nasbench201 published

# With an overlay, as `make experiment OVERLAY=config/smoke.yaml OPTIONS="--name smoke"`.
experiment: .venv/installed
	$(ACTIVATE) && python workflow/support/experiment.py $(OVERLAY) $(OPTIONS)

TESTS ?= not long
test: .venv/installed
	$(ACTIVATE) && pytest -m "$(TESTS)"

# The tests that are left out of `make test` because they take minutes.
test-long: .venv/installed
	$(ACTIVATE) && pytest -m long

# On a Slurm of one node that it starts; needs root and `apt-get install slurm-wlm munge`.
test-slurm: .venv/installed
	$(ACTIVATE) && tests/cluster/slurm.sh

lint: .venv/installed
	$(ACTIVATE) && ruff check . && ruff format --check . && mypy && lint-imports && codespell \
		&& snakefmt --check Snakefile workflow/rules && snakemake --lint

# Writes the comments of params.yaml from the declarations of the settings.
params: .venv/installed
	$(ACTIVATE) && PYTHONPATH=workflow python -m support.params_file

report: .venv/installed
	$(ACTIVATE) && snakemake --report report.html

# What a finished run says, against the committed results; an error if a primary verdict changed.
check: .venv/installed
	$(ACTIVATE) && python workflow/support/check.py

# Puts what the results say into README.md and REPRODUCIBILITY.md.
claims: .venv/installed
	$(ACTIVATE) && python workflow/support/claims.py

# The documentation as a site: site/index.html.
docs: .venv/installed
	$(ACTIVATE) && mkdocs build --strict

# Names and removes damaged objects in DVC's cache.
verify: .venv/installed
	$(ACTIVATE) && python workflow/support/verify.py

# New pins, after a change of the ranges in pyproject.toml.
lock:
	uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
		--extra workflow --extra cluster --extra s3 --extra transformers --extra lightning --extra docs --extra dev \
		--quiet pyproject.toml --output-file requirements.lock

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@
