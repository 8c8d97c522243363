"""Two models in sequence that share their first layers, read from data to figures."""


rule train_first:
    input:
        images=images("data"),
    output:
        models="results/train_first/models.safetensors",
        path="results/train_first/path.safetensors",
        stops="results/train_first/stops.csv",
    params:
        seeds=SEEDS,
        width=config["width"],
        first=config["first"],
    message:
        "Training the first model, all seeds side by side"
    script:
        "../scripts/train_first.py"


rule estimate_fisher:
    input:
        images=images("data"),
        models=rules.train_first.output.models,
    output:
        fisher="results/estimate_fisher/fisher.safetensors",
    params:
        seeds=SEEDS,
        fisher=config["fisher"],
    message:
        "Estimating the Fisher information of the first models"
    script:
        "../scripts/estimate_fisher.py"


rule estimate_importance:
    input:
        images=images("data"),
        models=rules.train_first.output.models,
        path=rules.train_first.output.path,
        fisher=rules.estimate_fisher.output.fisher,
    output:
        **{
            arm: f"results/estimate_importance/{IMPORTANCE[arm]}.safetensors"
            for arm in ESTIMATED
        },
    params:
        seeds=SEEDS,
        arms=ESTIMATED,
        shared=HEADLINE,
        samples=config["fisher"]["samples"],
        si={"damping": config["si"]["damping"]},
        omega={k: config["omega"][k] for k in ("curvature", "damping")}
        | {"precision": config["first"]["weight_decay"]},
    message:
        "Estimating what other remedies take for importance"
    script:
        "../scripts/estimate_importance.py"


rule train_second:
    input:
        images=images("data"),
        models=rules.train_first.output.models,
        importance=lambda wc: importance(wc.arm),
    output:
        models="results/train_second/shared{shared}/{arm}.safetensors",
        history="results/train_second/shared{shared}/{arm}.csv",
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
    message:
        "Training the second model, {wildcards.shared} layers shared, arm {wildcards.arm}"
    script:
        "../scripts/train_second.py"


# One job: trainings of the same small network, no longer than the start of a job for each.
rule train_split:
    input:
        images=images("data"),
    output:
        history="results/train_split/history.csv",
    params:
        arms={arm: split_strengths(arm) for arm in config["split"]["arms"]},
        seeds=SEEDS,
        width=config["width"],
        first=config["first"],
        second=config["second"],
        fisher=config["fisher"],
        si_damping=config["si"]["damping"],
    message:
        "Training one network on half of the classes, then on the others"
    script:
        "../scripts/train_split.py"


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
    params:
        alphas=ALPHAS,
        split_alphas=SPLIT_ALPHAS,
        headline=HEADLINE,
        fisher=config["fisher"],
    message:
        "Comparing the arms"
    script:
        "../scripts/evaluate_forgetting.py"


rule plot_two_models:
    input:
        lambda wc: [rules.evaluate_forgetting.output[t] for t in FIGURES[wc.figure]],
    output:
        report(
            "results/plot_two_models/{figure}.png",
            caption="../report/plot_two_models.rst",
            category="Two models",
        ),
    params:
        shared=HEADLINE,
    message:
        "Plotting {wildcards.figure}"
    script:
        "../scripts/plot_{wildcards.figure}.py"
