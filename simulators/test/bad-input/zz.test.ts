import { publishFrame, WireClient } from '@fogline/shared/broker/testing/wire-client';
import { it } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import { ackOf, openRig, residentMiB } from './rig.ts';
it('x', async () => {
  const rig = await openRig('zz');
  const now = Date.now();
  const s = performance.now();
  const show = async (w: string) => {
    const m = await Promise.race([fetch(rig.system.agentUrl + '/metrics').then((r) => r.text()), sleep(3000).then(() => 'no answer')]);
    const g = (re: RegExp) => (re.exec(m) ?? [])[1];
    console.log(w, ((performance.now() - s) / 1000).toFixed(1), 'agent', residentMiB(rig.system.agent).toFixed(0), 'hub', residentMiB(rig.system.hub).toFixed(0),
      'series', g(/source_series\{source="climate"\} (\d+)/), 'lim', g(/series_limit"\} (\d+)/), 'q', g(/queued_items\{lane="normal"\} (\d+)/), g(/queued_items\{lane="high"\} (\d+)/), 'db', g(/database_bytes (\d+)/), 'cpu', g(/cpu_seconds_total ([\d.]+)/), m.length < 20 ? m : '');
  };
  const c = await WireClient.connect(rig.system.mqttPort, { clientId: 'x' });
  for (let from = 0; from < 110_000; from += 1000) {
    c.send(...Array.from({ length: 1000 }, (_, i) => publishFrame(`sensors/device-${from + i}/climate`, JSON.stringify({ ts: now, temp: from }))));
    c.send(publishFrame('pace', '', { qos: 1, id: 1 }));
    await ackOf(c, 1);
    if (from % 10000 === 0) await show('sent ' + from);
  }
  for (let i = 0; i < 25; i++) { await show('wait'); await sleep(2000); }
  console.log(readFileSync(rig.stage.path('agent.log'), 'utf8').slice(-1500), readFileSync(rig.stage.path('hub.log'), 'utf8').slice(-1500));
  await rig.close();
}, 300_000);
