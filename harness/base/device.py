"""Whether this machine has what an experiment's `device:` asks for."""


def why_no_device(device: str) -> str:
    """Why nothing can train on a device here, `cpu` or `cuda`; empty if it can."""
    if device == "cpu":
        return ""
    import torch  # takes seconds, which commands about CPUs need not wait for

    return "" if torch.cuda.is_available() else "device: cuda, but torch sees no GPU here"
