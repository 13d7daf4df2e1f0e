"""Value blocks of readings: codec/FORMAT §6. `parts` says how many consecutive rows of the block belong to each series."""

import math
import struct

from columns import column, next_row
from wire import EXACT, Bits, require

EXCEPTIONS, BY_SERIES, TICKS = 8, 16, 32
ALLOWED = (56, 56, 0, 0, 0, 0, 0, 24)
"""Bits 3 to 5 that a kind knows."""
DICTIONARY = 2
DICTIONARY_MAX = 512
BOUNDED_ROWS = 64
SCALE_MAX = 22
PRINTED_MAX = 2.0**51
ROUNDER = 1.5 * 2.0**52


def value_block(cursor, parts, is_nested=False):
    """The values of the rows."""
    head = cursor.byte()
    kind, bits = head & 7, head & ~7
    require(bits & ~ALLOWED[kind] == 0, f"value block head 0x{head:02x}")
    require(not (is_nested and kind == DICTIONARY), "a dictionary in a dictionary")
    out = KINDS[kind](cursor, parts, bits)
    require(all(v - v == 0 for v in out), "a value that is not finite")
    return out


def by_series(cursor, parts):
    """First values of the parts, then the differences within them."""
    firsts = column(cursor, len(parts))
    steps = iter(column(cursor, sum(parts) - len(parts)))
    out = []
    for first, rows in zip(firsts, parts):
        out.append(first)
        for _ in range(rows - 1):
            out.append(out[-1] + next(steps))
    require(all(abs(x) <= EXACT for x in out), "an integer beyond 2^53")
    return out


def _integers(cursor, parts, bits):
    return by_series(cursor, parts) if bits & BY_SERIES else column(cursor, sum(parts))


def _exceptions(cursor, bits, rows):
    """Row to value."""
    out, row = {}, -1
    for _ in range(cursor.varint() if bits & EXCEPTIONS else 0):
        row = next_row(cursor, row, rows)
        out[row] = cursor.f64()
    return out


def _bounds(cursor, parts):
    return (cursor.f64(), cursor.f64()) if sum(parts) >= BOUNDED_ROWS else None


def _within(values, bounds):
    require(bounds is None or all(bounds[0] <= v <= bounds[1] for v in values), "a value outside the bounds of its block")
    return values


def _single(value):
    """Rounded to float32."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


# ---- kinds


def _decimals(cursor, parts, bits, finish):
    rows = sum(parts)
    scale = cursor.byte()
    require(scale <= SCALE_MAX, "a decimal scale above 22")
    least, extent = cursor.svarint(), cursor.varint()
    tick = cursor.varint() if bits & TICKS else 1
    exceptions = _exceptions(cursor, bits, rows)
    offsets = _integers(cursor, parts, bits) if extent > 0 else [0] * rows
    out = []
    for row, x in enumerate(offsets):
        if row in exceptions:
            out.append(exceptions[row])
            continue
        require(0 <= x * tick <= extent and abs(least + x * tick) <= EXACT, "a decimal outside the bounds of its block")
        out.append(finish(float(least + x * tick) / float(10**scale)))
    return out


def _decimal(cursor, parts, bits):
    return _decimals(cursor, parts, bits, lambda v: v)


def _single_decimal(cursor, parts, bits):
    return _decimals(cursor, parts, bits, _single)


def _dictionary(cursor, parts, _bits):
    size = cursor.varint()
    require(1 <= size <= DICTIONARY_MAX, "a dictionary of no or too many values")
    values = value_block(cursor, [size], is_nested=True)
    indices = column(cursor, sum(parts))
    require(all(0 <= i < size for i in indices), "an index beyond the dictionary")
    return [values[i] for i in indices]


def _split(cursor, parts, _bits):
    bounds = _bounds(cursor, parts)
    shift = cursor.byte()
    require(shift <= 32, "a split shift above 32")
    upper = column(cursor, sum(parts))
    lower = column(cursor, sum(parts)) if shift < 32 else [0] * len(upper)
    require(all(0 <= h < 1 << 32 for h in upper), "an upper half beyond 32 bits")
    require(all(0 <= l << shift < 1 << 32 for l in lower), "a lower half beyond 32 bits")
    out = []
    for h, l in zip(upper, lower):
        high = h - (1 << 31) if h >= 1 << 31 else (1 << 32) - 1 - h
        out.append(_float_of(high << 32 | l << shift))
    return _within(out, bounds)


def _float_of(bits):
    return struct.unpack("<d", bits.to_bytes(8, "little"))[0]


def _xor(cursor, parts, _bits):
    bounds = _bounds(cursor, parts)
    stream = Bits(cursor.take(cursor.varint()))
    current = stream.read(32) | stream.read(32) << 32
    out, width, shift = [_float_of(current)], 0, 0
    while len(out) < sum(parts):
        if stream.read(1):
            if stream.read(1):
                above, width = stream.read(5), stream.read(6) + 1
                shift = 64 - above - width
                require(shift >= 0, "a window of bits beyond a float")
            require(width > 0, "a window of bits before there is one")
            current ^= stream.read(width) << shift
        out.append(_float_of(current))
    stream.done("the values")
    return _within(out, bounds)


def _raw(cursor, parts, _bits):
    bounds = _bounds(cursor, parts)
    return _within([cursor.f64() for _ in range(sum(parts))], bounds)


def _constant(cursor, parts, _bits):
    return [cursor.f64()] * sum(parts)


def _grid(cursor, parts, bits):
    rows = sum(parts)
    form = cursor.byte()
    require(form <= SCALE_MAX or form in (64, 65), f"grid form {form}")
    origin, step, least, greatest = (cursor.f64() for _ in range(4))
    extent = cursor.varint()
    exceptions = _exceptions(cursor, bits, rows)
    places = _integers(cursor, parts, bits) if extent > 0 else [0] * rows
    misses = column(cursor, rows)
    out = []
    for row, (k, miss) in enumerate(zip(places, misses)):
        if row in exceptions:
            out.append(exceptions[row])
            continue
        require(0 <= k <= extent, "a place beyond the grid")
        value = _on_grid(form, origin + float(k) * step, miss)
        out += _within([value], (least, greatest))
    return out


def _on_grid(form, x, miss):
    require(x == x, "a grid that is not a number")
    if form <= SCALE_MAX:
        return (_nearest(x * 10.0**form) + float(miss)) / 10.0**form
    single = _places_above(_single(x), miss)
    return single if form == 64 else _printed(single)


def _nearest(x):
    """Half to even while |x| < 2^51; beyond, what float64 addition makes of it."""
    return x + ROUNDER - ROUNDER


def _places_above(single, miss):
    """The float32 `miss` places above another; −0 and +0 are one place."""
    bits = struct.unpack("<I", struct.pack("<f", single))[0]
    place = -(bits - (1 << 31)) if bits >> 31 else bits
    place += miss
    require(abs(place) < 0x7F80_0000, "a float32 that is not finite")
    return struct.unpack("<f", struct.pack("<I", place if place >= 0 else -place | 1 << 31))[0]


def _printed(single):
    """The shortest decimal that rounds to a float32, as a float64."""
    for digits in range(SCALE_MAX + 1):
        scaled = single * 10.0**digits
        if abs(scaled) >= PRINTED_MAX:
            break
        shortest = _nearest(scaled) / 10.0**digits
        if _single(shortest) == single:
            return shortest
    return single


KINDS = (_decimal, _single_decimal, _dictionary, _split, _xor, _raw, _constant, _grid)
