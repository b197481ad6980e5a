"""Our engines against other people's: `python -m benchmarks --help`.

Everything here is measured in one thread. Linear algebra libraries ask for their number of threads
when they are loaded, so this package says it before anything imports them.
"""

import os

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"
os.environ["TQDM_DISABLE"] = "1"  # pykan's progress bar
