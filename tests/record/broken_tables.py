"""Tables that nobody should write: some made by hand, and mutants of good ones, made by a
`random.Random`.
"""

import gzip
import io
from itertools import product
from random import Random

import pandas as pd

TEXT = "arch,params,rmse,seed,status\n" + "".join(
    f"{arch},{size},{(2.0 + seed / 9) * size**-power:.6g},{seed},ok\n"
    for (arch, power), size, seed in product((("kan", 1.5), ("mlp", 1.0)), (10, 20, 40, 80), (0, 1))
)
HEAD = "arch,params,rmse\n"
CELLS = (
    '', ' ', 'nan', 'inf', '-inf', '1e999', '-1e999', '1e-999', '0', '-0', '-1', '1e308', '1e-308', '5e-324', '0x10',
    '1_000', '1,5', '1;5', '1.5.5', '--1', '+1', '٣', '½', '１', 'x', 'é', '😀', '\x00', '\r', '\n', '\t', '\x1a', '"',
    '""', '"x', 'x"', "'", '\\', 'NaN', 'None', 'null', 'true', '=1+1', '2020-01-01', "9" * 400, "x" * 131_073, '1e3',
    '[1]', '{}', '1j', 'infinity', '1e', 'e1', '.', '\u2028', '\ufeff', 'failed', 'a/b', '../x', '1e15', '1e16', '7',
)  # fmt: skip
# Of `harness fit FILE`, and of `harness compare FILE kan mlp`. Frontiers are left out: they take
# seconds each.
ASKED = (
    ("fit", "--by", "arch"),
    ("fit", "--by", "arch", "--config", "params", "--seed", "seed", "--status", "status"),
    ("fit", "--law", "pure", "--law", "floor", "--min-x", "15", "--same", "status"),
    ("fit", "--by", "arch", "--hold-out", "1", "--until", "minimum", "--json"),
    ("fit", "--by", "seed", "--where", "arch=kan"),
    ("fit", "--by", "arch", "--frontier", "0.5"),
    ("fit", "--isoflop", "seed"),
    ("compare", "--by", "arch", "--status", "status", "--best-of", "2"),
)
ROWS = (
    *("a\n", "a,1\n", "a,1,2,3\n", "a,x,1\n", "a,1,x\n", "a,0,1\n", "a,-1,1\n", "a,1,0\n", "a,1,-1\n", "a,inf,1\n"),
    *("a,1,inf\n", "a,1e999,1\n", "a,1,1e999\n", "a,,1\n", '"a,1,1\n', "a;1;2\n", "a,1,1\0\n"),
    *("x" * 131_073 + ",1,1\n", 'a,1,"' + "x\n" * 70_000),
)  # fmt: skip
BY_HAND = [
    *("", " ", "\n", "\r", "\r\n", "\t", ",", ",,,\n", '"', '""', '"\n', "\0", "\ufeff", "\x1a", "x", "params"),
    *("params,rmse", HEAD, TEXT[:5], "arch,params,rmse", "arch,params,rmse\r", "arch,params,rmse\n\n\n"),
    *("params,params,rmse\n1,2,3\n", *(HEAD + row for row in ROWS)),
    *("x" * 131_073 + "\n1\n", "a," + "x" * 131_073 + "\n1,2\n", "arch,params,rmse\ra,1\r", ("a b c\n1 2 "
                                                                                            "3\n")),
    *("arch\tparams\trmse\na\t1\n", "arch|params|rmse\na|b|c\n", "[]", "{}", "<html>"),
    *map("params,rmse\n{0[0]},{0[1]}\n".format, product(("x", "-1", "0", "inf", "1e999"), ("1", "x", "0"))),
]  # fmt: skip
BYTES_BY_HAND = [
    *(("runs.csv", raw) for raw in (b"\xff\xfe", b"a,b\n\xff", TEXT.encode("utf-16"), b"\x1f\x8b\x08", b"\0" * 1000)),
    *(("runs.csv.gz", raw) for raw in (b"", b"x", b"\x1f\x8b", gzip.compress(b""), gzip.compress(b"\xff"))),
    *(("runs.csv.gz", raw) for raw in (gzip.compress(TEXT.encode())[:-9], TEXT.encode())),
    *(("runs.parquet", raw) for raw in (b"", b"PAR1", b"PAR1PAR1", b"PAR1" + b"\0" * 100 + b"PAR1", TEXT.encode())),
]  # fmt: skip


def by_hand() -> list[tuple[str, bytes]]:
    """(name, bytes) of files that are no tables of runs, or of which no law can be fitted to params
    and rmse.
    """
    return [*(("runs.csv", text.encode()) for text in BY_HAND), *BYTES_BY_HAND]


def parquet(text: str) -> bytes:
    packed = io.BytesIO()
    pd.read_csv(io.StringIO(text)).to_parquet(packed)
    return packed.getvalue()


PARQUET = parquet(TEXT)


def mutant(random: Random) -> tuple[str, bytes]:
    """A good table with one to three things that are wrong with it: the name of its file, and its
    bytes.
    """
    kind = random.choice(("csv", "csv", "csv", "tsv", "csv.gz", "parquet"))
    if kind == "parquet":
        return "runs.parquet", _changed_bytes(random, PARQUET)
    text = TEXT
    for _ in range(random.choice((1, 1, 2, 3))):
        text = _changed(random, text)
    raw = text.replace(",", "\t").encode() if kind == "tsv" else text.encode()
    if random.random() < 0.2:
        raw = _changed_bytes(random, raw)
    if kind != "csv.gz":
        return f"runs.{kind}", raw
    packed = gzip.compress(raw, mtime=0)
    return "runs.csv.gz", _changed_bytes(random, packed) if random.random() < 0.5 else packed


def _changed(random: Random, text: str) -> str:
    lines = [line.split(",") for line in text.split("\n")]
    row, other = random.randrange(len(lines)), random.randrange(len(lines))
    column = random.randrange(len(lines[row]))
    at = random.randrange(len(text) + 1)
    match random.randrange(9):
        case 0 | 1:
            lines[row][column] = random.choice(CELLS)
        case 2:
            del lines[row]
        case 3:
            lines.insert(other, lines[row])
        case 4:
            del lines[row][column]
        case 5:
            lines[row].insert(column, random.choice(CELLS))
        case 6:
            cell = random.choice(CELLS)
            for line in lines[1:]:
                line[column : column + 1] = [cell]
        case 7:
            return text.replace("\n", random.choice(("\r", "\r\n", "\n\n", "\n\r", ";", "\u2028")))
        case 8:
            return text[:at] + random.choice('\0\r\n\t,;|"\ufeff') + text[at:]
    return "\n".join(",".join(line) for line in lines)


def _changed_bytes(random: Random, raw: bytes) -> bytes:
    changed = bytearray(raw)
    for _ in range(random.choice((1, 1, 4))):
        at = random.randrange(len(changed) or 1)
        match random.randrange(3):
            case 0:
                changed[at : at + 1] = bytes([random.randrange(256)])
            case 1:
                del changed[at : at + random.randrange(1, 40)]
            case 2:
                changed[at:at] = bytes(random.randrange(256) for _ in range(random.randrange(1, 5)))
    return bytes(changed)
