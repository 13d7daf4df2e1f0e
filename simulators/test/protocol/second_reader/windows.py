"""A windows block: aggregate/FORMAT §5."""

import zlib

from readings import inflated
from scalars import signed, varint
from wire import EXACT, Cursor, UnknownVersion, require

VERSION = 1
ROWS_MAX = 65_536
BODY_MAX = 8_388_608
PARTIAL_MAX = 65_536
SERIES_MAX = 2**32 - 1
SHAPE, IN_SECONDS = 12, 16


def decode(data, ignore_checksum=False):
    """Rows as [series, start, delta, bytes of the partial]."""
    version = Cursor(data).byte()
    if version != VERSION:
        raise UnknownVersion(f"version {version} of windows")
    require(len(data) >= 5, "a windows block of less than five bytes")
    sealed = int.from_bytes(data[-4:], "little")
    require(ignore_checksum or zlib.crc32(data[:-4]) == sealed, "the checksum of a windows block")
    cursor = Cursor(data, 1, len(data) - 4)
    compression = cursor.byte()
    require(compression <= 1, f"compression {compression}")
    rows, distinct = varint(cursor), varint(cursor)
    require(rows <= ROWS_MAX, "more than 65,536 windows")
    least, greatest = signed(cursor), signed(cursor)
    if compression == 1:
        size = varint(cursor)
        require(size <= BODY_MAX, "a body of more than 8,388,608 bytes")
        cursor = Cursor(inflated(cursor.take(cursor.left()), size))
    return _body(cursor, rows, distinct, least, greatest)


def _body(cursor, rows, distinct, least, greatest):
    groups = _series(cursor, rows)
    require(len(groups) == distinct, "another number of series")
    starts = _starts(cursor, groups, rows, least)
    require((min(starts, default=0), max(starts, default=0)) == (least, greatest), "other window starts than the header says")
    deltas = _deltas(cursor, rows)
    form = cursor.byte()
    require(form <= 1, f"form {form} of partials")
    partials = _headed(cursor, starts) if form == 1 else _plain(cursor, rows)
    cursor.done("the body of windows")
    series = [series for series, count in groups for _ in range(count)]
    return [list(row) for row in zip(series, starts, deltas, partials)]


def _series(cursor, rows):
    """(series, rows) in ascending order."""
    out, left, previous = [], rows, -1
    while left > 0:
        gap, count, repeats = varint(cursor), varint(cursor) + 1, varint(cursor) + 1
        require(count * repeats <= left, "more windows of series than windows")
        for _ in range(repeats):
            previous += 1 + gap
            out.append((previous, count))
        require(previous <= SERIES_MAX, "a series id beyond 32 bits")
        left -= count * repeats
    return out


def _runs(cursor, rows, read):
    """A list of `rows` entries, each run of equal ones stored once with its length less one."""
    out = []
    while len(out) < rows:
        value, run = read(cursor), varint(cursor) + 1
        require(run <= rows - len(out), "a run beyond the windows")
        out += [value] * run
    return out


def _starts(cursor, groups, rows, least):
    unit = varint(cursor)
    stored = iter(_runs(cursor, rows, signed))
    out, group_first = [], least
    for _, count in groups:
        previous = group_first
        for i in range(count):
            previous = next(stored) if unit == 0 else previous + unit * next(stored)
            require(abs(previous) <= EXACT, "a window start beyond 2^53")
            group_first = previous if i == 0 else group_first
            out.append(previous)
    return out


def _deltas(cursor, rows):
    out, bit = [], 0
    while len(out) < rows:
        run = varint(cursor)
        require(run <= rows - len(out) and (run > 0 or (bit == 0 and not out)), "a run of deltas of a wrong length")
        out += [bit] * run
        bit = 1 - bit
    return out


def _plain(cursor, rows):
    return [bytes(cursor.take(length)) for length in _lengths(cursor, rows)]


def _lengths(cursor, rows):
    lengths = [varint(cursor) for _ in range(rows)]
    require(all(n <= PARTIAL_MAX for n in lengths), "a partial of more than 65,536 bytes")
    return lengths


def _headed(cursor, starts):
    heads = _runs(cursor, len(starts), Cursor.byte)
    fronts = [_front(cursor, head, start) for head, start in zip(heads, starts)]
    tails = _lengths(cursor, len(starts))
    out = [front + bytes(cursor.take(length)) for front, length in zip(fronts, tails)]
    require(all(len(p) <= PARTIAL_MAX for p in out), "a partial of more than 65,536 bytes")
    return out


def _front(cursor, head, start):
    """The head of a partial and its first time."""
    if head & SHAPE == 0:
        return bytes([head])
    unit = 1000 if head & IN_SECONDS else 1
    require(start % unit == 0, "seconds from a window start that is not a whole second")
    time = start // unit + signed(cursor)
    require(abs(time) <= EXACT, "a first time beyond 2^53")
    return bytes([head]) + _signed_bytes(time)


def _signed_bytes(value):
    doubled, out = abs(value) * 2 + (value < 0), bytearray()
    while doubled > 127:
        out.append(doubled & 127 | 128)
        doubled >>= 7
    return bytes([*out, doubled])
