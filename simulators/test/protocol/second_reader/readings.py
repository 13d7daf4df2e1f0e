"""A readings block: codec/FORMAT §2 (the blob), §5 (time blocks) and §7 (strings)."""

import zlib

from columns import column, entries
from values import by_series, value_block
from wire import EXACT, Cursor, UnknownVersion, require

VERSION = 1
FLAGS, STRINGS, CLASSES, WIDE = 16, 32, 64, 128
ROWS_MAX = 1 << 20
SERIES_MAX = 2**32 - 1
BLOCK_LOG = 10
BLOCK_LOG_MAX = 12
TEXT = 4
STRINGS_MAX = 65_536
CLASS_MAX = 1 << 20
TABLE_MAX = 1 << 24


def decode(data, ignore_checksum=False):
    """`{rows: [[series, time, value, flags], …], strings: […]}`"""
    head = Cursor(data).byte()
    if head & 15 != VERSION:
        raise UnknownVersion(f"version {head & 15} of readings")
    require(len(data) >= 6, "a readings block of less than six bytes")
    sealed = int.from_bytes(data[-4:], "little")
    require(ignore_checksum or zlib.crc32(data[:-4]) == sealed, "the checksum of a readings block")
    cursor = Cursor(data, 1, len(data) - 4)
    rows = cursor.varint()
    require(rows <= ROWS_MAX, "more than 2^20 readings")
    return _filled(cursor, head, rows) if rows > 0 else _empty(cursor, head)


def _empty(cursor, head):
    if head & CLASSES:
        _classes(cursor, [])
    strings = _strings(cursor) if head & STRINGS else []
    cursor.done("a readings block")
    return {"rows": [], "strings": strings}


def _filled(cursor, head, rows):
    series = cursor.varint()
    require(1 <= series <= rows, "more series than readings")
    least, greatest = _extent(cursor, head & WIDE)
    log = cursor.byte() if rows > 1 << BLOCK_LOG else BLOCK_LOG
    require(BLOCK_LOG <= log <= BLOCK_LOG_MAX, "an unknown block size")
    ids = entries(cursor, series)
    require(0 <= ids[0] and ids[-1] <= SERIES_MAX, "a series id beyond 32 bits")
    require(all(a < b for a, b in zip(ids, ids[1:])), "series that do not ascend")
    shares, counts = _shape(cursor, rows, series)
    classes = _classes(cursor, ids) if head & CLASSES else [0] * series
    strings = _strings(cursor) if head & STRINGS else []

    owners = [i for i in range(series) if not shares[i]]
    order = sorted(range(series), key=lambda i: classes[i])
    lines = [counts[i] for i in owners]
    time_cuts = _cut(lines, [0] * len(lines), 1 << log) if least < greatest else []
    value_cuts = _cut([counts[i] for i in order], [classes[i] for i in order], 1 << log)
    blocks = _blocks(cursor, len(time_cuts) + len(value_cuts))

    origin = 0 if head & WIDE else least
    times = _timelines(blocks[: len(time_cuts)], time_cuts, lines, least, greatest, origin)
    values = _values(blocks[len(time_cuts) :], value_cuts, [counts[i] for i in order], head & FLAGS)
    for block in [cursor, *blocks]:
        block.done("a block of readings")
    by_id = dict(zip(order, values))
    out, line = [], -1
    for i in range(series):
        line += not shares[i]
        for time, (value, flags) in zip(times[line], by_id[i]):
            _check_flags(value, flags, strings)
            out.append([ids[i], time, value, flags])
    return {"rows": out, "strings": strings}


def _extent(cursor, is_wide):
    if is_wide:
        bounds = cursor.f64(), cursor.f64()
        require(all(b.is_integer() for b in bounds), "times that are no integers")
        least, greatest = int(bounds[0]), int(bounds[1])
    else:
        least = cursor.svarint()
        greatest = least + cursor.varint()
    require(-EXACT <= least <= greatest <= EXACT, "times beyond 2^53, or a greatest below the least")
    return least, greatest


