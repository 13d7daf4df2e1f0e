"""Partials and their quantile sketches: aggregate/FORMAT §3 and §4."""

import math
from fractions import Fraction

from scalars import exact_sum, float_bits, flt, head_of, ordered, rounded, signed, varint
from wire import EXACT, Cursor, UnknownVersion, require

BYTES_MAX = 65_536
BUCKETS_MAX = 4096
LEVEL_MAX = 7
INDEX_MAX = 134_271
EMPTY, ONE, EQUAL, SEVERAL = range(4)
IN_SECONDS, WITH_SKETCH, WITH_HELD, LAST_ITSELF = 16, 32, 64, 128
FAR = 2**51


def decode(data):
    """
    A dict: count, and with readings min, max, first, last (each `[time, value]`), sum, squares (Fractions); heldMs and heldSum;
    `sketch` None or `{level, buckets: {key: count}}`.
    """
    require(len(data) <= BYTES_MAX, "a partial of more than 65,536 bytes")
    cursor = Cursor(data)
    head = cursor.byte()
    if head & 3:
        raise UnknownVersion(f"version {head & 3} of partials")
    shape = head >> 2 & 3
    times = _times(cursor, head, shape)
    out = {"count": times[2]}
    if shape != EMPTY:
        _values(cursor, shape, times, out)
    held_ms = varint(cursor) if head & WITH_HELD else 0
    require(held_ms > 0 or not head & WITH_HELD, "a held time of zero")
    out["heldMs"] = held_ms
    out["heldSum"] = exact_sum(cursor) if head & WITH_HELD else Fraction(0)
    out["sketch"] = _sketch(cursor, shape, out) if head & WITH_SKETCH else None
    cursor.done("a partial")
    return out


def _times(cursor, head, shape):
    """First and last time in ms, and the count."""
    require(shape >= EQUAL or not head & LAST_ITSELF, "a last time of its own for less than two readings")
    if shape == EMPTY:
        require(not head & IN_SECONDS, "seconds without readings")
        return None, None, 0
    unit = 1000 if head & IN_SECONDS else 1
    first = last = signed(cursor) * unit
    count = 1
    if shape >= EQUAL:
        count = varint(cursor)
        require(count >= 2, "several readings, but less than two")
        last = unit * signed(cursor) if head & LAST_ITSELF else first + unit * varint(cursor)
        require(first <= last, "a last time before the first")
        is_far = max(abs(first), abs(last)) > FAR
        require(is_far == bool(head & LAST_ITSELF), "a last time in the wrong form")
    require(max(abs(first), abs(last)) <= EXACT, "a time beyond 2^53")
    require((unit == 1000) == (first % 1000 == 0 and last % 1000 == 0), "times in the wrong unit")
    return first, last, count


def _values(cursor, shape, times, out):
    first_time, last_time, count = times
    least = greatest = first = last = flt(cursor)
    if shape == SEVERAL:
        greatest = flt(cursor)
        require(ordered(least) < ordered(greatest), "a minimum that is not below the maximum")
        roles = cursor.byte()
        require(roles < 16 and roles & 3 < 3 and roles >> 2 < 3, "unknown roles of first and last")
        first = _by_role(cursor, roles & 3, least, greatest)
        last = _by_role(cursor, roles >> 2, least, greatest)
        require(count > 2 or roles in (1, 4), "two readings that are not minimum and maximum")
        require(first_time < last_time or roles == 4, "first and last of one time that are not minimum and maximum")
    total, squares = Fraction(least) * count, Fraction(least) ** 2 * count
    if shape == SEVERAL and count == 2:
        total, squares = Fraction(least) + Fraction(greatest), Fraction(least) ** 2 + Fraction(greatest) ** 2
    if shape == SEVERAL and count > 2:
        total, squares = exact_sum(cursor), exact_sum(cursor)
        require(Fraction(least) * count <= total <= Fraction(greatest) * count, "a sum that its readings cannot have")
        require(squares * count >= total**2, "squares that the readings cannot have")
    out.update(min=least, max=greatest, sum=total, squares=squares)
    out.update(first=[first_time, first], last=[last_time, last])


