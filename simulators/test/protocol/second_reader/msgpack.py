"""MessagePack as far as PROTOCOL §2 allows it: nil, integers, float64, strings, binary, arrays. Anything else is refused."""

import struct

from wire import EXACT, Cursor, Refused, require

BYTES_MAX = 1_048_576
DEPTH_MAX = 16
UNSIGNED = {0xCC: (1, 128), 0xCD: (2, 1 << 8), 0xCE: (4, 1 << 16), 0xCF: (8, 1 << 32)}
"""Width in bytes and the least integer that needs it."""
SIGNED = {0xD0: (1, -33), 0xD1: (2, -(1 << 7) - 1), 0xD2: (4, -(1 << 15) - 1), 0xD3: (8, -(1 << 31) - 1)}
"""Width in bytes and the greatest integer that needs it."""
STRING_WIDTH = {0xD9: 1, 0xDA: 2, 0xDB: 4}
BINARY_WIDTH = {0xC4: 1, 0xC5: 2, 0xC6: 4}
ARRAY_WIDTH = {0xDC: 2, 0xDD: 4}


def decode(data):
    """The one value that `data` is."""
    require(len(data) <= BYTES_MAX, "a message of more than 1 MiB")
    cursor = Cursor(data)
    value = _value(cursor, 0)
    cursor.done("the MessagePack value")
    return value


def _value(cursor, depth):
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
    if head in UNSIGNED or head in SIGNED:
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
    is_signed = head in SIGNED
    width, limit = (SIGNED if is_signed else UNSIGNED)[head]
    value = int.from_bytes(cursor.take(width), "big", signed=is_signed)
    require(value <= limit if is_signed else value >= limit, "an integer that is not in its shortest form")
    require(abs(value) < EXACT, "an integer beyond 2^53 − 1")
    return value
