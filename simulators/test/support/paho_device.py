"""Devices that publish with stock paho-mqtt 1.6, sessions kept (clean_session=False), until standard input ends.

Usage: paho_device.py PORT QOS TRUTH DEVICE PER_SECOND SEED
Writes what it sent, before it sends it, and what was acked to the truth file (simulators/src/fleet/truth-writer.ts). After a lost
connection paho itself connects again and sends again. In the end waits until everything was acked; exit code 1 when that takes too long.
"""
import json
import queue
import random
import sys
import threading
import time

import paho.mqtt.client as mqtt

UNACKED_MAX = 400
TICK_S = 0.05
FINISH_S = 90


def main(port, qos, truth_path, device, per_second, seed):
    qos, per_tick, chance = int(qos), max(1, round(int(per_second) * TICK_S)), random.Random(int(seed))
    stopping = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), stopping.set()), daemon=True).start()
    published, unacked, connects = queue.SimpleQueue(), {}, []
    client = mqtt.Client(device, clean_session=False)
    client.max_queued_messages_set(0)
    client.reconnect_delay_set(1, 1)
    client.on_publish = lambda _client, _data, mid: published.put(mid)
    client.on_connect = lambda _client, _data, _flags, code: connects.append(code)
    client.connect_async("127.0.0.1", int(port), keepalive=10)
    client.loop_start()
    topic, last, sent = "sensors/%s/climate" % device, 0, 0
    with open(truth_path, "a", encoding="ascii") as truth:
        truth.write('{"truth":1,"startedMs":%d}\n' % (time.time() * 1000))

        def settle():
            while not published.empty():
                truth.write('{"a":["%s",%d]}\n' % (device, unacked.pop(published.get())))
            truth.flush()

        while not stopping.wait(TICK_S):
            batch = []
            while len(batch) < per_tick and len(unacked) + len(batch) < UNACKED_MAX:
                last = max(last + 1, int(time.time() * 1000))
                temp, hum = chance.randrange(4000) / 100, chance.randrange(1000) / 10
                batch.append((last, '{"ts":%d,"temp":%r,"hum":%r}' % (last, temp, hum)))
                truth.write('{"s":"%s","t":%d,"v":{"temperature":%r,"humidity":%r},"q":%d}\n' % (device, last, temp, hum, qos))
            truth.flush()
            for ts, payload in batch:
                # An ack may come first; settle() runs on this thread alone, so it finds the id all the same.
                unacked[client.publish(topic, payload, qos).mid] = ts
                sent += 1
            settle()
        deadline = time.monotonic() + FINISH_S
        while unacked and time.monotonic() < deadline:
            time.sleep(TICK_S)
            settle()
    client.disconnect()
    client.loop_stop()
    summary = {"device": device, "qos": qos, "sent": sent, "unacked": len(unacked), "connects": len(connects)}
    print(json.dumps(summary), file=sys.stderr)
    sys.exit(1 if unacked else 0)


main(*sys.argv[1:])
