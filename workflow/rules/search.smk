"""Architecture search on text and images, from searches to figures."""


rule search_cells:
    input:
        data=data,
    output:
        children="results/search_cells/{task}/{space}/{method}/{arm}/from{first}/children.csv",
        policy="results/search_cells/{task}/{space}/{method}/{arm}/from{first}/policy.csv",
        scores="results/search_cells/{task}/{space}/{method}/{arm}/from{first}/scores.csv",
        states="results/search_cells/{task}/{space}/{method}/{arm}/from{first}/states.safetensors",
    resources:
        gpu=GPUS,
    params:
        run=lambda wc: {"space": wc.space, "method": wc.method, "arm": wc.arm},
        seeds=chunk,
        task=lambda wc: wc.task,
        device=SEARCH["device"],
        model=lambda wc: model(wc.task, wc.space, wc.arm),
        training=lambda wc: training(wc.task, wc.arm),
        plasticity=lambda wc: plasticity(wc.task, wc.arm),
        strategy=lambda wc: SEARCH.get(STRATEGIES.get(wc.method)),
    message:
        "Searching ({wildcards.task}, {wildcards.space}, {wildcards.method}, {wildcards.arm}, seeds {params.seeds})"
    script:
        "../scripts/search_cells.py"


rule train_standalone:
    input:
        data=data,
    output:
        scores="results/train_standalone/{task}/batches{batches}/cells{first}.csv",
    resources:
        gpu=GPUS,
    params:
        seeds=lambda wc: alone_seeds(wc.task, int(wc.batches)),
        cells=lambda wc: [int(wc.first), int(wc.first) + cells(wc.task).step],
        task=lambda wc: wc.task,
        device=SEARCH["device"],
        model=lambda wc: model(wc.task, "small"),
        training=lambda wc: standalone(wc.task, int(wc.batches)),
    message:
        "Training cells {wildcards.first} and following alone ({wildcards.task}, {wildcards.batches} batches)"
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
    resources:
        gpu=GPUS,
    params:
        run=lambda wc: {"space": "full", "method": wc.method, "arm": wc.arm},
        task=lambda wc: wc.task,
        device=SEARCH["device"],
        model=lambda wc: model(wc.task, "full"),
        training=lambda wc: standalone(wc.task, "retrain"),
    message:
        "Training the found cells alone ({wildcards.task}, {wildcards.method}, {wildcards.arm})"
    script:
        "../scripts/retrain_found.py"


rule retrain_random:
    input:
        data=data,
    output:
        scores="results/retrain_random/{task}/cells.csv",
    resources:
        gpu=GPUS,
    params:
        seeds=lambda wc: SEARCH[wc.task]["other_seeds"],
        cells=lambda wc: SEARCH[wc.task]["standalone"]["random"],
        task=lambda wc: wc.task,
        device=SEARCH["device"],
        model=lambda wc: model(wc.task, "full"),
        training=lambda wc: standalone(wc.task, "retrain"),
    message:
        "Training random cells alone ({wildcards.task})"
    script:
        "../scripts/retrain_random.py"


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
        standalone=lambda wc: alone(rules.train_standalone.output.scores, wc.task),
        found=lambda wc: retrained(rules.retrain_found.output.scores, wc.task),
        random=lambda wc: random_cells(rules.retrain_random.output.scores, wc.task),
    output:
        **{table: f"results/evaluate_search/{{task}}/{table}.csv" for table in JUDGED},
        params="results/evaluate_search/{task}/params.json",
        verdicts=report(
            "results/evaluate_search/{task}/verdicts.csv",
            caption="../report/evaluate_search.rst",
            category="Architecture search on {task}",
            labels=labels.label("Table (CSV): every comparison"),
        ),
        headline="results/evaluate_search/{task}/headline.json",
        findings="results/evaluate_search/{task}/findings.md",
        claims="results/evaluate_search/{task}/claims.md",
        caption="results/evaluate_search/{task}/caption.md",
        page=report(
            "results/evaluate_search/{task}/findings.html",
            caption="../report/search_findings.rst",
            category="Architecture search on {task}",
            labels=labels.label("Findings"),
        ),
    params:
        task=lambda wc: wc.task,
        made_with=lambda wc: params_of(f"search_{wc.task}"),
        primary=SEARCH["primary"],
        lengths=lambda wc: lengths(wc.task),
        templates=templates("search"),
    message:
        "Evaluating the searches ({wildcards.task})"
    script:
        "../scripts/evaluate_search.py"


rule plot_search:
    input:
        lambda wc: expand(
            [rules.evaluate_search.output[t] for t in SEARCH_FIGURES[wc.figure]],
            task=wc.task,
        ),
    output:
        png=report(
            "results/plot_search/{task}/{figure}.png",
            caption="../report/plot_search.rst",
            category="Architecture search on {task}",
            labels=labels.figure,
        ),
        svg="results/plot_search/{task}/{figure}.svg",
    params:
        task=lambda wc: wc.task,
        warmup=lambda wc: SEARCH[wc.task]["plasticity"]["warmup"],
        strengths=lambda wc: own_strengths(wc.task),
    message:
        "Plotting {wildcards.figure} ({wildcards.task})"
    script:
        "../scripts/plot_{wildcards.figure}.py"
