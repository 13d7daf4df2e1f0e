"""MessagePack as far as PROTOCOL §2 allows it: nil, integers, float64, strings, binary, arrays. Anything else is refused."""

import struct

from wire import EXACT, Cursor, Refused, require

BYTES_MAX = 1_048_576
DEPTH_MAX = 8
VALUES_MAX = 262_144
INTEGER_WIDTH = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
SIGNED_FROM = 0xD0
STRING_WIDTH = {0xD9: 1, 0xDA: 2, 0xDB: 4}
BINARY_WIDTH = {0xC4: 1, 0xC5: 2, 0xC6: 4}
ARRAY_WIDTH = {0xDC: 2, 0xDD: 4}


class Counted(Cursor):
    """A cursor that counts the values read from it."""

    values = 0

    def count(self):
        self.values += 1
        require(self.values <= VALUES_MAX, "a message of more than 262,144 values")


def decode(data):
    """The one value that `data` is."""
    require(len(data) <= BYTES_MAX, "a message of more than 1 MiB")
    cursor = Counted(data)
    value = _value(cursor, 0)
    cursor.done("the MessagePack value")
    return value


def _value(cursor, depth):
    cursor.count()
    head = cursor.byte()
    if head < 0x80:
        return head
    if head >= 0xE0:
        return head - 0x100
    if 0x90 <= head < 0xA0:
        return _array(cursor, head & 15, depth)
    if 0xA0 <= head < 0xC0:
        return _string(cursor, head & 31)
    if head == 0xC0:
        return None
    if head == 0xCB:
        return _float(cursor)
    if head in INTEGER_WIDTH:
        return _integer(cursor, head)
    if head in STRING_WIDTH:
        return _string(cursor, _length(cursor, STRING_WIDTH[head]))
    if head in BINARY_WIDTH:
        return bytes(cursor.take(_length(cursor, BINARY_WIDTH[head])))
    if head in ARRAY_WIDTH:
        return _array(cursor, _length(cursor, ARRAY_WIDTH[head]), depth)
    raise Refused(f"MessagePack type 0x{head:02x} is not part of the protocol")


def _length(cursor, width):
    return int.from_bytes(cursor.take(width), "big")


def _array(cursor, count, depth):
    require(depth < DEPTH_MAX, "arrays nested too deep")
    require(count <= cursor.left(), "an array longer than the message")
    return [_value(cursor, depth + 1) for _ in range(count)]


def _string(cursor, length):
    try:
        return bytes(cursor.take(length)).decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("a string that is not UTF-8") from None


def _float(cursor):
    value = struct.unpack(">d", cursor.take(8))[0]
    require(value - value == 0, "a float that is not finite")
    return value


def _integer(cursor, head):
    """In any width: that the shortest is sent binds the sender."""
    value = int.from_bytes(cursor.take(INTEGER_WIDTH[head]), "big", signed=head >= SIGNED_FROM)
    require(abs(value) < EXACT, "an integer beyond 2^53 − 1")
    return value
