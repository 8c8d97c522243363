"""Two models in sequence that share their first layers, from data to figures."""


rule train_first:
    input:
        images=images("data"),
    output:
        models="results/train_first/from{first}/models.safetensors",
        fall="results/train_first/from{first}/fall.safetensors",
        moved="results/train_first/from{first}/moved.safetensors",
        stops="results/train_first/from{first}/stops.csv",
    params:
        seeds=lambda wc: SEEDS[int(wc.first)],
        width=config["width"],
        first=config["first"],
    message:
        "Training the first model, seeds {params.seeds}"
    script:
        "../scripts/train_first.py"


rule estimate_fisher:
    input:
        images=images("data"),
        models=rules.train_first.output.models,
    output:
        fisher="results/estimate_fisher/from{first}/fisher.safetensors",
    params:
        seeds=lambda wc: SEEDS[int(wc.first)],
        fisher=config["fisher"],
    message:
        "Estimating the Fisher information of the first models, seeds {params.seeds}"
    script:
        "../scripts/estimate_fisher.py"


rule estimate_importance:
    input:
        images=images("data"),
        models=rules.train_first.output.models,
    output:
        **{
            estimate: f"results/estimate_importance/from{{first}}/{estimate}.safetensors"
            for estimate in ESTIMATED
        },
    params:
        seeds=lambda wc: SEEDS[int(wc.first)],
        estimates=ESTIMATED,
        shared=HEADLINE,
        samples=config["fisher"]["samples"],
        omega={k: config["omega"][k] for k in ("curvature", "damping")}
        | {"precision": config["first"]["weight_decay"]},
    message:
        "Estimating the importance for other remedies, seeds {params.seeds}"
    script:
        "../scripts/estimate_importance.py"


rule train_second:
    input:
        unpack(lambda wc: estimates(wc.arm, wc.first)),
        images=images("data"),
        models=rules.train_first.output.models,
    output:
        models="results/train_second/shared{shared}/{arm}/from{first}.safetensors",
        history="results/train_second/shared{shared}/{arm}/from{first}.csv",
    params:
        arm=lambda wc: wc.arm,
        shared=lambda wc: int(wc.shared),
        strengths=lambda wc: of_two_models(wc.arm, int(wc.shared)),
        seeds=lambda wc: SEEDS[int(wc.first)],
        # The matrix Ω of one stop costs as much as all other strengths and stops of an arm.
        stops=lambda wc: STOPS[:1] if "omega" in ARMS[wc.arm].estimates else STOPS,
        width=config["width"],
        second=config["second"],
    message:
        "Training the second model, shared layers: {wildcards.shared}, arm {wildcards.arm}, seeds {params.seeds}"
    script:
        "../scripts/train_second.py"


# One job for all arms: each training takes no longer than the start of a job.
rule train_split:
    input:
        images=images("data"),
    output:
        history="results/train_split/from{first}.csv",
    params:
        arms={
            arm: strengths(arm, config["split"]["alpha"], config["split"]["alphas"])
            for arm in chosen(config["split"]["arms"], "split")
        },
        seeds=lambda wc: SEEDS[int(wc.first)],
        width=config["width"],
        first=config["first"],
        second=config["second"],
        fisher=config["fisher"],
    message:
        "Training one network on half of the classes, then on the others, seeds {params.seeds}"
    script:
        "../scripts/train_split.py"


rule evaluate_forgetting:
    input:
        history=of_second(rules.train_second.output.history),
        split=of_split(rules.train_split.output.history),
    output:
        params="results/evaluate_forgetting/params.json",
        metrics="results/evaluate_forgetting/metrics.json",
        headline="results/evaluate_forgetting/headline.json",
        cases=report(
            "results/evaluate_forgetting/cases.csv",
            caption="../report/evaluate_forgetting.rst",
            category="Two models",
            labels=labels.label("Table (CSV): every case"),
        ),
        tradeoff="results/evaluate_forgetting/tradeoff.csv",
        split="results/evaluate_forgetting/split.csv",
        verdicts="results/evaluate_forgetting/verdicts.csv",
        curves="results/evaluate_forgetting/curves.csv",
        mean_curves="results/evaluate_forgetting/mean_curves.csv",
        findings="results/evaluate_forgetting/findings.md",
        claims="results/evaluate_forgetting/claims.md",
        caption="results/evaluate_forgetting/caption.md",
        page=report(
            "results/evaluate_forgetting/findings.html",
            caption="../report/findings.rst",
            category="Two models",
            labels=labels.label("Findings"),
        ),
    params:
        headline=HEADLINE,
        fisher=config["fisher"],
        made_with=params_of("two_models"),
        templates=templates("two_models"),
    message:
        "Comparing the arms"
    script:
        "../scripts/evaluate_forgetting.py"


rule plot_two_models:
    input:
        lambda wc: [rules.evaluate_forgetting.output[t] for t in FIGURES[wc.figure]],
    output:
        png=report(
            "results/plot_two_models/{figure}.png",
            caption="../report/plot_two_models.rst",
            category="Two models",
            labels=labels.figure,
        ),
        svg="results/plot_two_models/{figure}.svg",
    params:
        shared=HEADLINE,
    message:
        "Plotting {wildcards.figure}"
    script:
        "../scripts/plot_{wildcards.figure}.py"
