"""Python reads this first in the process of a job: Ctrl-C ends it at once, without a traceback.

Ctrl-C reaches all processes of a terminal: jobs leave the talking to Snakemake.
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)
