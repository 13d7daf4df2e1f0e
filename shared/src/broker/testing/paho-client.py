"""What a stock paho-mqtt 1.6 client experiences at a Fogline broker. Usage: paho-client.py PORT. Prints one JSON object."""
import json
import sys
import threading

import paho.mqtt.client as mqtt

PORT = int(sys.argv[1])
WAIT = 20


class Client:
    """A client whose callbacks fill lists; `until` waits for a condition on them."""

    def __init__(self, client_id, clean=True, inflight=20, will=None, keepalive=60):
        self.messages, self.published, self.granted, self.flags = [], [], [], []
        self.lost = False
        self.changed = threading.Condition()
        self.client = mqtt.Client(client_id, clean_session=clean)
        self.client.max_inflight_messages_set(inflight)
        self.client.max_queued_messages_set(0)
        if will is not None:
            self.client.will_set(*will)
        self.client.on_connect = self._note(lambda client, data, flags, rc: self.flags.append((rc, flags["session present"])))
        self.client.on_message = self._note(lambda client, data, m: self.messages.append([m.topic, m.payload.decode(), m.qos, int(m.retain)]))
        self.client.on_publish = self._note(lambda client, data, mid: self.published.append(mid))
        self.client.on_subscribe = self._note(lambda client, data, mid, qos: self.granted.append(list(qos)))
        self.client.on_disconnect = self._note(lambda client, data, rc: setattr(self, "lost", rc != 0))
        self.client.connect("127.0.0.1", PORT, keepalive)
        self.client.loop_start()
        self.until(lambda: self.flags)

    def _note(self, act):
        def callback(*args):
            with self.changed:
                act(*args)
                self.changed.notify_all()

        return callback

    def until(self, condition):
        with self.changed:
            if not self.changed.wait_for(condition, WAIT):
                raise RuntimeError("timed out")

    def subscribe(self, *filters):
        count = len(self.granted)
        self.client.subscribe(list(filters))
        self.until(lambda: len(self.granted) > count)
        return self.granted[-1]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

    def vanish(self):
        self.client.loop_stop()
        self.client._sock_close()


def basic():
    reader, writer = Client("reader"), Client("writer")
    granted = reader.subscribe(("basic/#", 2))
    for qos in (0, 1, 2):
        writer.client.publish("basic/%d" % qos, "qos %d" % qos, qos).wait_for_publish(WAIT)
    reader.until(lambda: len(reader.messages) == 3)
    reader.close()
    writer.close()
    return {"granted": granted, "messages": sorted(reader.messages)}


def retained():
    writer = Client("writer")
    for qos in (0, 1, 2):
        writer.client.publish("kept/%d" % qos, "kept", qos, retain=True).wait_for_publish(WAIT)
    reader = Client("reader")
    reader.subscribe(("kept/+", 2))
    reader.until(lambda: len(reader.messages) == 3)
    for qos in (0, 1, 2):
        writer.client.publish("kept/%d" % qos, "", qos, retain=True).wait_for_publish(WAIT)
    late = Client("late")
    late.subscribe(("kept/+", 2))
    late.client.publish("kept/end", "end", 1)
    late.until(lambda: late.messages)
    for one in (writer, reader, late):
        one.close()
    return {"messages": sorted(reader.messages[:3]), "late": late.messages}


def will():
    reader = Client("reader")
    reader.subscribe(("will", 2))
    Client("mortal", will=("will", "gone", 2, False)).vanish()
    reader.until(lambda: reader.messages)
    Client("polite", will=("will", "never", 2, False)).close()
    reader.close()
    return {"messages": reader.messages}


def offline():
    first = Client("sleeper", clean=False)
    first.subscribe(("sleep/+", 2))
    first.close()
    writer = Client("writer")
    for qos in (1, 2):
        writer.client.publish("sleep/%d" % qos, "while away", qos).wait_for_publish(WAIT)
    again = Client("sleeper", clean=False)
    again.until(lambda: len(again.messages) == 2)
    again.close()
    forgotten = Client("sleeper", clean=True)
    forgotten.close()
    writer.close()
    return {"session": [first.flags, again.flags, forgotten.flags], "messages": sorted(again.messages)}


def in_flight():
    writer = Client("writer", inflight=2000)
    mids = [writer.client.publish("flight", "x" * 60, 1).mid for _ in range(2000)]
    writer.until(lambda: len(writer.published) == len(mids))
    writer.close()
    return {"acked": len(writer.published), "inOrder": writer.published == mids}


def exactly_once():
    reader, writer = Client("reader"), Client("writer", inflight=200)
    reader.subscribe(("once", 2))
    for index in range(300):
        writer.client.publish("once", str(index), 2)
    writer.until(lambda: len(writer.published) == 300)
    reader.until(lambda: len(reader.messages) >= 300)
    reader.close()
    writer.close()
    return {"messages": len(reader.messages), "distinct": len({m[1] for m in reader.messages})}


def keepalive():
    client, pongs = Client("quiet", keepalive=1), []
    client.client.on_log = client._note(lambda c, data, level, text: pongs.append(text) if "PINGRESP" in text else None)
    client.until(lambda: len(pongs) >= 2)
    client.close()
    return {"lost": client.lost}


def oversized():
    client = Client("big")
    client.client.reconnect_delay_set(30, 60)
    client.client.publish("big", b"x" * 10_000_000, 1)
    client.until(lambda: client.lost)
    client.client.loop_stop()
    return {"disconnected": client.lost}


CASES = [basic, retained, will, offline, in_flight, exactly_once, keepalive, oversized]
print(json.dumps({case.__name__: case() for case in CASES}))