def _by_role(cursor, role, least, greatest):
    if role < 2:
        return (least, greatest)[role]
    value = flt(cursor)
    require(ordered(least) < ordered(value) < ordered(greatest), "a value in the wrong role")
    return value


# ---- sketches


def index_of(value):
    """The exponent and the top six bits of the mantissa, read as one integer; not for zeros."""
    bits = float_bits(abs(value))
    exponent = bits >> 52
    if exponent > 0:
        return 64 * (exponent - 1 + 52) + (bits >> 46 & 63)
    octave = bits.bit_length() - 1
    return 64 * octave + ((bits << 6 >> octave) & 63)


def key_of(value, level):
    if value == 0:
        return 0
    key = (index_of(value) >> level) + 1
    return key if value > 0 else -key


def answer_of(key, level):
    """2ab/(a + b) of the bucket [a, b)."""
    if key == 0:
        return 0.0
    low = (abs(key) - 1) << level
    a, b = _start_of(low), _start_of(low + (1 << level))
    answer = rounded(2 * a * b / (a + b))
    return answer if key > 0 else -answer


def _start_of(index):
    return Fraction(2) ** (index // 64 - 1074) * Fraction(64 + index % 64, 64)


def sketch_of(values_and_counts):
    """The sketch of values, at the least level that holds them."""
    for level in range(LEVEL_MAX + 1):
        buckets = {}
        for value, count in values_and_counts:
            key = key_of(value, level)
            buckets[key] = buckets.get(key, 0) + count
        if len(buckets) <= BUCKETS_MAX:
            return {"level": level, "buckets": dict(sorted(buckets.items()))}


def _sketch(cursor, shape, out):
    """Read where it is stored, made of the values where they are known."""
    if shape == EMPTY:
        return {"level": 0, "buckets": {}}
    if shape < SEVERAL:
        return sketch_of([(out["min"], out["count"])])
    if out["count"] == 2:
        return sketch_of([(out["min"], 1), (out["max"], 1)])
    sketch = read_sketch(cursor)
    keys = list(sketch["buckets"])
    require(sum(sketch["buckets"].values()) == out["count"], "a sketch of another number of readings")
    require(keys[0] == key_of(out["min"], sketch["level"]), "a sketch with another minimum")
    require(keys[-1] == key_of(out["max"], sketch["level"]), "a sketch with another maximum")
    return sketch


def read_sketch(cursor):
    level = cursor.byte()
    require(level <= LEVEL_MAX, f"level {level} of a sketch")
    size = varint(cursor)
    require((1 if level == 0 else BUCKETS_MAX // 2 + 1) <= size <= BUCKETS_MAX, f"{size} buckets at level {level}")
    key, buckets = signed(cursor), {}
    key_max = (INDEX_MAX >> level) + 1
    require(key >= -key_max, "a bucket below all floats")
    for i in range(size):
        byte = cursor.byte()
        gap, more = byte & 3, byte >> 2
        gap += varint(cursor) if gap == 3 else 0
        more += varint(cursor) if more == 63 else 0
        require(i > 0 or gap == 0, "a gap before the first bucket")
        key += gap + (i > 0)
        require(key <= key_max, "a bucket above all floats")
        buckets[key] = more + 1
    return {"level": level, "buckets": buckets}


def quantile(partial, q):
    """Minimum at 0, maximum at 1, else the bucket of the reading number 1 + ⌊q·(count − 1)⌋, kept within minimum and maximum."""
    if q in (0, 1):
        return partial["max" if q else "min"]
    rank, below = 1 + math.floor(q * (partial["count"] - 1)), 0
    for key, count in partial["sketch"]["buckets"].items():
        below += count
        if below >= rank:
            answer = answer_of(key, partial["sketch"]["level"])
            return sorted((partial["min"], answer, partial["max"]), key=ordered)[1]


def mean(partial):
    return head_of(partial["sum"] / partial["count"])
