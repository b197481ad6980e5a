"""One file a command; `harness.cli.COMMANDS` names them."""
