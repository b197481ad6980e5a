"""Odd tasks and networks of users: (source, part of the line by which `harness validate` refuses
it), or no line.

FUNCTIONS define f(x), REFERENCES are files, each with the reference to it, and NETWORKS define the
class Net.
"""

ACCEPTED = ""

CHANCE = "must depend on its own point alone"
BEGIN = """
import decimal, os, random, sys, threading, time, warnings
import numpy as np
import torch
from torch import nn
"""

FUNCTIONS = {
    # ----------------------------------------------------------------------------------------------
    # all is well
    "plain": "def f(x): return x[:, 0] * x[:, 1]",
    "a column": "def f(x): return x[:, :1]",
    "int8": "def f(x): return (x[:, 0] > 0).astype(np.int8)",
    "float16": "def f(x): return x[:, 0].astype(np.float16)",
    "a list": "def f(x): return [float(a) for a in x[:, 0]]",
    ("a callable with a version"): (
        "class Call:\n    version = 3\n    def __call__(self, x): return x[:, 0]\nf = Call()"
    ),
    ("a float64 product"): (
        "W = np.random.default_rng(0).normal(size=(2, 50))\ndef f(x): return np.tanh(x @ W).sum(1)"
    ),
    "a float32 product": (
        "W = np.random.default_rng(0).normal(size=(2, 50)).astype('f4')\n"
        "def f(x): return np.tanh(x.astype('f4') @ W).sum(1)"
    ),
    "steep functions of rounded values": "def f(x): return np.sin(np.exp(12 * np.abs(x)).sum(1))",
    "a pole nearby": "def f(x): return 1 / (x[:, 0] + 1.0001)",
    "zero but for a bump": "def f(x): return np.maximum(0.25 - (x**2).sum(1), 0)",
    "torch": "def f(x): return torch.sin(torch.from_numpy(x[:, 0]))",
    "changes what it is given": "def f(x):\n    x *= 2\n    return x[:, 0]",
    ("returns its own buffer"): (
        "B = np.empty(10**6)\ndef f(x):\n    B[: len(x)] = x[:, 0]\n    return B[: len(x)]"
    ),
    (
        "noise that its point decides"
    ): "def f(x): return np.sin(1e6 * x[:, 0]) * np.cos(1e6 * x[:, 1])",
    "prints": "def f(x):\n    print('hello', 3)\n    return x[:, 0]",
    (
        "writes to the buffer of stdout"
    ): "def f(x):\n    sys.stdout.buffer.write(b'hello')\n    return x[:, 0]",
    "closes stdout": "def f(x):\n    sys.stdout.close()\n    return x[:, 0]",
    "loses stdout and stderr": "def f(x):\n    sys.stdout = sys.stderr = None\n    return x[:, 0]",
    "warns": "def f(x):\n    warnings.warn('beware')\n    return x[:, 0]",
    "makes warnings errors": "def f(x):\n    warnings.simplefilter('error')\n    return x[:, 0]",
    "makes numpy raise": "def f(x):\n    np.seterr(all='raise')\n    return x[:, 0]",
    "goes to another folder": "def f(x):\n    os.chdir('/')\n    return x[:, 0]",
    (
        "seeds global generators"
    ): "def f(x):\n    np.random.seed(1)\n    random.seed(1)\n    return x[:, 0]",
    "a thread that fails": (
        "def f(x):\n    one = threading.Thread(target=sys.exit, args=(7,))\n"
        "    one.start()\n    one.join()\n    return x[:, 0]"
    ),
    # --------------------------------------------------------------------------------------- other
    # values each time
    "default_rng": (
        "def f(x): return x[:, 0] + np.random.default_rng().normal(size=len(x))",
        CHANCE,
    ),
    "numpy's generator": ("def f(x): return x[:, 0] + np.random.normal(size=len(x))", CHANCE),
    "Python's generator": ("def f(x): return x[:, 0] * random.random()", CHANCE),
    "torch's generator": ("def f(x): return x[:, 0] * torch.rand(len(x)).numpy()", CHANCE),
    "seeded noise by place": (
        "def f(x): return x[:, 0] + np.random.default_rng(0).normal(size=len(x))",
        CHANCE,
    ),
    "the clock": ("def f(x): return x[:, 0] * (time.perf_counter_ns() % 1000)", CHANCE),
    "counts its calls": (
        "CALLS = []\ndef f(x):\n    CALLS.append(1)\n    return x[:, 0] + len(CALLS)",
        CHANCE,
    ),
    "less the mean": ("def f(x): return x[:, 0] - x[:, 0].mean()", CHANCE),
    "by the number of points": ("def f(x): return x[:, 0] * len(x)", CHANCE),
    "sorted": ("def f(x): return np.sort(x[:, 0])", CHANCE),
    "a running sum": ("def f(x): return np.cumsum(x[:, 0])", CHANCE),
    "its neighbour's": ("def f(x): return np.roll(x[:, 0], 1)", CHANCE),
    # ----------------------------------------------------------------------------------------------
    # what it gives
    "complex": ("def f(x): return x[:, 0] + 1j * x[:, 1]", "dtype complex128"),
    "masked": ("def f(x): return np.ma.masked_less(x[:, 0], 0)", "masked array"),
    "texts": ("def f(x): return np.array([str(a) for a in x[:, 0]])", "dtype <U"),
    "Decimals": (
        "def f(x): return np.array([decimal.Decimal(a) for a in x[:, 0]])",
        "dtype object",
    ),
    "durations": ("def f(x): return (1e6 * x[:, 0]).astype('timedelta64[s]')", "dtype timedelta64"),
    "records": ("def f(x): return x.copy().view([('a', 'f8'), ('b', 'f8')])[:, 0]", "dtype [('a'"),
    "nothing": ("def f(x): pass", "dtype object"),
    "one number": ("def f(x): return 1.5", "shape ()"),
    "a row": ("def f(x): return x[None, :, 0]", "shape (1, "),
    "two columns": ("def f(x): return x", "return (1000,) or (1000, 1)"),
    "one too few": ("def f(x): return x[1:, 0]", "shape (999,)"),
    "of different lengths": (
        "def f(x): return [[1.0]] + [[1.0, 2.0]] * (len(x) - 1)",
        "ValueError",
    ),
    "NaN at times": ("def f(x): return np.where(x[:, 0] > 0.9, np.nan, x[:, 0])", "value nan"),
    "infinite": ("def f(x): return np.where(x[:, 0] > 0.9, np.inf, x[:, 0])", "value inf"),
    "constant": ("def f(x): return np.full(len(x), 3.0)", "value 3.0 at all"),
    "constant but for rounding": (
        "def f(x): return np.sin(x[:, 0]) ** 2 + np.cos(x[:, 0]) ** 2",
        "at all",
    ),
    "wants a gradient": (
        "def f(x): return torch.from_numpy(x[:, 0]).requires_grad_()",
        "RuntimeError",
    ),
    # ----------------------------------------------------------------------------------------------
    # how it ends
    "raises": ("def f(x): raise ValueError('no such thing')", "ValueError: no such thing"),
    "raises in lines": (
        "def f(x): raise ValueError('first\\nsecond\\n\\nthird')",
        "ValueError: first second third",
    ),
    "raises at length": ("def f(x): raise ValueError('long ' * 10**5)", "ValueError: long"),
    "raises what cannot be told": (
        "class Odd(Exception):\n    def __str__(self): raise SystemExit(0)\ndef f(x): raise Odd",
        "Odd: (its message cannot be read)",
    ),
    "exits well": ("def f(x): sys.exit(0)", "SystemExit: 0"),
    "exits with a word": ("def f(x): raise SystemExit('bye')", "SystemExit: bye"),
    "interrupts": ("def f(x): raise KeyboardInterrupt", "KeyboardInterrupt"),
    "closes generators": ("def f(x): raise GeneratorExit", "GeneratorExit"),
    "ends iterations": ("def f(x): raise StopIteration", "StopIteration"),
    "raises at the root": (
        "class Odd(BaseException): pass\ndef f(x): raise Odd('root')",
        "Odd: root",
    ),
    "recurs": ("def f(x): return f(x)", "RecursionError"),
    "wants all memory": ("def f(x): return np.zeros(2**45)", "MemoryError"),
    "exits as it is read": (
        "class Odd:\n    def __array__(self, *a, **k): sys.exit(0)\ndef f(x): return Odd()",
        "SystemExit: 0",
    ),
    "takes two arguments": ("def f(x, y): return x[:, 0]", "TypeError"),
}

