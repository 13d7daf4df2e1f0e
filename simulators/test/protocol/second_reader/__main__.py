"""
A second reader of the Fogline sync protocol, written from its pages alone (shared/PROTOCOL.md and the two FORMAT.md it includes).

    second_reader vectors PAGE.md…          checks every golden vector; exit 1 on any difference
    second_reader session FILE.ndjson       prints every message of a recorded session as canonical JSON, one line each
    second_reader flips FILE.ndjson STEP    flips every STEP-th bit of every block; exit 1 when one is accepted
    second_reader decode                    reads lines {"kind","hex"}: a message by its kind, readings, windows or partial;
                                            prints what each holds, or {"refused":why}

`--ignore-checksums` makes a reader that must be caught.
"""

import json
import sys

sys.dont_write_bytecode = True

import session  # noqa: E402
import vectors  # noqa: E402
from wire import Refused  # noqa: E402


def main(arguments):
    ignore_checksum = "--ignore-checksums" in arguments
    command, *operands = [a for a in arguments if a != "--ignore-checksums"] or ["help"]
    if command == "vectors" and operands:
        return _vectors(operands)
    if command == "session" and len(operands) == 1:
        return _session(operands[0], ignore_checksum)
    if command == "flips" and len(operands) == 2:
        return _flips(operands[0], int(operands[1]), ignore_checksum)
    if command == "decode" and not operands:
        return _decode()
    print(__doc__, file=sys.stderr)
    return 2


def _vectors(paths):
    failed = False
    for path in paths:
        with open(path, encoding="utf-8") as file:
            count, differences = vectors.check(file.read())
        failed = failed or bool(differences) or count == 0
        print(session.canonical({"page": path, "vectors": count, "differences": differences}))
    return 1 if failed else 0


def _session(path, ignore_checksum):
    decoded = []
    for number, line in enumerate(session.lines(path), 1):
        try:
            decoded.append(session.decoded(line, ignore_checksum))
        except Refused as refusal:
            print(f"{path}:{number}: {type(refusal).__name__}: {refusal}", file=sys.stderr)
            return 1
    session.check_definitions(decoded)
    for message in decoded:
        print(session.canonical(message))
    return 0


def _flips(path, step, ignore_checksum):
    result = session.flips(path, step, ignore_checksum)
    print(session.canonical(result))
    return 1 if result["accepted"] else 0


def _decode():
    for text in sys.stdin:
        line = json.loads(text)
        try:
            out = session.alone(line["kind"], bytes.fromhex(line["hex"]))
        except Refused as refusal:
            out = {"refused": str(refusal)}
        print(session.canonical(out))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Refused as refusal:
        sys.exit(f"refused: {refusal}")
