"""Python runs this at the start of a job: Ctrl-C ends the job at once, without a traceback.

Ctrl-C reaches all processes of a terminal; only Snakemake reports it.
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)
