# `make` runs everything, `make test` passes the tests; both install into .venv what is missing.
PYTHON ?= python3
ACTIVATE = . .venv/bin/activate

.PHONY: run experiment study nasbench201 test test-long test-slurm test-browser params lint report usage crate \
	check-crate check claims docs verify lock

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

# Holds it against the profiles. The validator, which does not go with other packages of .venv, has
# an environment of its own; it fetches the vocabulary from the net.
check-crate: crate
	$(PYTHON) -m venv .venv/crate
	.venv/crate/bin/pip install --quiet --disable-pip-version-check 'roc-validator>=0.13'
	.venv/crate/bin/rocrate-validator validate --no-paging --verbose \
		--profile-identifier workflow-run-crate --requirement-severity REQUIRED crate.zip

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
		--extra workflow --extra cluster --extra s3 --extra transformers --extra lightning --extra docs --extra nasbench --extra dev \
		--quiet pyproject.toml --output-file requirements.lock

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@
