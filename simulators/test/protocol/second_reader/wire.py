"""Bytes, bits and refusals: what every other module of the reader stands on. A cursor never reads past its end."""

import struct

EXACT = 2**53
"""The largest magnitude of an integer; up to it a float64 holds every one."""


class Refused(Exception):
    """The input is not what the pages allow. Nothing was decoded."""


class UnknownVersion(Refused):
    """The input is of a version that this reader does not know; it need not be damaged."""


def require(condition, what):
    if not condition:
        raise Refused(what)


class Cursor:
    """A position in bytes. `end` is exclusive."""

    def __init__(self, data, start=0, end=None):
        self.data = data
        self.pos = start
        self.end = len(data) if end is None else end

    def left(self):
        return self.end - self.pos

    def take(self, count):
        require(0 <= count <= self.left(), f"{count} bytes wanted at {self.pos}, {self.left()} left")
        self.pos += count
        return self.data[self.pos - count : self.pos]

    def part(self, count):
        """A cursor of the next `count` bytes."""
        start = self.pos
        self.take(count)
        return Cursor(self.data, start, self.pos)

    def done(self, what):
        require(self.left() == 0, f"{self.left()} bytes too many after {what}")

    def byte(self):
        return self.take(1)[0]

    def u32(self):
        return int.from_bytes(self.take(4), "little")

    def f64(self):
        """A finite float64."""
        value = struct.unpack("<d", self.take(8))[0]
        require(value - value == 0, "a float that is not finite")
        return value

    def varint(self):
        """codec/FORMAT §1: at most 8 bytes, at most 2^53."""
        value = 0
        for shift in range(0, 56, 7):
            byte = self.byte()
            value |= (byte & 127) << shift
            if byte < 128:
                require(value <= EXACT, "a varint above 2^53")
                return value
        raise Refused("a varint of more than 8 bytes")

    def svarint(self):
        z = self.varint()
        return -((z + 1) // 2) if z & 1 else z // 2


class Bits:
    """A stream of bits, the least significant bit of each byte first."""

    def __init__(self, data):
        self.data = data
        self.pos = 0

    def read(self, count):
        """`count` bits, at most 64."""
        end = self.pos + count
        require(end <= 8 * len(self.data), "the bit stream ends early")
        window = int.from_bytes(self.data[self.pos >> 3 : (end + 7) >> 3], "little")
        value = (window >> (self.pos & 7)) & ((1 << count) - 1)
        self.pos = end
        return value

    def done(self, what):
        """The rest is the padding of the last byte."""
        rest = 8 * len(self.data) - self.pos
        require(rest < 8, f"{rest} bits too many after {what}")
        return rest
