"""Where packs train: on this machine (`here`)."""
