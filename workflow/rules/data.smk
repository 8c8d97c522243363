"""Preparation of data: one file for each section of params.yaml with a source."""

import platform


rule prepare_data:
    input:
        image_files,
    output:
        images="results/prepare_data/{section}.safetensors",
    priority: FIRST
    params:
        settings=lambda wc: source(wc.section),
        content=image_content,
    message:
        "Reading the images of section {wildcards.section} ({params.settings[source]})"
    script:
        "../scripts/prepare_data.py"


rule prepare_text:
    input:
        text_files(),
    output:
        text="results/prepare_text/text.safetensors",
    priority: FIRST
    params:
        settings=source("text"),
        # Each release of Python has its own manual.
        python=platform.python_version(),
    message:
        "Reading the text ({params.settings[source]})"
    script:
        "../scripts/prepare_text.py"


rule evaluate_data:
    input:
        prepared,
    output:
        facts=report(
            "results/evaluate_data/{prepared}.csv",
            caption="../report/evaluate_data.rst",
            category="Data",
            labels=labels.label("Table (CSV): section {prepared}"),
        ),
    wildcard_constraints:
        prepared="data|images|text",
    priority: FIRST
    params:
        needs=needs,
    message:
        "Checking the data of section {wildcards.prepared}"
    script:
        "../scripts/evaluate_data.py"
