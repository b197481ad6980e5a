"""`python -m harness.cli` is the `harness` command: jobs that were sent off by an earlier version
call it so.
"""

from harness.cli import main

main()
