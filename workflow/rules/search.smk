"""Architecture search on text, read from data to figures."""

import platform


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
        source=config["text"]["source"],
        root=config["text"]["root"],
        vocabulary=config["text"]["vocabulary"],
        split={k: config["text"][k] for k in ("valid_share", "test_share", "seed")},
        # Each release of Python comes with a manual of its own.
        python=platform.python_version(),
        code=code("prepare_text"),
    message:
        "Reading the text ({params.source})"
    script:
        "../scripts/prepare_text.py"
