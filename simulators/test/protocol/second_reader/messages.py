"""The messages of PROTOCOL §4: from a MessagePack value to a dict with the names of the page's vectors, every rule checked."""

import re

import msgpack
from wire import EXACT, UnknownVersion, require

AGENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
EPOCHS_MAX = 64
RANGES_MAX = 256
DEFINITIONS_MAX = 1000
TAGS_MAX = 16
TEXT_MAX = 256
ITEMS_MAX = 262_144
BLOCKS_MAX = 4096
STATS_MAX = 1000
ROWS_MAX = 500
HOUR_MAX = 2_400_000_000
SERIES_MAX = 2**31 - 1
TIME_MAX = 8_640_000_000_000_000
PAGES_MAX = 4096
COUNTERS_MAX = 100
HOURS_MAX = 1000
PARTS = ("readings", "windows", "thinned")
KINDS = ("reading", "window")
TYPES = ("number", "boolean", "text")
SAMPLINGS = ("all", "held", "subset")
RAW_ROWS_MAX = 8192
RAW_NAMES_MAX = 256
MISSING_MAX = 64
MISSING = ("not_held", "damaged")
REASONS = ("evicted_size", "evicted_age", "gone", "damaged")


def decode(kind, data):
    """The message of this kind (which the topic tells, not the bytes)."""
    require(kind in MESSAGES, f"no message is called {kind}")
    fields = _list(msgpack.decode(data), "message")
    require(fields, "an empty message")
    if _integer(fields[0], "version") != 1:
        raise UnknownVersion(f"version {fields[0]} of the protocol")
    count, read = MESSAGES[kind]
    require(len(fields) == count + 2, f"{kind} with {len(fields)} fields instead of {count + 2}")
    agent = _text(fields[1], "agent")
    require(AGENT.fullmatch(agent), "not an agent id")
    return {"agent": agent, **read(*fields[2:])}


# ---- fields


def _list(value, what, most=None):
    require(isinstance(value, list), f"{what} is not a list")
    require(most is None or len(value) <= most, f"{what} with more than {most} entries")
    return value


def _text(value, what):
    require(isinstance(value, str), f"{what} is not a string")
    return value


def _short(value, what):
    """At most 256 characters, counted in UTF-16 units."""
    require(len(_text(value, what).encode("utf-16-le")) <= 2 * TEXT_MAX, f"{what} is too long")
    return value


def _binary(value, what):
    require(isinstance(value, bytes), f"{what} is not binary")
    return value


def _epoch(value):
    require(len(_binary(value, "epoch")) == 8, "an epoch that is not 8 bytes")
    return value.hex()