FINE = "def f(x): return x[:, 0]\n"
REFERENCES = {
    # A name is in place of NAME, its own for each case, as Python imports a name once.
    "fine": ("NAME:f", FINE, ACCEPTED),
    "prints": ("NAME:f", "print('hello')\n" + FINE, ACCEPTED),
    "keeps stdout": (
        "NAME:f",
        "import sys\nOUT = sys.stdout\ndef f(x):\n    print(1, file=OUT)\n    return x[:, 0]",
        ACCEPTED,
    ),
    "another folder": ("NAME:f", "import os\nos.chdir('/')\n" + FINE, ACCEPTED),
    "ignores signals": (
        "NAME:f",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + FINE,
        ACCEPTED,
    ),
    "a version": ("NAME:f", FINE + "f.version = 'two'", ACCEPTED),
    "exits well": ("NAME:f", "raise SystemExit(0)", "SystemExit: 0"),
    "interrupts": ("NAME:f", "raise KeyboardInterrupt", "importing NAME failed: KeyboardInterrupt"),
    "no Python": ("NAME:f", "def f(x) return 1", "importing NAME failed: SyntaxError"),
    "null bytes": ("NAME:f", "def f(x): return 1\0", "importing NAME failed"),
    "raises in lines": ("NAME:f", "raise ValueError('first\\nsecond')", "ValueError: first second"),
    "imports what is not there": (
        "NAME:f",
        "import no_such_module",
        "No module named 'no_such_module'",
    ),
    "not there": ("no_such_module:f", "", "importing no_such_module failed"),
    "no such folder": ("no.such.folder:f", "", "importing no.such.folder failed"),
    "relative": (".NAME:f", FINE, "importing .NAME failed"),
    "no function": ("NAME:", FINE, "write package.module:name"),
    "no module": (":f", FINE, "write package.module:name"),
    "another name": ("NAME:g", FINE, "no function 'g'; allowed: f"),
    "two colons": ("NAME:f:g", FINE, "no function 'f:g'"),
    "no callable": ("NAME:f", "f = 3", "no function 'f'"),
    "of C": ("math:sin", "", "its source cannot be read; give it a `version`"),
    "a version that exits": (
        "NAME:f",
        "class Call:\n    @property\n    def version(self): raise SystemExit(0)\n"
        "    def __call__(self, x): return x[:, 0]\n"
        "f = Call()",
        "SystemExit: 0",
    ),
    "a version of another kind": (
        "NAME:f",
        FINE + "f.version = object()",
        "its version is of type object",
    ),
    "names that exit": ("NAME:f", "def __getattr__(name): raise SystemExit(0)", "SystemExit: 0"),
    "wraps itself": ("NAME:f", FINE + "f.__wrapped__ = f", "ValueError: wrapper loop"),
    "another thing in its place": (
        "NAME:f",
        "import sys\nclass Thing:\n    __slots__ = ()\nsys.modules[__name__] = Thing()",
        "TypeError: vars() argument",
    ),
    "gone when imported": ("NAME:f", "import sys\ndel sys.modules[__name__]\n" + FINE, "KeyError"),
}

