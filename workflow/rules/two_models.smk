"""Two models in sequence that share their first layers, read from data to figures."""


rule prepare_data:
    output:
        images="results/prepare_data/images.safetensors",
    log:
        "logs/prepare_data.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        source=config["data"]["source"],
        root=config["data"]["root"],
        split={k: config["data"][k] for k in ("valid_share", "test_share", "seed")},
        code=code("prepare_data"),
    message:
        "Reading the images ({params.source})"
    script:
        "../scripts/prepare_data.py"


rule train_first:
    input:
        images=rules.prepare_data.output.images,
    output:
        models="results/train_first/models.safetensors",
        stops="results/train_first/stops.csv",
    log:
        "logs/train_first.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        seeds=SEEDS,
        width=config["width"],
        first=config["first"],
        code=code("train_first"),
    message:
        "Training the first model, all seeds side by side"
    script:
        "../scripts/train_first.py"


rule estimate_fisher:
    input:
        images=rules.prepare_data.output.images,
        models=rules.train_first.output.models,
    output:
        fisher="results/estimate_fisher/fisher.safetensors",
    log:
        "logs/estimate_fisher.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        seeds=SEEDS,
        fisher=config["fisher"],
        code=code("estimate_fisher"),
    message:
        "Estimating the Fisher information of the first models"
    script:
        "../scripts/estimate_fisher.py"


rule train_second:
    input:
        images=rules.prepare_data.output.images,
        models=rules.train_first.output.models,
        fisher=rules.estimate_fisher.output.fisher,
    output:
        models="results/train_second/shared{shared}/{arm}.safetensors",
        history="results/train_second/shared{shared}/{arm}.csv",
    log:
        "logs/train_second/shared{shared}/{arm}.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        arm=lambda wc: wc.arm,
        shared=lambda wc: int(wc.shared),
        alphas=lambda wc: strengths(wc.arm, int(wc.shared)),
        seeds=SEEDS,
        stops=STOPS,
        width=config["width"],
        second=config["second"],
        code=code("train_second"),
    message:
        "Training the second model, {wildcards.shared} layers shared, arm {wildcards.arm}"
    script:
        "../scripts/train_second.py"


# Its outputs are kept in git, as files: not `cache: True`, which makes links.
rule evaluate_forgetting:
    input:
        expand(
            rules.train_second.output.history,
            shared=config["compare"]["shared"],
            arm=ARMS,
        ),
    output:
        metrics="results/evaluate_forgetting/metrics.json",
        headline="results/evaluate_forgetting/headline.json",
        cases=report(
            "results/evaluate_forgetting/cases.csv",
            caption="../report/evaluate_forgetting.rst",
            category="Two models",
        ),
        tradeoff="results/evaluate_forgetting/tradeoff.csv",
        curves="results/evaluate_forgetting/curves.csv",
        mean_curves="results/evaluate_forgetting/mean_curves.csv",
        findings="results/evaluate_forgetting/findings.md",
        page=report(
            "results/evaluate_forgetting/findings.html",
            caption="../report/findings.rst",
            category="Two models",
        ),
    log:
        "logs/evaluate_forgetting.log",
    conda:
        "../envs/wpl.yaml"
    params:
        alphas=ALPHAS,
        headline=config["compare"]["headline"],
        fisher=config["fisher"],
        code=code("evaluate_forgetting"),
    message:
        "Comparing the arms"
    script:
        "../scripts/evaluate_forgetting.py"


rule plot_forgetting:
    input:
        rules.evaluate_forgetting.output.curves,
    output:
        report(
            "results/plot_forgetting/forgetting.png",
            caption="../report/plot_forgetting.rst",
            category="Two models",
        ),
    log:
        "logs/plot_forgetting.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        code=code("plot_forgetting"),
    message:
        "Plotting forgetting, by number of shared layers"
    script:
        "../scripts/plot_forgetting.py"


rule plot_convergence:
    input:
        rules.evaluate_forgetting.output.curves,
    output:
        report(
            "results/plot_convergence/convergence.png",
            caption="../report/plot_convergence.rst",
            category="Two models",
        ),
    log:
        "logs/plot_convergence.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        shared=config["compare"]["headline"],
        code=code("plot_convergence"),
    message:
        "Plotting strict to loose convergence"
    script:
        "../scripts/plot_convergence.py"


rule plot_tradeoff:
    input:
        rules.evaluate_forgetting.output.tradeoff,
    output:
        report(
            "results/plot_tradeoff/tradeoff.png",
            caption="../report/plot_tradeoff.rst",
            category="Two models",
        ),
    log:
        "logs/plot_tradeoff.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        code=code("plot_tradeoff"),
    message:
        "Plotting what A keeps against what B learns"
    script:
        "../scripts/plot_tradeoff.py"
