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


rule search_text:
    input:
        text=rules.prepare_text.output.text,
    output:
        children="results/search_text/{space}/{method}/{arm}/seed{seed}/children.csv",
        policy="results/search_text/{space}/{method}/{arm}/seed{seed}/policy.csv",
        scores="results/search_text/{space}/{method}/{arm}/seed{seed}/scores.csv",
        state="results/search_text/{space}/{method}/{arm}/seed{seed}/state.safetensors",
    log:
        "logs/search_text/{space}/{method}/{arm}/seed{seed}.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    resources:
        gpu=GPUS,
    params:
        run=lambda wc: {"space": wc.space, "method": wc.method, "arm": wc.arm},
        seed=lambda wc: int(wc.seed),
        device=SEARCH["device"],
        model=lambda wc: recurrent(wc.space, wc.arm),
        training=SEARCH["training"],
        plasticity=lambda wc: plasticity(wc.arm),
        policy=lambda wc: SEARCH["policy"] if wc.method == "enas" else None,
        code=code("search_text"),
    message:
        "Searching ({wildcards.space}, {wildcards.method}, {wildcards.arm}, seed {wildcards.seed})"
    script:
        "../scripts/search_text.py"


rule train_standalone:
    input:
        text=rules.prepare_text.output.text,
    output:
        scores="results/train_standalone/seed{seed}/cells{first}.csv",
    log:
        "logs/train_standalone/seed{seed}/cells{first}.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    resources:
        gpu=GPUS,
    params:
        seed=lambda wc: int(wc.seed),
        cells=lambda wc: [int(wc.first), int(wc.first) + FIRST_CELLS.step],
        device=SEARCH["device"],
        model=recurrent("small"),
        training=STANDALONE,
        code=code("train_standalone"),
    message:
        "Training cells {wildcards.first} and following alone, seed {wildcards.seed}"
    script:
        "../scripts/train_standalone.py"


rule retrain_found:
    input:
        text=rules.prepare_text.output.text,
        scores=lambda wc: expand(
            rules.search_text.output.scores,
            space="full",
            seed=seeds("full", wc.arm),
            **wc,
        ),
    output:
        scores="results/retrain_found/{method}/{arm}.csv",
    log:
        "logs/retrain_found/{method}/{arm}.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    resources:
        gpu=GPUS,
    params:
        run=lambda wc: {"space": "full", "method": wc.method, "arm": wc.arm},
        seeds=lambda wc: seeds("full", wc.arm),
        device=SEARCH["device"],
        model=recurrent("full"),
        training=STANDALONE,
        code=code("retrain_found"),
    message:
        "Training alone what was found ({wildcards.method}, {wildcards.arm})"
    script:
        "../scripts/retrain_found.py"


rule retrain_random:
    input:
        text=rules.prepare_text.output.text,
    output:
        scores="results/retrain_random/cells.csv",
    log:
        "logs/retrain_random.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    resources:
        gpu=GPUS,
    params:
        seeds=SEARCH["other_seeds"],
        cells=SEARCH["standalone"]["random"],
        device=SEARCH["device"],
        model=recurrent("full"),
        training=STANDALONE,
        code=code("retrain_random"),
    message:
        "Training random cells alone"
    script:
        "../scripts/retrain_random.py"


# Its outputs are kept in git, as files: not `cache: True`, which makes links.
rule evaluate_search:
    input:
        children=runs(rules.search_text.output.children, "small")
        + runs(rules.search_text.output.children, "full"),
        policy=runs(rules.search_text.output.policy, "small")
        + runs(rules.search_text.output.policy, "full"),
        scores=runs(rules.search_text.output.scores, "small"),
        standalone=expand(
            rules.train_standalone.output.scores,
            seed=SEARCH["standalone"]["seeds"],
            first=FIRST_CELLS,
        ),
        found=runs(rules.retrain_found.output.scores, "full"),
        random=[rules.retrain_random.output.scores],
    output:
        forgetting="results/evaluate_search/forgetting.csv",
        policy="results/evaluate_search/policy.csv",
        ranking="results/evaluate_search/ranking.csv",
        truth="results/evaluate_search/truth.csv",
        found="results/evaluate_search/found.csv",
        retrained="results/evaluate_search/retrained.csv",
        mean_curves="results/evaluate_search/mean_curves.csv",
        comparison=report(
            "results/evaluate_search/comparison.csv",
            caption="../report/evaluate_search.rst",
            category="Architecture search on text",
        ),
        headline="results/evaluate_search/headline.json",
        findings="results/evaluate_search/findings.md",
        page=report(
            "results/evaluate_search/findings.html",
            caption="../report/search_findings.rst",
            category="Architecture search on text",
        ),
    log:
        "logs/evaluate_search.log",
    conda:
        "../envs/wpl.yaml"
    params:
        code=code("evaluate_search"),
    message:
        "Judging the searches"
    script:
        "../scripts/evaluate_search.py"


rule plot_search_forgetting:
    input:
        rules.evaluate_search.output.forgetting,
    output:
        report(
            "results/plot_search_forgetting/forgetting.png",
            caption="../report/plot_search_forgetting.rst",
            category="Architecture search on text",
        ),
    log:
        "logs/plot_search_forgetting.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        warmup=SEARCH["plasticity"]["warmup"],
        code=code("plot_search_forgetting"),
    message:
        "Plotting forgetting while children are trained in turn"
    script:
        "../scripts/plot_search_forgetting.py"


rule plot_reward:
    input:
        rules.evaluate_search.output.policy,
    output:
        report(
            "results/plot_reward/reward.png",
            caption="../report/plot_reward.rst",
            category="Architecture search on text",
        ),
    log:
        "logs/plot_reward.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        code=code("plot_reward"),
    message:
        "Plotting the reward of the controller"
    script:
        "../scripts/plot_reward.py"


rule plot_ranking:
    input:
        rules.evaluate_search.output.ranking,
    output:
        report(
            "results/plot_ranking/ranking.png",
            caption="../report/plot_ranking.rst",
            category="Architecture search on text",
        ),
    log:
        "logs/plot_ranking.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        code=code("plot_ranking"),
    message:
        "Plotting how well shared weights rank"
    script:
        "../scripts/plot_ranking.py"


rule plot_found:
    input:
        rules.evaluate_search.output.found,
        rules.evaluate_search.output.retrained,
    output:
        report(
            "results/plot_found/found.png",
            caption="../report/plot_found.rst",
            category="Architecture search on text",
        ),
    log:
        "logs/plot_found.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        code=code("plot_found"),
    message:
        "Plotting what was found against chance"
    script:
        "../scripts/plot_found.py"


rule plot_cells:
    input:
        rules.evaluate_search.output.found,
        rules.evaluate_search.output.retrained,
    output:
        report(
            "results/plot_cells/cells.png",
            caption="../report/plot_cells.rst",
            category="Architecture search on text",
        ),
    log:
        "logs/plot_cells.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        code=code("plot_cells"),
    message:
        "Drawing the cells that were found"
    script:
        "../scripts/plot_cells.py"
