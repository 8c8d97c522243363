"""Architecture search, read from searches to figures; the tasks are text and images."""


rule search_cells:
    input:
        data=data,
    output:
        children="results/search_cells/{task}/{space}/{method}/{arm}/from{first}/children.csv",
        policy="results/search_cells/{task}/{space}/{method}/{arm}/from{first}/policy.csv",
        scores="results/search_cells/{task}/{space}/{method}/{arm}/from{first}/scores.csv",
        states="results/search_cells/{task}/{space}/{method}/{arm}/from{first}/states.safetensors",
    log:
        "logs/search_cells/{task}/{space}/{method}/{arm}/from{first}.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    resources:
        gpu=GPUS,
    params:
        run=lambda wc: {"space": wc.space, "method": wc.method, "arm": wc.arm},
        seeds=chunk,
        task=lambda wc: wc.task,
        device=SEARCH["device"],
        model=lambda wc: model(wc.task, wc.space, wc.arm),
        training=lambda wc: SEARCH[wc.task]["training"],
        plasticity=lambda wc: plasticity(wc.task, wc.arm),
        strategy=lambda wc: SEARCH.get(STRATEGIES.get(wc.method)),
        code=code("search_cells"),
    message:
        "Searching ({wildcards.task}, {wildcards.space}, {wildcards.method}, {wildcards.arm}, seeds {params.seeds})"
    script:
        "../scripts/search_cells.py"


rule train_standalone:
    input:
        data=data,
    output:
        scores="results/train_standalone/{task}/seed{seed}/cells{first}.csv",
    log:
        "logs/train_standalone/{task}/seed{seed}/cells{first}.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    resources:
        gpu=GPUS,
    params:
        seed=lambda wc: int(wc.seed),
        cells=lambda wc: [int(wc.first), int(wc.first) + cells(wc.task).step],
        task=lambda wc: wc.task,
        device=SEARCH["device"],
        model=lambda wc: model(wc.task, "small"),
        training=lambda wc: standalone(wc.task),
        code=code("train_standalone"),
    message:
        "Training cells {wildcards.first} and following alone ({wildcards.task}, seed {wildcards.seed})"
    script:
        "../scripts/train_standalone.py"


rule retrain_found:
    input:
        data=data,
        scores=lambda wc: of_arm(
            rules.search_cells.output.scores, wc.task, "full", wc.method, wc.arm
        ),
    output:
        scores="results/retrain_found/{task}/{method}/{arm}.csv",
    log:
        "logs/retrain_found/{task}/{method}/{arm}.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    resources:
        gpu=GPUS,
    params:
        run=lambda wc: {"space": "full", "method": wc.method, "arm": wc.arm},
        task=lambda wc: wc.task,
        device=SEARCH["device"],
        model=lambda wc: model(wc.task, "full"),
        training=lambda wc: standalone(wc.task),
        code=code("retrain_found"),
    message:
        "Training alone what was found ({wildcards.task}, {wildcards.method}, {wildcards.arm})"
    script:
        "../scripts/retrain_found.py"


rule retrain_random:
    input:
        data=data,
    output:
        scores="results/retrain_random/{task}/cells.csv",
    log:
        "logs/retrain_random/{task}.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    resources:
        gpu=GPUS,
    params:
        seeds=lambda wc: SEARCH[wc.task]["other_seeds"],
        cells=lambda wc: SEARCH[wc.task]["standalone"]["random"],
        task=lambda wc: wc.task,
        device=SEARCH["device"],
        model=lambda wc: model(wc.task, "full"),
        training=lambda wc: standalone(wc.task),
        code=code("retrain_random"),
    message:
        "Training random cells alone ({wildcards.task})"
    script:
        "../scripts/retrain_random.py"


