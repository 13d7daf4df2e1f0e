"""Integer columns of a readings block: codec/FORMAT §3 (predictors, coders) and §4 (entropy coding)."""

from wire import EXACT, Bits, Refused, require

COLUMN_MAX = 4096
OWN_ROWS = (0, 1, 2, 2, 2)
MANTISSA_BITS = (0, 1, 2, 3, 8)
SYMBOL_MAX = 511
WEIGHTS = (
    (0, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512, 724, 1024)
    + (1448, 2048, 2896, 4096, 5793, 8192)
)  # fmt: skip


def entries(cursor, count):
    """As many columns of 4096 as fit, then one of the rest."""
    out = []
    while len(out) < count:
        out += column(cursor, min(COLUMN_MAX, count - len(out)))
    return out


def column(cursor, count):
    """`count` integers."""
    if count == 0:
        return []
    head = cursor.byte()
    predictor, coder, is_zigzag = head & 7, head >> 3 & 7, head & 64
    require(head < 128 and predictor < len(OWN_ROWS) and coder <= 4, f"column head 0x{head:02x}")
    if coder == 4:
        require(head == 4 << 3, "a raw column with predictor or zigzag")
        return [_raw(cursor) for _ in range(count)]
    own = OWN_ROWS[predictor]
    require(own <= count, "a predictor with more rows than the column")
    out = []
    if own >= 1:
        out.append(cursor.svarint())
    if own == 2:
        out.append(_exact(out[0] + cursor.svarint()))
    base = cursor.svarint()
    for u in CODERS[coder](cursor, count - own):
        r = base + (_unzigzag(u) if is_zigzag else u)
        out.append(_exact(_predicted(predictor, out) + r))
    return out


def _exact(x):
    require(abs(x) <= EXACT, "an integer beyond 2^53")
    return x


def _unzigzag(u):
    return -((u + 1) // 2) if u & 1 else u // 2


def _raw(cursor):
    value = cursor.f64()
    require(value.is_integer(), "a raw column of something else than integers")
    return _exact(int(value))


def _predicted(predictor, before):
    if predictor == 0:
        return 0
    if predictor == 1:
        return before[-1]
    slope = before[-1] - before[-2]
    if predictor == 2:
        return before[-1] + slope
    return before[-1] + (slope // 2 if predictor == 3 else -slope // 2)


# ---- coders


def _constant(_cursor, count):
    return [0] * count


def _width(cursor):
    width = cursor.byte()
    require(width <= 53, "integers of more than 53 bits")
    return width


def _packed(cursor, count):
    return _unpack(cursor, count, _width(cursor))


def _unpack(cursor, count, width):
    if width > 32:
        low = _unpack(cursor, count, 32)
        return [a | b << 32 for a, b in zip(low, _unpack(cursor, count, width - 32))]
    stream = Bits(cursor.take((count * width + 7) // 8))
    out = [stream.read(width) for _ in range(count)]
    require(stream.read(stream.done("packed integers")) == 0, "packed integers that are not padded with zeros")
    return out


def _patched(cursor, count):
    width = _width(cursor)
    number = cursor.varint()
    require(number <= count, "more patches than integers")
    patches, row = [], -1
    for _ in range(number):
        row = next_row(cursor, row, count)
        patches.append((row, cursor.varint() << width))
    out = _unpack(cursor, count, width)
    for at, high in patches:
        out[at] = _exact(out[at] + high)
    return out


def next_row(cursor, row, count):
    """The row a gap leads to; the first gap counts from row −1."""
    gap = cursor.varint()
    require(1 <= gap < count - row, "a gap that leads nowhere")
    return row + gap


def _entropy(cursor, count):
    kind = cursor.byte()
    require(kind < len(MANTISSA_BITS), f"entropy coding {kind}")
    mantissa = MANTISSA_BITS[kind]
    lowest = cursor.varint()
    highest = lowest + cursor.varint()
    require(highest <= SYMBOL_MAX, "a symbol above 511")
    bits = Bits(cursor.take(cursor.varint()))
    require(count > 0, "entropy coding of nothing")
    log = min(11, max(6, count.bit_length()))
    states = _tables(_frequencies(_classes(bits, highest - lowest + 1), log), log)
    state = bits.read(log)
    out = []
    for i in range(count):
        symbol, width, base = states[state]
        out.append(_integer(bits, lowest + symbol, mantissa))
        if i < count - 1:
            state = base + bits.read(width)
    bits.done("entropy coded integers")
    return out


CODERS = (_constant, _packed, _patched, _entropy)


def _classes(bits, count):
    k = bits.read(2)
    out = [bits.read(5)]
    while len(out) < count:
        ones = 0
        while bits.read(1):
            ones += 1
        out.append(out[-1] + _unzigzag(ones << k | bits.read(k)))
        require(0 <= out[-1] < len(WEIGHTS), "a class beyond 25")
    require(out[0] < len(WEIGHTS), "a class beyond 25")
    return out


def _frequencies(classes, log):
    weights = [WEIGHTS[c] for c in classes]
    total = sum(weights)
    present = sum(1 for w in weights if w > 0)
    require(1 <= present <= 1 << log, f"{present} symbols for {1 << log} states")
    out = [max(1, ((2 * w << log) + total) // (2 * total)) if w > 0 else 0 for w in weights]
    while (surplus := sum(out) - (1 << log)) != 0:
        out[out.index(max(out))] += 1 if surplus < 0 else -1
    return out


def _tables(frequencies, log):
    """Per state its symbol, how many bits lead to the next state, and from where they count."""
    size = 1 << log
    symbols, position = [0] * size, 0
    for symbol, frequency in enumerate(frequencies):
        for _ in range(frequency):
            symbols[position] = symbol
            position = (position + (size >> 1) + (size >> 3) + 3) % size
    following = list(frequencies)
    out = []
    for symbol in symbols:
        c = following[symbol]
        following[symbol] += 1
        width = log - (c.bit_length() - 1)
        out.append((symbol, width, (c << width) - size))
    return out


def _integer(bits, symbol, mantissa):
    if symbol < 2 << mantissa:
        return symbol
    shift = (symbol >> mantissa) - 1
    if shift > 53:
        raise Refused("an entropy coded integer beyond 2^53")
    return _exact((symbol - (shift << mantissa) << shift) + bits.read(shift))
