"""A stock paho-mqtt 1.6 sensor that loses its connection. Usage: paho-readings.py PORT DEVICE QOS COUNT CLEAN. Prints when all are acked.

Its readings are numbered; halfway its socket is closed under its feet, and paho connects again by itself and sends again what was
not acked. With QoS 0 nobody acks, so the socket is closed only after all of it was handed to the system.
"""
import json
import sys
import threading
import time

import paho.mqtt.client as mqtt

port, device, qos, count, clean = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "clean"
acked, changed, connected = set(), threading.Condition(), threading.Event()


def on_publish(client, data, mid):
    with changed:
        acked.add(mid)
        changed.notify_all()


def wait_for(number):
    with changed:
        if not changed.wait_for(lambda: len(acked) >= number, 30):
            raise RuntimeError("timed out with %d of %d acked" % (len(acked), number))


client = mqtt.Client("paho-%s" % device, clean_session=clean)
client.max_inflight_messages_set(50)
client.max_queued_messages_set(0)
client.reconnect_delay_set(min_delay=1, max_delay=1)
client.on_publish = on_publish
client.on_connect = lambda *_: connected.set()
client.connect("127.0.0.1", port, 30)
client.loop_start()
connected.wait(30)
base = int(time.time() * 1000)
for number in range(count):
    client.publish("sensors/%s/climate" % device, json.dumps({"ts": base + number, "temp": number}), qos)
    if qos > 0 and number == count // 2:
        connected.clear()
        client._sock_close()
        connected.wait(30)
wait_for(count)
client.disconnect()
client.loop_stop()
print(base)
