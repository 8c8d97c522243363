#!/usr/bin/env bash
# Run some targets with a configuration of config/, in a clone: study.sh NAME TARGETS…
# RESULTS are the folders of results/ that are copied, into DOCS.
set -euo pipefail
project=$PWD clone=.study/$1
test -d "$clone" || git clone --quiet . "$clone"
find data -mindepth 1 -maxdepth 1 -not -name README.md -exec ln -sfn "$project/{}" "$clone/data/" \;
cd "$clone"
PYTHONPATH=src snakemake "${@:2}" --cores all --configfile "config/$1.yaml"
for target in "${@:2}"; do
  copied="$project/${DOCS:-docs/study/$1}/${target#search_}"
  for kind in ${RESULTS:-evaluate_search plot_search}; do
    mkdir -p "$copied"
    cp -r "results/$kind/${target#search_}/." "$copied/"
  done
done
