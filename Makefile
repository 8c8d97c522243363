# `make` runs everything, `make test` runs the tests; both install missing packages into .venv.
PYTHON ?= python3
ACTIVATE = . .venv/bin/activate

.PHONY: run experiment study nasbench201 test test-long test-slurm test-browser params lint report usage crate \
	check-crate check claims docs verify lock

run: .venv/installed
	$(ACTIVATE) && snakemake --cores all

# Longer searches, each configuration in a clone of its own under .study/, where an interrupted study
# resumes; its results are copied to docs/study/.
study: .venv/installed
	$(ACTIVATE) && workflow/support/study.sh study text study/text
	$(ACTIVATE) && workflow/support/study.sh study images study/images
	$(ACTIVATE) && workflow/support/study.sh study_ptb text study/ptb

# Searches of NAS-Bench-201, evaluated with its published tables; copied to docs/nasbench201/.
# Needs pip install '.[nasbench]' and data/cifar10.tar.xz.
nasbench201: .venv/installed
	$(ACTIVATE) && workflow/support/study.sh nasbench201 nasbench201 nasbench201 published

# A DVC experiment with an overlay: `make experiment OVERLAY=config/smoke.yaml OPTIONS="--name smoke"`.
experiment: .venv/installed
	$(ACTIVATE) && python workflow/support/experiment.py \
		$(or $(OVERLAY),$(error give a file: OVERLAY=config/smoke.yaml)) $(OPTIONS)

TESTS ?= not long
test: .venv/installed
	$(ACTIVATE) && pytest -m "$(TESTS)"

# The tests that are left out of `make test` because they take minutes.
test-long: .venv/installed
	$(ACTIVATE) && pytest -m long

# Runs the workflow on a Slurm cluster of one node, which it starts; needs root and
# `apt-get install slurm-wlm munge`.
test-slurm: .venv/installed
	$(ACTIVATE) && tests/cluster/slurm.sh

# Visits every entry of a report in a headless Chromium: `apt-get install chromium`.
test-browser: .venv/installed
	$(ACTIVATE) && pytest -n0 tests/browser/visit_report.py

lint: .venv/installed
	$(ACTIVATE) && ruff check . && ruff format --check . && mypy && lint-imports \
		&& git ls-files -z --cached --others --exclude-standard | xargs -0 codespell \
		&& snakefmt --check Snakefile workflow/rules && snakemake --lint

# Writes the comments of params.yaml from the declarations of the settings.
params: .venv/installed
	$(ACTIVATE) && PYTHONPATH=workflow python -m support.params_file

# All figures and findings in one file, which needs no network: report.html.
report: .venv/installed
	$(ACTIVATE) && snakemake --report report.html

# Time and memory that the jobs of each rule took.
usage: .venv/installed
	$(ACTIVATE) && python workflow/support/usage.py

# The finished run as a Workflow Run RO-Crate: crate.zip.
crate: .venv/installed
	$(ACTIVATE) && PYTHONPATH=workflow:src python -m support.crate

# Validates it against the profiles. The validator conflicts with other packages in .venv and has an
# environment of its own; it downloads the vocabulary.
check-crate: crate
	$(PYTHON) -m venv .venv/crate
	.venv/crate/bin/pip install --quiet --disable-pip-version-check 'roc-validator>=0.13'
	.venv/crate/bin/rocrate-validator validate --no-paging --verbose \
		--profile-identifier workflow-run-crate --requirement-severity REQUIRED crate.zip

# Compares a finished run with the committed results; an error if a primary verdict changed.
check: .venv/installed
	$(ACTIVATE) && python workflow/support/check.py

# Inserts the results into README.md and REPRODUCIBILITY.md.
claims: .venv/installed
	$(ACTIVATE) && python workflow/support/claims.py

# The documentation as a site: site/index.html.
docs: .venv/installed
	$(ACTIVATE) && mkdocs build --strict

# Lists and removes damaged objects in DVC's cache.
verify: .venv/installed
	$(ACTIVATE) && python workflow/support/verify.py

# Pins new versions, after a change of the ranges in pyproject.toml.
lock:
	uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
		--extra workflow --extra cluster --extra s3 --extra transformers --extra lightning --extra docs --extra nasbench --extra dev \
		--quiet pyproject.toml --output-file requirements.lock

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@
