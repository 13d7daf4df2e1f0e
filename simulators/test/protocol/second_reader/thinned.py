"""A block of thinned rows: aggregate/FORMAT §6."""

import zlib

import windows
from scalars import varint
from wire import Cursor, UnknownVersion, require

VERSION = 1
MINUTE = 60_000


def decode(data, ignore_checksum=False):
    """Rows as [series, start of the minute, items, bytes of the partial]."""
    version = Cursor(data).byte()
    if version != VERSION:
        raise UnknownVersion(f"version {version} of thinned rows")
    require(len(data) >= 5, "a thinned block of less than five bytes")
    sealed = int.from_bytes(data[-4:], "little")
    require(ignore_checksum or zlib.crc32(data[:-4]) == sealed, "the checksum of a thinned block")
    cursor = Cursor(data, 1, len(data) - 4)
    total = varint(cursor)
    rows = windows.decode(cursor.take(varint(cursor)), ignore_checksum)
    items = [varint(cursor) for _ in rows]
    cursor.done("thinned rows")
    require(all(items) and sum(items) == total, "counts of items that do not add up")
    require(all(row[1] % MINUTE == 0 and row[2] == 0 for row in rows), "a row that is no minute")
    require(all(a[:2] < b[:2] for a, b in zip(rows, rows[1:])), "thinned rows that do not ascend")
    return [[series, start, count, partial] for (series, start, _, partial), count in zip(rows, items)]
