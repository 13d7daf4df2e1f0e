"""A recorded session, every message decoded to plain JSON; and the same session with every bit of its blocks flipped."""

import json

import messages
import partials
import readings
import thinned
import windows
from scalars import finite_or_none, rounded
from wire import Refused, require

QUANTILES = (0, 0.01, 0.25, 0.5, 0.75, 0.99, 1)


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def decoded(line, ignore_checksum=False):
    """The message of a line, the blocks of a batch with their rows."""
    fields = messages.decode(line["kind"], bytes.fromhex(line["hex"]))
    if line["kind"] == "batch":
        fields["parts"] = [block(part["kind"], bytes.fromhex(part["bytes"]), ignore_checksum) for part in fields["parts"]]
        items = sum(_items(part) for part in fields["parts"])
        require(items == fields["last"] - fields["first"] + 1, "a batch whose blocks hold another number of items")
    return {"from": line["from"], "kind": line["kind"], **fields}


def block(kind, data, ignore_checksum=False):
    if kind == "readings":
        return {"kind": kind, **readings.decode(data, ignore_checksum)}
    if kind == "thinned":
        return {"kind": kind, "rows": [_minute(*row) for row in thinned.decode(data, ignore_checksum)]}
    return {"kind": kind, "rows": [_window(*row) for row in windows.decode(data, ignore_checksum)]}


def _items(part):
    return sum(row["items"] for row in part["rows"]) if part["kind"] == "thinned" else len(part["rows"])


def alone(kind, data):
    """One block, partial or message by itself; blocks in messages and partials in blocks stay bytes."""
    if kind in ("windows", "thinned"):
        rows = windows.decode(data) if kind == "windows" else thinned.decode(data)
        return {"rows": [[*row[:3], row[3].hex()] for row in rows]}
    if kind == "readings":
        return readings.decode(data)
    return summary(partials.decode(data)) if kind == "partial" else messages.decode(kind, data)


def _window(series, start, delta, data):
    return {"series": series, "start": start, "delta": delta, **summary(partials.decode(data))}


def _minute(series, start, items, data):
    return {"series": series, "start": start, "items": items, **summary(partials.decode(data))}


def summary(partial):
    """What a partial says, in numbers that JSON has."""
    out = {"count": partial["count"], "heldMs": partial["heldMs"]}
    if partial["count"] > 0:
        total = finite_or_none(rounded(partial["sum"]))
        out.update(min=partial["min"], max=partial["max"], sum=total, mean=partials.mean(partial))
        out.update(zip(("firstTime", "firstValue"), partial["first"]))
        out.update(zip(("lastTime", "lastValue"), partial["last"]))
        if partial["sketch"] is not None:
            out["quantiles"] = [[q, partials.quantile(partial, q)] for q in QUANTILES]
    return out


def check_definitions(session):
    """PROTOCOL §3.4: definitions come before the batches that use them, and say what kind of items these are."""
    kinds, inherited = {}, {}
    for message in session:
        if message["kind"] == "hello":
            inherited.update((entry["epoch"], entry["seriesBase"]) for entry in message["epochs"])
        if message["kind"] == "series":
            known = kinds.setdefault(message["epoch"], {})
            known.update(enumerate((d["kind"] for d in message["definitions"]), message["first"]))
        for part in message.get("parts", []):
            _check_defined(part, kinds.get(message["epoch"], {}), inherited.get(message["epoch"], 0))


def _check_defined(part, known, base):
    for row in part["rows"]:
        series = row[0] if part["kind"] == "readings" else row["series"]
        is_right = part["kind"] in (f"{known.get(series)}s", "thinned") and series in known
        require(series < base or is_right, f"series {series} is not defined as one of {part['kind']}")


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def flips(path, step, ignore_checksum):
    """Flips every `step`-th bit of every block of the session's batches: how many were tried, and which were accepted."""
    tried, accepted = 0, []
    for number, line in enumerate(lines(path), 1):
        if line["kind"] != "batch":
            continue
        for part in messages.decode("batch", bytes.fromhex(line["hex"]))["parts"]:
            data = bytes.fromhex(part["bytes"])
            block(part["kind"], data)
            for bit in range(0, 8 * len(data), step):
                tried += 1
                if _is_accepted(part["kind"], data, bit, ignore_checksum):
                    accepted.append([number, bit])
    return {"tried": tried, "accepted": accepted}


def _is_accepted(kind, data, bit, ignore_checksum):
    damaged = bytearray(data)
    damaged[bit >> 3] ^= 1 << (bit & 7)
    try:
        block(kind, bytes(damaged), ignore_checksum)
    except Refused:
        return False
    return True