# Its outputs are kept in git, as files: not `cache: True`, which makes links.
rule evaluate_search:
    input:
        children=lambda wc: runs(
            rules.search_cells.output.children, wc.task, spaces(wc.task)
        ),
        policy=lambda wc: runs(
            rules.search_cells.output.policy, wc.task, spaces(wc.task)
        ),
        scores=lambda wc: runs(
            rules.search_cells.output.scores, wc.task, judged(wc.task)
        ),
        standalone=lambda wc: expand(
            rules.train_standalone.output.scores,
            task=wc.task,
            seed=SEARCH[wc.task]["standalone"]["seeds"],
            first=cells(wc.task),
        ),
        found=lambda wc: retrained(rules.retrain_found.output.scores, wc.task),
        random=lambda wc: random_cells(rules.retrain_random.output.scores, wc.task),
    output:
        forgetting="results/evaluate_search/{task}/forgetting.csv",
        policy="results/evaluate_search/{task}/policy.csv",
        ranking="results/evaluate_search/{task}/ranking.csv",
        truth="results/evaluate_search/{task}/truth.csv",
        found="results/evaluate_search/{task}/found.csv",
        retrained="results/evaluate_search/{task}/retrained.csv",
        mean_forgetting="results/evaluate_search/{task}/mean_forgetting.csv",
        mean_ranking="results/evaluate_search/{task}/mean_ranking.csv",
        comparison=report(
            "results/evaluate_search/{task}/comparison.csv",
            caption="../report/evaluate_search.rst",
            category="Architecture search on {task}",
        ),
        headline="results/evaluate_search/{task}/headline.json",
        findings="results/evaluate_search/{task}/findings.md",
        page=report(
            "results/evaluate_search/{task}/findings.html",
            caption="../report/search_findings.rst",
            category="Architecture search on {task}",
        ),
    log:
        "logs/evaluate_search/{task}.log",
    conda:
        "../envs/wpl.yaml"
    params:
        task=lambda wc: wc.task,
        code=code("evaluate_search"),
    message:
        "Judging the searches ({wildcards.task})"
    script:
        "../scripts/evaluate_search.py"


rule plot_search_forgetting:
    input:
        rules.evaluate_search.output.forgetting,
    output:
        report(
            "results/plot_search_forgetting/{task}/forgetting.png",
            caption="../report/plot_search_forgetting.rst",
            category="Architecture search on {task}",
        ),
    log:
        "logs/plot_search_forgetting/{task}.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        task=lambda wc: wc.task,
        warmup=lambda wc: SEARCH[wc.task]["plasticity"]["warmup"],
        code=code("plot_search_forgetting"),
    message:
        "Plotting forgetting while children are trained in turn ({wildcards.task})"
    script:
        "../scripts/plot_search_forgetting.py"


rule plot_reward:
    input:
        rules.evaluate_search.output.policy,
    output:
        report(
            "results/plot_reward/{task}/reward.png",
            caption="../report/plot_reward.rst",
            category="Architecture search on {task}",
        ),
    log:
        "logs/plot_reward/{task}.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        task=lambda wc: wc.task,
        code=code("plot_reward"),
    message:
        "Plotting the reward of the controller ({wildcards.task})"
    script:
        "../scripts/plot_reward.py"


rule plot_ranking:
    input:
        rules.evaluate_search.output.ranking,
    output:
        report(
            "results/plot_ranking/{task}/ranking.png",
            caption="../report/plot_ranking.rst",
            category="Architecture search on {task}",
        ),
    log:
        "logs/plot_ranking/{task}.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        code=code("plot_ranking"),
    message:
        "Plotting how well shared weights rank ({wildcards.task})"
    script:
        "../scripts/plot_ranking.py"


rule plot_found:
    input:
        rules.evaluate_search.output.found,
        rules.evaluate_search.output.retrained,
    output:
        report(
            "results/plot_found/{task}/found.png",
            caption="../report/plot_found.rst",
            category="Architecture search on {task}",
        ),
    log:
        "logs/plot_found/{task}.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        task=lambda wc: wc.task,
        code=code("plot_found"),
    message:
        "Plotting what was found against chance ({wildcards.task})"
    script:
        "../scripts/plot_found.py"


rule plot_cells:
    input:
        rules.evaluate_search.output.found,
        rules.evaluate_search.output.retrained,
    output:
        report(
            "results/plot_cells/{task}/cells.png",
            caption="../report/plot_cells.rst",
            category="Architecture search on {task}",
        ),
    log:
        "logs/plot_cells/{task}.log",
    cache: True
    conda:
        "../envs/wpl.yaml"
    params:
        task=lambda wc: wc.task,
        code=code("plot_cells"),
    message:
        "Drawing the cells that were found ({wildcards.task})"
    script:
        "../scripts/plot_cells.py"
