"""Where data comes from: one file for each section of params.yaml that names a source."""

import platform


rule prepare_data:
    input:
        image_files,
    output:
        images="results/prepare_data/{section}.safetensors",
    params:
        source=lambda wc: config[wc.section]["source"],
        root=lambda wc: config[wc.section]["root"],
        how=image_settings,
        content=image_content,
    message:
        "Reading the images of section {wildcards.section} ({params.source})"
    script:
        "../scripts/prepare_data.py"


rule prepare_text:
    input:
        text_files(),
    output:
        text="results/prepare_text/text.safetensors",
    params:
        source=config["text"]["source"],
        root=config["text"]["root"],
        vocabulary=config["text"]["vocabulary"],
        split={k: config["text"][k] for k in ("valid_share", "test_share", "seed")},
        # Each release of Python comes with a manual of its own.
        python=platform.python_version(),
    message:
        "Reading the text ({params.source})"
    script:
        "../scripts/prepare_text.py"
