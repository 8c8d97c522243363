"""Two models in sequence that share their first layers, read from data to figures."""


rule prepare_data:
    input:
        image_files("data"),
    output:
        images="results/prepare_data/images.safetensors",
    log:
        "logs/prepare_data.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        **image_params("data"),
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
        path="results/train_first/path.safetensors",
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


rule estimate_importance:
    input:
        images=rules.prepare_data.output.images,
        models=rules.train_first.output.models,
        path=rules.train_first.output.path,
        fisher=rules.estimate_fisher.output.fisher,
    output:
        **{
            arm: f"results/estimate_importance/{IMPORTANCE[arm]}.safetensors"
            for arm in ESTIMATED
        },
    log:
        "logs/estimate_importance.log",
    cache: bool(ESTIMATED)
    conda:
        "../envs/wpl.yaml"
    params:
        seeds=SEEDS,
        arms=ESTIMATED,
        shared=HEADLINE,
        samples=config["fisher"]["samples"],
        si={"damping": config["si"]["damping"]},
        omega={k: config["omega"][k] for k in ("curvature", "damping")}
        | {"precision": config["first"]["weight_decay"]},
        code=code("estimate_importance"),
    message:
        "Estimating what other remedies take for importance"
    script:
        "../scripts/estimate_importance.py"


rule train_second:
    input:
        images=rules.prepare_data.output.images,
        models=rules.train_first.output.models,
        importance=lambda wc: importance(wc.arm),
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
        # The matrix Ω of a stop costs as much as all other strengths and stops of an arm.
        stops=lambda wc: STOPS[:1] if wc.arm == "omega" else STOPS,
        floor=lambda wc: config["floor"]["floor"] if wc.arm == "floor" else 0.0,
        width=config["width"],
        second=config["second"],
        code=code("train_second"),
    message:
        "Training the second model, {wildcards.shared} layers shared, arm {wildcards.arm}"
    script:
        "../scripts/train_second.py"


# One job: trainings of the same small network, no longer than the start of a job for each.
rule train_split:
    input:
        images=rules.prepare_data.output.images,
    output:
        history="results/train_split/history.csv",
    log:
        "logs/train_split.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        arms={arm: split_strengths(arm) for arm in config["split"]["arms"]},
        seeds=SEEDS,
        width=config["width"],
        first=config["first"],
        second=config["second"],
        fisher=config["fisher"],
        si_damping=config["si"]["damping"],
        code=code("train_split"),
    message:
        "Training one network on half of the classes, then on the others"
    script:
        "../scripts/train_split.py"


# Its outputs are kept in git, as files: not `cache: True`, which makes links.
rule evaluate_forgetting:
    input:
        history=of_second(rules.train_second.output.history),
        split=rules.train_split.output.history,
    output:
        metrics="results/evaluate_forgetting/metrics.json",
        headline="results/evaluate_forgetting/headline.json",
        cases=report(
            "results/evaluate_forgetting/cases.csv",
            caption="../report/evaluate_forgetting.rst",
            category="Two models",
        ),
        tradeoff="results/evaluate_forgetting/tradeoff.csv",
        split="results/evaluate_forgetting/split.csv",
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
        split_alphas=SPLIT_ALPHAS,
        headline=HEADLINE,
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
        shared=HEADLINE,
        code=code("plot_convergence"),
    message:
        "Plotting strict to loose convergence"
    script:
        "../scripts/plot_convergence.py"


rule plot_tradeoff:
    input:
        tradeoff=rules.evaluate_forgetting.output.tradeoff,
        split=rules.evaluate_forgetting.output.split,
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