def _shape(cursor, rows, series):
    """Per series whether it has the times of the one before it, and its rows."""
    if series == 1:
        return [False], [rows]
    same = cursor.byte()
    require(same <= 2, f"same times {same}")
    if same == 1:
        require(rows % series == 0, "readings that do not divide among the series")
        return [False] + [True] * (series - 1), [rows // series] * series
    shares = [0] + (entries(cursor, series - 1) if same == 2 else [0] * (series - 1))
    require(all(s in (0, 1) for s in shares), "a share of times that is neither 0 nor 1")
    counts = entries(cursor, series)
    require(all(c >= 1 for c in counts) and sum(counts) == rows, "rows of series that do not add up")
    for i in range(1, series):
        require(not shares[i] or counts[i] == counts[i - 1], "series with the same times and different rows")
    return [s == 1 for s in shares], counts


def _classes(cursor, ids):
    stride = cursor.byte()
    classes = [i % stride for i in ids] if stride > 0 else entries(cursor, len(ids))
    require(all(0 <= c <= CLASS_MAX for c in classes), "a class out of range")
    return classes


def _cut(counts, classes, size):
    """Blocks as lists of (index, rows)."""
    out, room = [], 0
    for i, rows in enumerate(counts):
        if rows > size // 2:
            pieces = -(-rows // size)
            out += [[(i, (p + 1) * rows // pieces - p * rows // pieces)] for p in range(pieces)]
            room = 0
        elif rows <= room and classes[i] == classes[i - 1]:
            out[-1].append((i, rows))
            room -= rows
        else:
            out.append([(i, rows)])
            room = size - rows
    return out


def _blocks(cursor, count):
    """A cursor for each block, or for all of them the rest when there are no lengths."""
    if count <= 2:
        return [cursor] * count
    lengths = entries(cursor, count)
    require(sum(lengths) == cursor.left() and min(lengths) >= 0, "blocks that do not fill the rest")
    return [cursor.part(length) for length in lengths]


def _timelines(blocks, cuts, counts, least, greatest, origin):
    if not cuts:
        return [[least] * rows for rows in counts]
    out = [[] for _ in counts]
    for cursor, cut in zip(blocks, cuts):
        parts = [rows for _, rows in cut]
        form = cursor.byte() if len(parts) > 1 and max(parts) > 1 else 0
        require(form <= 1, f"form {form} of times")
        column_of = by_series(cursor, parts) if form == 1 else column(cursor, sum(parts))
        times = [origin + t for t in column_of]
        require(all(least <= t <= greatest for t in times), "a time outside the bounds")
        _deal(times, cut, out)
    return out


def _values(blocks, cuts, counts, has_flags):
    out = [[] for _ in counts]
    for cursor, cut in zip(blocks, cuts):
        parts = [rows for _, rows in cut]
        flags = column(cursor, sum(parts)) if has_flags else [0] * sum(parts)
        _deal(list(zip(value_block(cursor, parts), flags)), cut, out)
    return out


def _deal(items, cut, out):
    at = 0
    for i, rows in cut:
        out[i] += items[at : at + rows]
        at += rows


def _check_flags(value, flags, strings):
    require(0 <= flags < 8 and flags & 3 < 3, f"flags {flags}")
    if flags & TEXT:
        require(value.is_integer() and 0 <= value < len(strings), "a text that is not in the table")


def _strings(cursor):
    count = cursor.varint()
    require(count <= STRINGS_MAX, "more than 65,536 strings")
    encoding = cursor.byte()
    require(encoding <= 2, f"string encoding {encoding}")
    size = cursor.varint()
    require(size <= TABLE_MAX, "a string table of more than 2^24 bytes")
    stored = cursor.varint() if encoding == 1 else size
    lengths = entries(cursor, count)
    require(all(n >= 0 for n in lengths) and sum(lengths) == size, "strings that do not fill their table")
    table = cursor.take(stored)
    if encoding == 1:
        table = inflated(table, size)
    out, at = [], 0
    for length in lengths:
        out.append(_text(table[at : at + length], encoding))
        at += length
    return out


def inflated(data, size):
    """What raw deflate made `data` of: exactly `size` bytes, nothing left over."""
    stream = zlib.decompressobj(-15)
    try:
        out = stream.decompress(data, size + 1)
    except zlib.error as error:
        require(False, f"deflate: {error}")
    require(len(out) == size and stream.eof and not stream.unused_data, "deflated bytes of another length")
    return out


def _text(data, encoding):
    if encoding == 2:
        require(len(data) % 2 == 0, "UTF-16 of an odd number of bytes")
        return data.decode("utf-16-le", "surrogatepass")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        require(False, "a string that is not UTF-8")
