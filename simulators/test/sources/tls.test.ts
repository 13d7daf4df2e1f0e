/** A real agent that listens with TLS: stock clients that trust its certificate are served, others and plain bytes are not. */
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect } from 'node:net';
import { getJson } from '@fogline/shared/get-json';
import { hasOpenssl, selfSigned } from '@fogline/shared/testing/certificates';
import { connectAsync } from 'mqtt';
import { describe, expect, it } from 'vitest';
import { freePort, loopback } from '../support/ports.ts';
import { openStage } from '../support/stage.ts';

interface Client {
  readonly ca: string;
  readonly key?: string;
  readonly cert?: string;
}

function post(port: number, client: Client, body: string): Promise<number | string> {
  return new Promise((resolve) => {
    const call = request({ host: loopback, port, path: '/write', method: 'POST', ...client }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    call.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    call.end(body);
  });
}

async function publish(port: number, client: Client, payload: string): Promise<'acked' | 'refused'> {
  try {
    const { ca, ...own } = client;
    const options = { ca, ...own, reconnectPeriod: 0, connectTimeout: 10_000 };
    const session = await connectAsync(`mqtts://localhost:${port}`, options, false);
    await session.publishAsync('sensors/oven/climate', payload, { qos: 1 });
    await session.endAsync();
    return 'acked';
  } catch {
    return 'refused';
  }
}

/** What a peer that greets in clear text hears. */
function greet(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, loopback, () => socket.write(bytes));
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
    });
    socket.on('error', () => resolve(heard));
    socket.on('close', () => resolve(heard));
  });
}

describe.skipIf(!hasOpenssl)('an agent with a certificate (needs the openssl command)', () => {
  it('takes MQTT and HTTP over TLS only, with client_ca from certified clients only', {
    timeout: 120_000,
  }, async () => {
    const stage = openStage('tls');
    const [mqttPort, httpPort, ownPort, deadPort] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
    const [server, device, stranger] = [selfSigned(), selfSigned(), selfSigned()];
    for (const [name, text] of Object.entries({ cert: server.cert, key: server.key, devices: device.cert }))
      writeFileSync(stage.path(`${name}.pem`), text, { mode: 0o600 });
    const config = stage.path('agent.yaml');
    const tls = 'cert: { file: cert.pem }, key: { file: key.pem }';
    writeFileSync(
      config,
      `version: 1
agent: { id: plant }
sources:
  climate:
    mqtt: { listen: "${loopback}:${mqttPort}", topics: ["sensors/{device}/climate"], tls: { ${tls} } }
    parse: { json: auto }
  telegraf: { http: { listen: "${loopback}:${httpPort}", tls: { ${tls}, client_ca: { file: devices.pem } } } }
uplinks: { hub: { mqtt: { url: "mqtt://${loopback}:${deadPort}" }, token: t0ken } }
local: { http: "${loopback}:${ownPort}" }
`,
    );
    const agent = stage.program('agent', 'agent', ['run', '--config', config], 'ready ');
    expect(await agent.start()).toContain(`mqtts=${loopback}:${mqttPort} write=https://${loopback}:${httpPort}`);
    const status = await getJson(new URL(`http://${loopback}:${ownPort}/status`), undefined);
    expect(status).toMatchObject({
      listeners: [`mqtts://${loopback}:${mqttPort}`, `https://${loopback}:${httpPort}`],
    });

    expect(await publish(mqttPort, { ca: server.cert }, '{"t":1}')).toBe('acked');
    expect(await publish(mqttPort, { ca: stranger.cert }, '{"t":2}')).toBe('refused');
    expect(await greet(mqttPort, '\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01c')).not.toContain('\x20\x02');
    const certified = { ca: server.cert, key: device.key, cert: device.cert };
    expect(await post(httpPort, certified, 'm,host=h v=1')).toBe(204);
    expect(await post(httpPort, { ca: server.cert }, 'm,host=h v=2')).not.toBe(204);
    expect(await post(httpPort, { ...certified, key: stranger.key, cert: stranger.cert }, 'm,host=h v=3')).not.toBe(
      204,
    );
    expect(await greet(httpPort, 'POST /write HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nm v')).not.toContain(
      '204',
    );
    const { out } = await stage.run('agent', ['query', '--config', config]);
    expect(out).toContain('oven');
  });
});
