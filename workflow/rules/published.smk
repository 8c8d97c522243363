"""Evaluate searches of NAS-Bench-201 with its published accuracies; needs config/nasbench201.yaml."""


rule prepare_truth:
    input:
        own_truth,
    output:
        truth="results/prepare_truth/{task}.csv",
    message:
        "Reading the published ground truth ({wildcards.task})"
    script:
        "../scripts/prepare_truth.py"


rule evaluate_published:
    input:
        truth=rules.prepare_truth.output.truth,
        children=lambda wc: searches(rules.search_cells.output.children, wc.task),
        scores=lambda wc: searches(rules.search_cells.output.scores, wc.task),
    output:
        **{
            table: f"results/evaluate_published/{{task}}/{table}.csv"
            for table in PUBLISHED_TABLES
        },
        params="results/evaluate_published/{task}/params.json",
        findings="results/evaluate_published/{task}/findings.md",
        page=report(
            "results/evaluate_published/{task}/findings.html",
            caption="../report/evaluate_published.rst",
            category="Architecture search with a published ground truth",
            labels=labels.label("Findings"),
        ),
    params:
        made_with=lambda wc: {
            "images": config["images"],
            "policy": SEARCH["policy"],
            wc.task: SEARCH[wc.task],
        },
        primary=lambda wc: SEARCH[wc.task]["primary"],
        operations=lambda wc: SEARCH[wc.task]["small"]["operations"],
        sampled=lambda wc: SEARCH[wc.task]["training"]["sampled"],
    message:
        "Evaluating the searches with the published ground truth ({wildcards.task})"
    script:
        "../scripts/evaluate_published.py"


rule plot_published:
    input:
        lambda wc: expand(
            [
                rules.evaluate_published.output[table]
                for table in PUBLISHED_FIGURES[wc.figure]
            ],
            task=wc.task,
        ),
    output:
        png=report(
            "results/plot_published/{task}/{figure}.png",
            caption="../report/plot_published.rst",
            category="Architecture search with a published ground truth",
            labels=labels.figure,
        ),
        svg="results/plot_published/{task}/{figure}.svg",
    wildcard_constraints:
        figure="|".join(PUBLISHED_FIGURES),
    params:
        task=lambda wc: wc.task,
        warmup=lambda wc: SEARCH[wc.task]["plasticity"]["warmup"],
        strengths=lambda wc: own_strengths(wc.task),
    message:
        "Plotting {wildcards.figure} ({wildcards.task})"
    script:
        "../scripts/plot_{wildcards.figure}.py"
