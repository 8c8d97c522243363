"""The last import of the process that commands are forked from: what does not change is kept."""

import gc
from functools import cache
from importlib import metadata

# Each run of Snakemake would find anew which package is of which distribution.
metadata.packages_distributions = cache(metadata.packages_distributions)
metadata.packages_distributions()
gc.collect()
gc.freeze()  # the garbage collector of a fork does not search the imported packages
