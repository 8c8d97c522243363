"""Read the published ground truth into one table, and check that its genotypes are of the space."""

from job import job
from wpl_lab.io.files import save_table
from wpl_lab.search.published.truth_files import read_benchmark, read_csv
from wpl_lab.search.spaces.nasbench201 import Nasbench201Space

with job(snakemake):
    own = snakemake.input
    truth = read_csv(own[0], Nasbench201Space()) if own else read_benchmark()
    save_table(snakemake.output.truth, truth)
