"""The experiments: their data, files, models and searches; not part of the wheel.

Shapes are written as in ``wpl``, with further dimensions:

- ``run``: trainings side by side, each with its own weights; in searches, one run per seed.
- ``child``: architectures side by side, each with the weights of its run.
- ``stop``, ``alpha``, ``seed``: stopping accuracies of the first model, strengths, root seeds.
- ``decision``, ``choice``: of the encoding of an architecture.
"""
