"""Reads the vectors of FORMAT.md. Written from that page alone, to prove that a second implementation can be.

Usage: format_reader.py FORMAT.md; prints the number of vectors that agree, or fails at the first that does not.
"""

import json
import math
import re
import struct
import sys
import zlib
from fractions import Fraction


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def take(self, count):
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def signed(self):
        value = self.varint()
        return -(value >> 1) if value & 1 else value >> 1

    def float(self):
        if self.data[self.at] == 15:
            return struct.unpack("<d", self.take(9)[1:])[0]
        value = self.varint()
        magnitude = (value >> 5) / 10 ** (value & 15)
        return -magnitude if value & 16 else magnitude

    def exact_sum(self):
        head = self.float()
        code = self.varint()
        if code == 0:
            return Fraction(head)
        last_place = -1074 if abs(head) < 2**-1022 else math.frexp(head)[1] - 53
        distance = (code + 1) // 2 if code & 1 else 1 - code // 2
        digits = self.varint()
        rest = (digits | 1) * Fraction(2) ** (last_place - distance)
        return Fraction(head) + (-rest if digits & 1 else rest)

    def sketch(self):
        level = self.byte()
        count = self.varint()
        key = self.signed() - 1
        buckets = {}
        for _ in range(count):
            token = self.byte()
            gap = token & 3
            more = token >> 2
            if gap == 3:
                gap += self.varint()
            if more == 63:
                more += self.varint()
            key += gap + 1
            buckets[key] = more + 1
        return level, buckets


def bucket_key(value):
    if value == 0:
        return 0
    magnitude = abs(Fraction(value))
    octave = math.frexp(abs(value))[1] - 1
    index = 64 * (octave + 1074) + math.floor(64 * (magnitude / Fraction(2) ** octave - 1))
    return index + 1 if value > 0 else -(index + 1)


def buckets_of(values):
    buckets = {}
    for value in values:
        buckets[bucket_key(value)] = buckets.get(bucket_key(value), 0) + 1
    return buckets


def read_partial(data):
    reader = Reader(data)
    head = reader.byte()
    assert head & 3 == 0, "version"
    shape = head >> 2 & 3
    unit = 1000 if head & 16 else 1
    fields = {"count": 0, "sum": 0, "squares": 0, "held": 0, "integral": 0, "sketch": None}
    if shape >= 1:
        fields["first"] = fields["last"] = reader.signed() * unit
        fields["count"] = 1
    if shape >= 2:
        fields["count"] = reader.varint()
        fields["last"] = reader.signed() * unit if head & 128 else fields["first"] + reader.varint() * unit
    if shape >= 1:
        low = high = reader.float()
        if shape == 3:
            high = reader.float()
            roles = reader.byte()
            first, last = (
                low if role == 0 else high if role == 1 else reader.float() for role in (roles & 3, roles >> 2)
            )
        else:
            first = last = low
        fields.update(min=low, max=high, firstValue=first, lastValue=last)
    if shape == 3 and fields["count"] > 2:
        fields["sum"] = reader.exact_sum()
        fields["squares"] = reader.exact_sum()
    elif shape >= 1:
        values = [low, high] if shape == 3 else [low] * fields["count"]
        fields["sum"] = sum(map(Fraction, values))
        fields["squares"] = sum(Fraction(value) ** 2 for value in values)
    if head & 64:
        fields["held"] = reader.varint()
        fields["integral"] = reader.exact_sum()
    if head & 32 and shape == 3 and fields["count"] > 2:
        fields["sketch"] = reader.sketch()
    assert reader.at == len(data), "bytes after a partial"
    return fields


def signed_bytes(value):
    rest = 2 * abs(value) + (value < 0)
    out = bytearray()
    while rest >= 128:
        out.append(rest & 127 | 128)
        rest >>= 7
    return bytes(out) + bytes([rest])


