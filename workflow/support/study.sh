#!/usr/bin/env bash
# Run a search with a configuration of config/, in a clone: study.sh CONFIGURATION TASK NAME.
# Its tables, figures and findings are copied to docs/study/NAME; a run that was ended goes on.
set -euo pipefail
project=$PWD clone=.study/$1 results=docs/study/$3
test -d "$clone" || git clone --quiet . "$clone"
find data -mindepth 1 -maxdepth 1 -not -name README.md -exec ln -sfn "$project/{}" "$clone/data/" \;
(cd "$clone" && PYTHONPATH=src snakemake "search_$2" --cores all --configfile "config/$1.yaml")
mkdir -p "$results"
cp "config/$1.yaml" "$results/"
for kind in evaluate_search plot_search; do
  cp -r "$clone/results/$kind/$2/." "$results/"
done
