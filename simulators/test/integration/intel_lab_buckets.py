"""What the roll-ups of the Intel Lab readings must be, computed from the CSV with nothing of Fogline.

Usage: intel_lab_buckets.py FILE.csv ROWS START_MS LEVEL_MS...
Prints per mote and level one JSON object: {"device", "everyMs", "time", "count", "sum", "min", "max", "mean"}, columns in order of time.
Sums are math.fsum of the doubles. Means are the exact sum divided by the count, rounded once.
"""
import json
import math
import sys

SCALE = 1100  # Every finite double is an integer times 2**-1074.


def exact(values):
    """The sum as an integer times 2**-SCALE."""
    total = 0
    for value in values:
        numerator, denominator = value.as_integer_ratio()
        total += numerator << (SCALE - denominator.bit_length() + 1)
    return total


def bucket(values):
    total, count = exact(values), len(values)
    fsum = math.fsum(values)
    # The division of integers is correctly rounded: two independent ways to one sum.
    assert total / (1 << SCALE) == fsum
    return count, fsum, min(values), max(values), total / (count << SCALE)


def columns(times, values, every):
    rows, at = [], 0
    while at < len(times):
        start = times[at] // every * every
        end = at
        while end < len(times) and times[end] < start + every:
            end += 1
        rows.append((start, *bucket(values[at:end])))
        at = end
    return dict(zip(("time", "count", "sum", "min", "max", "mean"), map(list, zip(*rows))))


def main(path, row_count, start_ms, *levels):
    with open(path, encoding="ascii") as file:
        names = file.readline().strip().split(",")
        rows = [line.strip().split(",") for line, _ in zip(file, range(int(row_count)))]
    first = int(rows[0][0])
    times = [int(start_ms) + (int(row[0]) - first) * 1000 for row in rows]
    for column, name in enumerate(names[1:], 1):
        values = [float(row[column]) for row in rows]
        for every in map(int, levels):
            print(json.dumps({"device": name, "everyMs": every, **columns(times, values, every)}))


main(*sys.argv[1:])