def read_windows(data):
    assert zlib.crc32(data[:-4]) == struct.unpack("<I", data[-4:])[0], "checksum"
    reader = Reader(data[:-4])
    assert reader.byte() == 1, "version"
    compression, rows, _, least, _ = reader.byte(), reader.varint(), reader.varint(), reader.signed(), reader.signed()
    if compression == 1:
        length = reader.varint()
        reader = Reader(zlib.decompress(reader.data[reader.at :], -15))
        assert len(reader.data) == length
    series, starts, deltas = [], [], []
    identity = -1
    while len(series) < rows:
        gap, each, repeats = reader.varint(), reader.varint() + 1, reader.varint() + 1
        for _ in range(repeats):
            identity += 1 + gap
            series += [identity] * each
    unit = reader.varint()
    anchor = least
    while len(starts) < rows:
        difference, run = reader.signed(), reader.varint() + 1
        for _ in range(run):
            at = len(starts)
            is_first = at == 0 or series[at] != series[at - 1]
            before = anchor if is_first else starts[-1]
            starts.append(difference if unit == 0 else before + difference * unit)
            if is_first:
                anchor = starts[-1]
    flag = 0
    while len(deltas) < rows:
        deltas += [flag] * reader.varint()
        flag ^= 1
    partials = read_partials(reader, rows, starts)
    assert reader.at == len(reader.data), "bytes after the windows"
    return [list(row) for row in zip(series, starts, deltas, partials)]


def read_thinned(data):
    assert zlib.crc32(data[:-4]) == struct.unpack("<I", data[-4:])[0], "checksum"
    reader = Reader(data[:-4])
    assert reader.byte() == 1, "version"
    total = reader.varint()
    rows = read_windows(reader.take(reader.varint()))
    items = [reader.varint() for _ in rows]
    assert sum(items) == total and reader.at == len(reader.data)
    return [[series, start, each, partial] for (series, start, _, partial), each in zip(rows, items)]


def read_partials(reader, rows, starts):
    prefixes = [b""] * rows
    if reader.byte() == 1:
        heads = []
        while len(heads) < rows:
            head = reader.byte()
            heads += [head] * (reader.varint() + 1)
        for at, head in enumerate(heads):
            prefixes[at] = bytes([head])
            if head >> 2 & 3:
                prefixes[at] += signed_bytes(starts[at] // (1000 if head & 16 else 1) + reader.signed())
    lengths = [reader.varint() for _ in range(rows)]
    return [(prefix + reader.take(length)).hex() for prefix, length in zip(prefixes, lengths)]


def check_partial(data, value):
    fields = read_partial(data)
    readings = value["readings"]
    values = [each for _, each in readings]
    assert fields["count"] == len(values)
    assert fields["sum"] == sum(map(Fraction, values))
    assert fields["squares"] == sum(Fraction(each) ** 2 for each in values)
    if readings:
        first = min(time for time, _ in readings)
        last = max(time for time, _ in readings)
        assert (fields["first"], fields["last"]) == (first, last)
        assert (fields["min"], fields["max"]) == (min(values), max(values))
        assert fields["firstValue"] == min(each for time, each in readings if time == first)
        assert fields["lastValue"] == max(each for time, each in readings if time == last)
    if fields["sketch"] is not None:
        assert fields["sketch"] == (0, buckets_of(values))
    held = value.get("held", [])
    assert fields["held"] == sum(ms for _, ms in held)
    assert fields["integral"] == sum(Fraction(each) * ms for each, ms in held)


def check(kind, value, data):
    reader = Reader(data)
    if kind == "varint":
        assert reader.varint() == value
    elif kind == "signed":
        assert reader.signed() == value
    elif kind == "float":
        assert struct.pack("<d", reader.float()) == struct.pack("<d", value)
    elif kind == "sum":
        assert reader.exact_sum() == sum(map(Fraction, value))
    elif kind == "sumSq":
        assert reader.exact_sum() == sum(Fraction(each) ** 2 for each in value)
    elif kind == "sketch":
        assert reader.sketch() == (0, buckets_of(value))
    elif kind == "partial":
        check_partial(data, value)
    elif kind == "windows":
        assert read_windows(data) == value
    elif kind == "thinned":
        assert read_thinned(data) == value
    else:
        raise AssertionError("unknown kind")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        block = re.search(r"```vectors\n(.*?)```", file.read(), re.S).group(1)
    lines = block.strip().split("\n")
    for line in lines:
        kind, rest = line.split(" ", 1)
        text, data = rest.rsplit(" ", 1)
        value = -0.0 if text == "-0" else json.loads(text)
        try:
            check(kind, value, bytes.fromhex(data))
        except Exception as error:
            raise SystemExit(f"{line}: {error!r}") from error
    print(len(lines))


if __name__ == "__main__":
    main()
