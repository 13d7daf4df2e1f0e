"""The golden vectors of the pages: found in the Markdown, decoded, and compared with what the page says they are."""

import json
import re
from fractions import Fraction

import messages
import partials
import readings
import thinned
import windows
from scalars import exact_sum, flt, signed, varint
from wire import Cursor, Refused

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
MESSAGE = re.compile(r"^vector: (\w+)\n\n```json\n(.*?)^```\n\n```hex\n(.*?)^```$", re.M | re.S)


def check(page):
    """`(count, differences)` of one page."""
    checks = list(_message_checks(page)) + list(_fenced_checks(page))
    differences = [difference for name, run in checks if (difference := _run(name, run))]
    return len(checks), differences


def _run(name, run):
    try:
        got, wanted = run()
    except Refused as refusal:
        return f"{name}: refused, {refusal}"
    return None if same(got, wanted) else f"{name}: got {got!r}, the page says {wanted!r}"


def parsed(text):
    """JSON in which −0 stays −0."""
    return json.loads(text, parse_int=lambda digits: -0.0 if digits == "-0" else int(digits))


def same(a, b):
    """Equal, numbers bit for bit (1 and 1.0 are the same, 0 and −0 are not)."""
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return a == b and _is_negative(a) == _is_negative(b)


def _is_negative(value):
    return isinstance(value, (int, float)) and str(value).startswith("-")


def _message_checks(page):
    for name, text, hexes in MESSAGE.findall(page):
        yield name, lambda name=name, text=text, hexes=hexes: (messages.decode(name, bytes.fromhex(hexes)), parsed(text))


def _fenced_checks(page):
    for language, body in FENCE.findall(page):
        for line in body.splitlines():
            if language == "json" and line.startswith('{"name"'):
                vector = parsed(line)
                yield vector["name"], lambda vector=vector: _readings(vector)
            if language == "vectors" and line:
                kind, text, hexes = re.fullmatch(r"(\w+) (.*) ([0-9a-f]+)", line).groups()
                yield f"{kind} {text[:60]}", lambda kind=kind, text=text, hexes=hexes: _aggregate(kind, text, hexes)


def _readings(vector):
    wanted = vector["rows"] if "rows" in vector else list(_run_rows(**vector["run"]))
    return readings.decode(bytes.fromhex(vector["hex"])), {"rows": wanted, "strings": vector.get("strings", [])}


def _run_rows(series, count, time, timeStep, value, cycle, valueStep, scale):
    for i in range(count):
        yield [series, time + i * timeStep, (value + (i % cycle) * valueStep) / scale, 0]


def _aggregate(kind, text, hexes):
    value, data = parsed(text), bytes.fromhex(hexes)
    if kind in BLOCKS:
        return [[*row[:3], row[3].hex()] for row in BLOCKS[kind](data)], value
    if kind == "partial":
        return partials.decode(data), partial_of(**value)
    cursor = Cursor(data)
    got = SCALARS[kind](cursor)
    cursor.done(kind)
    return got, WANTED.get(kind, lambda v: v)(value)


BLOCKS = {"windows": windows.decode, "thinned": thinned.decode}

SCALARS = {
    "varint": varint,
    "signed": signed,
    "float": flt,
    "sum": exact_sum,
    "sumSq": exact_sum,
    "sketch": partials.read_sketch,
}


def _sum(values):
    return sum((Fraction(v) for v in values), Fraction(0))


WANTED = {
    "sum": _sum,
    "sumSq": lambda values: sum((Fraction(v) ** 2 for v in values), Fraction(0)),
    "sketch": lambda values: partials.sketch_of([(v, 1) for v in values]),
}


def partial_of(readings, held=(), sketch=False):  # noqa: the names are the page's
    """What a partial of these readings must hold, from the words of §4."""
    values = [v for _, v in readings]
    out = {"count": len(values)}
    if values:
        in_order = sorted(values, key=partials.ordered)
        out.update(min=in_order[0], max=in_order[-1], sum=_sum(values), squares=WANTED["sumSq"](values))
        first = min(readings, key=lambda r: (r[0], partials.ordered(r[1])))
        last = max(readings, key=lambda r: (r[0], partials.ordered(r[1])))
        out.update(first=list(first), last=list(last))
    out["heldMs"] = sum(ms for _, ms in held)
    out["heldSum"] = sum((Fraction(v) * ms for v, ms in held), Fraction(0))
    out["sketch"] = WANTED["sketch"](values) if sketch else None
    return out