def _integer(value, what, least=0, most=EXACT - 1):
    """An integer; beyond 32 bits it comes as a float64."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    require(isinstance(value, int) and least <= value <= most, f"{what} is not an integer from {least} to {most}")
    return value


def _number(value, what):
    require(isinstance(value, (int, float)), f"{what} is not a number")
    return value


def _time(value, what):
    return _integer(value, what, -TIME_MAX, TIME_MAX)


def _flag(value, what):
    return _integer(value, what, 0, 1) == 1


def _name(value, names, what):
    return names[_integer(value, what, 0, len(names) - 1)]


def _per_lane(value, what):
    require(len(_list(value, what)) == 4, f"{what} does not have four lanes")
    return value


def _counts(value, what):
    return [_integer(n, what) for n in _per_lane(value, what)]


def _range(first, last):
    out = {"first": _integer(first, "first", 1), "last": _integer(last, "last", 1)}
    require(out["first"] <= out["last"], "a range that ends before it begins")
    return out


def _hour(value):
    return _integer(value, "hour", -HOUR_MAX, HOUR_MAX)


def _pairs(value, what, most):
    flat = _list(value, what)
    require(len(flat) % 2 == 0, f"{what} is not a list of pairs")
    require(len(flat) <= 2 * most, f"{what} with more than {most} pairs")
    return list(zip(flat[0::2], flat[1::2]))


def _record(value, count, what):
    require(len(_list(value, what)) == count, f"{what} does not have {count} fields")
    return value


def _page(session, page, pages):
    checked = {"session": _integer(session, "session", 0, 2**32 - 1), "page": _integer(page, "page", 1)}
    return {**checked, "pages": _integer(pages, "pages", checked["page"], PAGES_MAX)}


# ---- messages


def _hello(session, page, pages, current, software, clock, trusted, queued, epochs):
    return {
        **_page(session, page, pages),
        "current": _epoch(current),
        "software": _short(software, "software"),
        "clockMs": _time(clock, "clock"),
        "isClockTrusted": _flag(trusted, "clockTrusted"),
        "queued": _counts(queued, "queued"),
        "epochs": [_held_epoch(entry) for entry in _list(epochs, "epochs", EPOCHS_MAX)],
    }


def _held_epoch(entry):
    epoch, parent, base, count, last = _record(entry, 5, "epoch entry")
    out = {"epoch": _epoch(epoch)}
    if parent is not None:
        named, at = _record(parent, 2, "parent")
        out["parent"] = {"epoch": _epoch(named), "last": _counts(at, "last")}
    out["seriesBase"] = _integer(base, "seriesBase", 0, SERIES_MAX)
    out["seriesCount"] = _integer(count, "seriesCount", 0, SERIES_MAX)
    out["last"] = _counts(last, "last")
    return out


def _welcome(session, page, pages, to, server_time, window, refused, epochs):
    out = {**_page(session, page, pages), "to": _epoch(to), "serverTimeMs": _time(server_time, "serverTime")}
    out["window"] = _integer(window, "window", 1, 65_535)
    if refused is not None:
        out["refused"] = _short(refused, "refused")
    out["epochs"] = [_known_epoch(entry) for entry in _list(epochs, "epochs", EPOCHS_MAX)]
    return out


def _known_epoch(entry):
    epoch, known, held = _record(entry, 3, "epoch entry")
    lanes = [_held(lane) for lane in _per_lane(held, "held")]
    return {"epoch": _epoch(epoch), "seriesKnown": _integer(known, "seriesKnown", 0, SERIES_MAX), "held": lanes}


def _held(value):
    flat = [_integer(n, "held") for n in _list(value, "held", 1 + 2 * RANGES_MAX)]
    require(len(flat) % 2 == 1, "held is not a watermark and ranges")
    for before, first, last in zip(flat[0::2], flat[1::2], flat[2::2]):
        require(before + 1 < first <= last, "held ranges that do not ascend with gaps")
    return flat


def _series(epoch, first, definitions):
    listed = [_definition(entry) for entry in _list(definitions, "definitions", DEFINITIONS_MAX)]
    least = _integer(first, "first id", 0, SERIES_MAX)
    require(least + len(listed) - 1 <= SERIES_MAX, "a series id beyond 31 bits")
    return {"epoch": _epoch(epoch), "first": least, "definitions": listed}


def _definition(entry):
    stream, device, metric, unit, kind, value_type, sampling, tags, width, hold = _record(entry, 10, "definition")
    pairs = [(_short(k, "tag"), _short(v, "tag")) for k, v in _pairs(tags, "tags", TAGS_MAX)]
    require(all(_units(a[0]) < _units(b[0]) for a, b in zip(pairs, pairs[1:])), "tags that do not ascend")
    return {
        "stream": _short(stream, "stream"),
        "device": _short(device, "device"),
        "metric": _short(metric, "metric"),
        "unit": _short(unit, "unit"),
        "kind": _name(kind, KINDS, "kind"),
        "type": _name(value_type, TYPES, "type"),
        "sampling": _name(sampling, SAMPLINGS, "sampling"),
        "tags": [list(pair) for pair in pairs],
        "widthMs": _integer(width, "width", 0, TIME_MAX),
        "holdMs": _integer(hold, "hold", 0, TIME_MAX),
    }


def _units(text):
    """What texts are ordered by: their UTF-16 units."""
    return text.encode("utf-16-be")


def _batch(epoch, lane, first, last, parts):
    named = _range(first, last)
    require(named["last"] - named["first"] < ITEMS_MAX, "a batch of too many items")
    blocks = _pairs(parts, "parts", BLOCKS_MAX)
    require(all(_binary(block, "block") for _, block in blocks), "a block of no bytes")
    listed = [{"kind": _name(kind, PARTS, "kind"), "bytes": block.hex()} for kind, block in blocks]
    require(len({part["kind"] == "thinned" for part in listed}) <= 1, "thinned blocks beside others")
    return {"epoch": _epoch(epoch), "lane": _integer(lane, "lane", 0, 3), **named, "parts": listed}


def _void(epoch, lane, first, last, reason, stats, omitted, hours):
    return {
        "epoch": _epoch(epoch),
        "lane": _integer(lane, "lane", 0, 3),
        **_range(first, last),
        "reason": _name(reason, REASONS, "reason"),
        "stats": [_stat(entry) for entry in _list(stats, "stats", STATS_MAX)],
        "statsOmitted": _integer(omitted, "statsOmitted"),
        "hours": [[_hour(hour), _integer(items, "items", 1)] for hour, items in _pairs(hours, "hours", HOURS_MAX)],
    }


def _stat(entry):
    series, hour, count, least, greatest, mean = _record(entry, 6, "stat")
    return {
        "series": _integer(series, "series", 0, SERIES_MAX),
        "hour": _hour(hour),
        "count": _integer(count, "count", 1),
        "min": _number(least, "min"),
        "max": _number(greatest, "max"),
        "mean": _number(mean, "mean"),
    }


def _reported(at, rows, counters):
    named = _pairs(counters, "counters", COUNTERS_MAX)
    pairs = [[_short(name, "counter"), _integer(value, "counter")] for name, value in named]
    return {"atMs": _time(at, "at"), "rows": [_row(row) for row in _list(rows, "rows", ROWS_MAX)], "counters": pairs}


def _row(row):
    lane, hour, produced, queued, evicted = _record(row, 5, "row")
    return {
        "lane": _integer(lane, "lane", 0, 3),
        "hour": _hour(hour),
        "produced": _integer(produced, "produced"),
        "queued": _integer(queued, "queued"),
        "evicted": _integer(evicted, "evicted"),
    }


def _status(epoch, online):
    return {"epoch": _epoch(epoch), "isOnline": _flag(online, "online")}


def _flow(window):
    return {"window": _integer(window, "window", 1, 65_535)}


def _query(ident, page, start, end, rows, cursor, names):
    out = {**_asked(ident, page), "fromMs": _time(start, "from"), "toMs": _time(end, "to")}
    require(out["fromMs"] < out["toMs"], "an empty range")
    out["rowsMax"] = _integer(rows, "rowsMax", 1, RAW_ROWS_MAX)
    if cursor is not None:
        out["cursor"] = _cursor(cursor)
    return {**out, "names": [_raw_name(entry) for entry in _list(names, "names", RAW_NAMES_MAX)]}


def _asked(ident, page):
    return {"id": _integer(ident, "id", 0, 2**32 - 1), "page": _integer(page, "page", 1)}


def _cursor(value):
    commit, at, skip = _record(value, 3, "cursor")
    return [_integer(commit, "commit"), _time(at, "at"), _integer(skip, "skip")]


def _raw_name(entry):
    device, metric, tags = _record(entry, 3, "name")
    pairs = [[_short(k, "tag"), _short(v, "tag")] for k, v in _pairs(tags, "tags", TAGS_MAX)]
    return {"device": _short(device, "device"), "metric": _short(metric, "metric"), "tags": pairs}


def _answer(ident, page, refused, following, missing, definitions, block):
    out = _asked(ident, page)
    if refused is not None:
        out["refused"] = _short(refused, "refused")
    if following is not None:
        out["next"] = _cursor(following)
    out["missing"] = [_missing(entry) for entry in _list(missing, "missing", MISSING_MAX)]
    out["definitions"] = [_definition(entry) for entry in _list(definitions, "definitions", RAW_ROWS_MAX)]
    if block is not None:
        require(_binary(block, "block"), "a block of no bytes")
        out["block"] = block.hex()
    return out


def _missing(entry):
    reason, start, end = _record(entry, 3, "missing")
    out = {"reason": _name(reason, MISSING, "reason")}
    if start is not None:
        out["fromMs"] = _time(start, "from")
    return {**out, "toMs": _time(end, "to")}


MESSAGES = {
    "hello": (9, _hello),
    "welcome": (8, _welcome),
    "series": (3, _series),
    "batch": (5, _batch),
    "void": (8, _void),
    "reported": (3, _reported),
    "status": (2, _status),
    "flow": (1, _flow),
    "query": (7, _query),
    "answer": (7, _answer),
}
"""Kind: the number of fields after version and agent, and what reads them."""
