"""What series of a replay are called in its figures: in words, without what their marks tell."""

import re

TOLD_BY_MARKS = ("hidden", "depth")
ARM_WORDS = {
    "kan": "KAN",
    "kan_levenberg": "KAN by Levenberg-Marquardt",
    "wide": "KAN",
    "wide_levenberg": "KAN by Levenberg-Marquardt",
    "narrow": "KAN",
    "narrow_levenberg": "KAN by Levenberg-Marquardt",
    "mlp": "MLP",
    "paper": "the paper's KAN",
    "later": "pykan's later KAN, no base",
    "base_trained": "that with a trained base",
    "scale_trained": "that with trained scales",
    "knots_moved": "that with moved knots",
    "coarse": "that with 10 intervals",
    "order_5": "that of order 5",
    "hidden_2": "that with 2 hidden nodes",
    "hidden_5": "that with 5 hidden nodes",
    "hidden_5_coarse": "5 hidden nodes, 20 intervals",
    "by_adam": "that by Adam",
    "mlp_silu": "MLP, SiLU",
    "mlp_tanh": "MLP, tanh",
    "mlp_equal": "MLP of equal size",
    "mlp_by_adam": "MLP by Adam",
}
SETTING_WORDS = {"activation=silu": "SiLU", "activation=tanh": "tanh"}


def plain_name(series: str) -> str:
    """`kan grid_eps=0.02 hidden=[2, 2]` as `KAN, knots at percentiles`: its arm, and what no mark tells."""
    arm = series.split(" ")[0]
    words = [ARM_WORDS.get(arm, arm)]
    for name, value in re.findall(r"(\w+)=(\[[^\]]*\]|\S+)", series):
        if name == "grid_eps":
            words.append("uniform knots" if float(value) == 1 else "knots at percentiles")
        elif name not in TOLD_BY_MARKS:
            words.append(SETTING_WORDS.get(f"{name}={value}", f"{name} = {value}"))
    return ", ".join(words)
