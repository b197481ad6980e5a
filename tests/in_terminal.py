"""A command in a terminal of so many columns: a real one, as far as the command can tell."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from pathlib import Path


def in_terminal(command: list[str], folder: Path, columns: int = 80) -> str:
    """All that the command writes to its terminal until it ends, which must be without an error."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {
        name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")
    }
    environment |= {"TERM": "xterm-256color"}
    with subprocess.Popen(
        command, cwd=folder, stdin=its, stdout=its, stderr=its, env=environment
    ) as running:
        os.close(its)
        written = b""
        try:
            while more := os.read(ours, 65536):
                written += more
        except OSError:  # Linux ends a terminal so
            pass
        os.close(ours)
        assert running.wait(60) == 0, written.decode()
    return written.decode()
