"""The programs that write pages import each other, as they do where they are called."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "docs"))