# The class of a network that goes on from that of LINEAR, in its constructor.
MADE = (
    "class Net(Linear):\n    def __init__(self, i, o, width):\n        super().__init__(i, "
    "o, width)\n"
)


def made(statement: str, returns: str) -> str:
    """A network whose constructor says one thing more."""
    return f"{MADE}        {statement}\n    def forward(self, x): return {returns}"


LINEAR = """
class Linear(nn.Module):
    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.one, self.two = nn.Linear(inputs, width), nn.Linear(width, outputs)
    def forward(self, x): return self.two(torch.tanh(self.one(x)))
"""
ONE_SEED, NO_CHANCE = "made twice from one seed, it differs", "must not depend on chance"
OTHERS = "depends on the other points"
WEIGHED = "self.two(self.a * torch.tanh(self.one(x)))"
NET = "class Net(Linear):\n"
FORWARDS = NET + "    def forward(self, x):\n"
FORWARD = NET + "    def forward(self, x): return "
IN_FLOAT32 = ("plain in float32", "float64 in float32")
NETWORKS = {
    # ----------------------------------------------------------------------------------------------
    # all is well
    "plain": "Net = Linear",
    "plain in float32": "Net = Linear",
    "numpy's generator": made(
        "self.a = nn.Parameter(torch.tensor(np.random.normal(size=width)))", WEIGHED
    ),
    "an array of numpy's": made(
        "self.a = nn.Parameter(torch.from_numpy(np.random.normal(size=width)))", WEIGHED
    ),
    "Python's generator": made("self.a = random.random()", "self.a * super().forward(x)"),
    "a random buffer": made(
        "self.register_buffer('a', torch.randn(i))", "super().forward(x + self.a)"
    ),
    "tied": made("self.two = self.one", "(self.one(x) * self.two(x)).sum(-1, keepdim=True)"),
    "prints": FORWARDS + "        print('hello')\n        return super().forward(x)",
    # ---------------------------------------------------------------------------------------
    # another one each time
    "default_rng": (
        made(
            "self.a = nn.Parameter(torch.tensor(np.random.default_rng().normal(size=width)))",
            WEIGHED,
        ),
        ONE_SEED + " in a",
    ),
    "urandom in a buffer": (
        made(
            "self.register_buffer('a', torch.tensor(list(os.urandom(8))).double())",
            "super().forward(x) + self.a.sum()",
        ),
        ONE_SEED + " in a",
    ),
    "a number of chance": (
        made("self.a = np.random.default_rng().normal()", "self.a * super().forward(x)"),
        ONE_SEED,
    ),
    "dropout": (FORWARD + "self.two(nn.functional.dropout(self.one(x), 0.5))", NO_CHANCE),
    "dropout with gradients": (
        FORWARD + "self.two(nn.functional.dropout(self.one(x), 0.5, torch.is_grad_enabled()))",
        NO_CHANCE,
    ),
    "noise of numpy's": (FORWARD + "super().forward(x) + np.random.normal()", NO_CHANCE),
    "batch norm": (
        made("self.norm = nn.BatchNorm1d(width)", "self.two(self.norm(self.one(x)))"),
        OTHERS,
    ),
    "sorts the points": (FORWARD + "super().forward(x.sort(0).values)", OTHERS),
    # ----------------------------------------------------------------------------------------------
    # what it gives
    "NaN": (FORWARD + "super().forward(x) * float('nan')", "give nan"),
    "NaN at times": (FORWARD + "super().forward(x.log())", "give nan"),
    "infinite": (FORWARD + "super().forward(x) / 0", "inf for a point"),
    "NaN at first": (MADE + "        nn.init.constant_(self.one.weight, float('nan'))", "give nan"),
    "float32 in float64": (
        FORWARD + "super().forward(x).float()",
        "points in float64 give values in float32",
    ),
    "float64 in float32": (
        FORWARD + "super().forward(x).double()",
        "points in float32 give values in float64",
    ),
    "bfloat16": (FORWARD + "super().forward(x).bfloat16()", "give values in bfloat16"),
    "complex": (
        FORWARD + "torch.complex(super().forward(x), super().forward(x))",
        "passes could not be counted",
    ),
    "flat": (FORWARD + "super().forward(x)[:, 0]", "give [8] in place of"),
    "a tuple": (FORWARD + "(super().forward(x),)", "could not be counted"),
    "one size of batch": (FORWARD + "super().forward(x) if len(x) > 7 else x[:1, :1]", OTHERS),
    "changes its input": (FORWARD + "super().forward(x.clamp_(-0.5, 0.5))", "changes the points"),
    "nothing to train": (MADE + "        self.requires_grad_(False)", "nothing to train"),
    "detached": (FORWARD + "super().forward(x).detach()", "could not be counted"),
    "lazy": (
        made("self.one = nn.LazyLinear(width)", "super().forward(x)"),
        "no shape before a first pass",
    ),
    "complex parameters": (
        made("self.a = nn.Parameter(1j * torch.ones(i))", "super().forward(x)"),
        "a is complex",
    ),
    "float32 alone": (
        made("self.a = torch.ones(i, i)", "super().forward(x @ self.a.to(x.device))"),
        "forward pass",
    ),
    "asks for values": (
        FORWARD + "super().forward(x if x.max() > 0 else -x)",
        "has no fixed count",
    ),
    # ----------------------------------------------------------------------------------------------
    # how it ends
    "exits when made": (
        NET + "    def __init__(self, i, o, width): raise SystemExit(0)",
        "SystemExit: 0",
    ),
    "interrupts when made": (
        NET + "    def __init__(self, i, o, width): raise KeyboardInterrupt",
        "KeyboardInterrupt",
    ),
    "exits as it passes": (NET + "    def forward(self, x): sys.exit('bye')", "SystemExit: bye"),
    "exits with data": (
        FORWARDS
        + "        if x.device.type == 'cpu': sys.exit(0)\n        return super().forward(x)",
        "SystemExit: 0",
    ),
    "exits as it is listed": (
        NET + "    def named_parameters(self, *a, **k): sys.exit(0)",
        "SystemExit: 0",
    ),
    "exits as it is moved": (NET + "    def _apply(self, *a, **k): sys.exit(0)", "SystemExit: 0"),
    "becomes something else": (
        NET + "    def __new__(cls, *a, **k): return 3\n    def __init__(self, i, o, width): pass",
        "gives int, no nn.Module",
    ),
    "no width": (NET + "    def __init__(self, i, o): pass", "TypeError"),
    "forgets super": (
        "class Net(nn.Module):\n    def __init__(self, i, o, width): self.a = nn.Linear(i, o)",
        "AttributeError",
    ),
    "no module": ("class Net:\n    pass", "has no nn.Module of the name 'Net'"),
    "no class": ("Net = Linear(2, 1, 4)", "has no nn.Module of the name 'Net'"),
    "raises in lines": (
        NET + "    def forward(self, x): raise ValueError('first\\nsecond')",
        "first second",
    ),
}
