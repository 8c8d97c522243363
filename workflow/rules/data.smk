"""Where data comes from: one file for each section of params.yaml that names a source."""

import platform


rule prepare_data:
    input:
        image_files,
    output:
        images="results/prepare_data/{section}.safetensors",
    log:
        "logs/prepare_data/{section}.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        settings=lambda wc: source(wc.section),
        content=image_content,
        code=code("prepare_data"),
    message:
        "Reading the images of section {wildcards.section} ({params.settings[source]})"
    script:
        "../scripts/prepare_data.py"


rule prepare_text:
    input:
        text_files(),
    output:
        text="results/prepare_text/text.safetensors",
    log:
        "logs/prepare_text.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        settings=source("text"),
        # Each release of Python comes with a manual of its own.
        python=platform.python_version(),
        code=code("prepare_text"),
    message:
        "Reading the text ({params.settings[source]})"
    script:
        "../scripts/prepare_text.py"


rule evaluate_data:
    input:
        data=images("data"),
        images=images("images"),
        text=rules.prepare_text.output.text,
    output:
        **{
            name: report(
                f"results/evaluate_data/{name}.csv",
                caption="../report/evaluate_data.rst",
                category="Data",
            )
            for name in ("data", "images", "text")
        },
    log:
        "logs/evaluate_data.log",
    # Before anything is trained on too little.
    priority: 100
    conda:
        "../envs/wpl.yaml"
    params:
        two_models={
            "batch_sizes": {
                f"{model}.batch_size": config[model]["batch_size"]
                for model in ("first", "second")
            },
            "samples": config["fisher"]["samples"],
        },
        omega=omega_needs(),
        search_images={
            k: SEARCH["images"]["model"][k] for k in ("batch_size", "stages")
        },
        search_text={
            k: SEARCH["text"]["model"][k]
            for k in ("batch_size", "steps", "score_rows")
        },
        code=code("evaluate_data"),
    message:
        "Checking what was read"
    script:
        "../scripts/evaluate_data.py"
