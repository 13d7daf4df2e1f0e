"""Scalars and exact sums of aggregate/FORMAT §1 and §2. Canonical: a sequence that an encoder would not write is refused."""

import math
import struct
from fractions import Fraction

from wire import EXACT, require

SHORT_SCALE_MAX = 14
SHORT_LIMIT = 2.0**50
LONG_FLOAT = 0x0F
SUM_UNIT = -2148
SUM_BITS = 4256


def leb(cursor, bits):
    """LEB128 of an integer of at most `bits` bits, without a superfluous zero byte."""
    value = shift = 0
    while True:
        byte = cursor.byte()
        value |= (byte & 127) << shift
        require(value.bit_length() <= bits, f"an integer of more than {bits} bits")
        if byte < 128:
            require(byte > 0 or shift == 0, "a superfluous zero byte")
            return value
        shift += 7
        require(shift <= bits, f"an integer of more than {bits} bits")


def varint(cursor):
    return leb(cursor, 53)


def signed(cursor):
    doubled = leb(cursor, 55)
    magnitude, negative = doubled >> 1, doubled & 1
    require(magnitude <= EXACT, "an integer beyond 2^53")
    require(magnitude > 0 or not negative, "a negative zero integer")
    return -magnitude if negative else magnitude


def flt(cursor):
    """A float in short or long form, whichever is the right one for it."""
    head = cursor.byte()
    if head == LONG_FLOAT:
        value = cursor.f64()
        require(_short(abs(value)) is None, "a long float that has a short form")
        return value
    scale, negative, digits = head & 15, head & 16, head >> 5 & 3
    require(scale <= SHORT_SCALE_MAX, f"float head 0x{head:02x}")
    if head & 128:
        rest = varint(cursor)
        require(rest > 0, "a float with a superfluous byte")
        digits |= rest << 2
    require(digits <= SHORT_LIMIT, "a short float of too many digits")
    value = float(digits) / 10.0**scale
    require(_short(value) == (scale, digits), "a float that is not in its short form")
    return -value if negative else value


def _short(magnitude):
    """Scale and digits of a magnitude, or None when only the long form holds it."""
    for scale in range(SHORT_SCALE_MAX + 1):
        product = magnitude * 10.0**scale
        if not product < SHORT_LIMIT:
            return None
        if round(product) / 10.0**scale == magnitude:
            return scale, round(product)
    return None


def exact_sum(cursor):
    """The sum as a Fraction."""
    head = flt(cursor)
    code = varint(cursor)
    rest = _rest(cursor, head, code) if code > 0 else Fraction(0)
    require(not (head == 0 and math.copysign(1, head) < 0), "a sum whose head is −0")
    total = Fraction(head) + rest
    require(head == head_of(total), "a sum whose head is not its rounding")
    return total


def _rest(cursor, head, code):
    distance = (code + 1) // 2 if code & 1 else 1 - code // 2
    exponent = _last_place(head) - distance
    coded = leb(cursor, SUM_BITS)
    odd = (coded & ~1) + 1
    require(SUM_UNIT <= exponent and exponent + odd.bit_length() <= SUM_UNIT + SUM_BITS, "a sum out of bounds")
    return Fraction(-odd if coded & 1 else odd) * Fraction(2) ** exponent


def _last_place(head):
    """The exponent of the last place of a float."""
    return max(-1074, math.frexp(head)[1] - 53) if head != 0 else -1074


def rounded(total):
    """A Fraction rounded to the nearest float64, ties to even; ±inf beyond the range."""
    try:
        return total.numerator / total.denominator
    except OverflowError:
        return math.inf if total > 0 else -math.inf


def head_of(total):
    head = rounded(total)
    return 0.0 if math.isinf(head) else head + 0.0


def finite_or_none(value):
    return value if math.isfinite(value) else None


def float_bits(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def ordered(value):
    """A key by which floats ascend, −0 before +0."""
    bits = float_bits(value)
    return bits if bits < 1 << 63 else (1 << 63) - bits - 1
