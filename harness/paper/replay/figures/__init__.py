"""The figures of replays, a file each."""
