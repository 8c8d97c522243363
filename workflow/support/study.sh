#!/usr/bin/env bash
# Run a search with a configuration of config/, in a clone: study.sh CONFIGURATION TASK FOLDER [KIND].
# Its tables, figures and findings are copied to docs/FOLDER, except the largest tables, the caption for
# README.md and copies in other formats; an interrupted run resumes. KIND is the evaluation: search, which
# trains the ground truth, or published.
set -euo pipefail
project=$PWD clone=.study/$1 results=docs/$3
test -d "$clone" || git clone --quiet . "$clone"
find data -mindepth 1 -maxdepth 1 -not -name README.md -exec ln -sfn "$project/{}" "$clone/data/" \;
(cd "$clone" && PYTHONPATH=src snakemake "search_$2" --cores all --configfile "config/$1.yaml")
mkdir -p "$results"
cp "config/$1.yaml" "$results/"
for kind in evaluate plot; do
  cp -r "$clone/results/${kind}_${4:-search}/$2/." "$results/"
done
rm -f "$results"/{policy,forgetting,ranking}.csv "$results/caption.md" "$results"/*.{svg,html}
