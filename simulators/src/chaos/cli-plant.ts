/**
 * A planted bug: a reading that was acked after every fault comes once more to an agent that has forgotten it, and so it is twice at the
 * hub. No damage explains that, and a verdict that lets it pass would let anything pass.
 */
import { once } from 'node:events';
import { connect as tcpConnect } from 'node:net';
import { loopback } from '../demo/ports.ts';
import { openLines } from '../fleet/lines.ts';
import { FrameWriter } from '../fleet/mqtt-frames.ts';
import { parseTruthLine } from '../verify/truth.ts';

/** Throws when nothing was acked, or the agent does not take it. */
export async function sendAgain(truth: string, mqttPort: number): Promise<void> {
  const { device, timeMs, values } = lastAcked(truth);
  const payload = JSON.stringify({ temp: values['temperature'], hum: values['humidity'], ts: timeMs });
  const socket = tcpConnect(mqttPort, loopback);
  try {
    await once(socket, 'connect');
    const frames = new FrameWriter();
    frames.connect({ clientId: 'planted', keepaliveSeconds: 0 });
    await answer(socket, frames, 0x20);
    frames.beginPublish(1);
    frames.text(`sensors/${device}/climate`);
    frames.endTopic(1);
    frames.text(payload);
    frames.endPublish();
    await answer(socket, frames, 0x40);
  } finally {
    socket.destroy();
  }
}

/** Sends what was written and waits for the packet that answers it. */
async function answer(socket: ReturnType<typeof tcpConnect>, frames: FrameWriter, head: number): Promise<void> {
  socket.write(frames.bytes.subarray(0, frames.at));
  frames.at = 0;
  const [packet] = (await once(socket, 'data')) as [Buffer];
  if (packet[0] !== head) throw new Error(`the agent answered with packet ${packet[0]}`);
}

type Sent = Extract<ReturnType<typeof parseTruthLine>, { kind: 'sent' }>;

function lastAcked(truth: string): Sent {
  const lines = openLines(truth);
  try {
    const sent = new Map<string, Sent>();
    let last: Sent | undefined;
    for (let text = lines.next(); text !== undefined; text = lines.next()) {
      const line = parseTruthLine(text);
      if (line?.kind === 'sent') sent.set(`${line.device} ${line.timeMs}`, line);
      if (line?.kind === 'acked') last = sent.get(`${line.device} ${line.timeMs}`) ?? last;
    }
    if (last === undefined) throw new Error('nothing was acked that could come again');
    return last;
  } finally {
    lines.close();
  }
}
