"""docs/commands.md is true: it has every command, and its line makes the Tab key complete them."""

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this system")
def test_the_tab_key_completes_in_bash():
    (line,) = re.findall(r"`(eval .*?bash_source harness\)\")`", TEXT)
    typed = {
        "harness stat": "status",
        "harness replay fig3_4": "fig3_4_forgetting",
        "harness status --wat": "--watch",
        "harness status --wandb on": "online",
    }
    script = [line]
    for words in typed:
        script.append(f"COMP_WORDS=({words}) COMP_CWORD={words.count(' ')} COMPREPLY=()")
        script.append('_harness_completion harness; echo "${COMPREPLY[*]}"')
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == list(typed.values())
