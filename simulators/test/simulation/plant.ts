/** Bugs, planted behind the back of agents and hub. */
import { Partial } from '@fogline/shared/aggregate/partial';
import { decodeThinned, encodeThinned } from '@fogline/shared/aggregate/thinned-columns';
import { type BatchMessage, decodeBatch, isThinned } from '@fogline/shared/protocol/messages';
import { SeqRanges } from '@fogline/shared/seq-ranges';
import type { SimAgent, World } from './world.ts';

/** Bugs that are planted to see whether the checks notice. */
export type Canary =
  | 'delete on send'
  | 'merge after send'
  | 'ack before commit'
  | 'thinning counts twice'
  | 'thinned accepted although held';

export function plant(world: World, canary: Canary): void {
  if (canary === 'thinned accepted although held') {
    world.onMessage = (from, kind, payload) => {
      if (from === 'agent' && kind === 'batch') forgetHeld(world, decodeBatch(payload));
    };
    return;
  }
  for (const agent of world.agents) {
    switch (canary) {
      case 'ack before commit':
        agent.afterSubmit = (tokens) => agent.sensors.release(tokens);
        break;
      case 'delete on send':
        agent.link.onPublish = (kind) => {
          if (kind === 'batch')
            sabotage(world, agent, 'DELETE FROM rows WHERE batch IS NOT NULL; DELETE FROM batches;');
        };
        break;
      case 'thinning counts twice':
        agent.link.onPublish = (kind) => {
          if (kind === 'hello') world.clock.after('canary', 0, () => countTwice(agent));
        };
        break;
      case 'merge after send':
        agent.link.onPublish = (kind) => {
          if (kind === 'hello') {
            sabotage(
              world,
              agent,
              'UPDATE rows SET batch = NULL WHERE batch IN (SELECT id FROM batches WHERE acked = 0); DELETE FROM batches WHERE acked = 0;',
            );
          }
        };
        break;
    }
  }
}

/** Changes an agent's database behind its back, outside any transaction of its own. */
function sabotage(world: World, agent: SimAgent, sql: string): void {
  world.clock.after('canary', 0, () => agent.db.exec(sql));
}

/** A hub that holds the range of these minutes no longer knows it when they come again; what it made of them stays. */
function forgetHeld(world: World, message: BatchMessage): void {
  const { agent, epoch, lane, first, last } = message;
  if (!isThinned(message)) return;
  const { hubDb } = world;
  // The first copy may have come a moment ago.
  world.hubCrashPoint.armed = undefined;
  while (world.hub?.commit() === true);
  world.hub?.fold();
  const row = hubDb
    .prepare<{ epoch: number; watermark: number; beyond: string }>(
      `SELECT r.* FROM ranges r JOIN epochs e ON e.id = r.epoch JOIN agents a ON a.id = e.agent
       WHERE a.name = ? AND e.epoch = ? AND r.lane = ?`,
    )
    .get(agent, epoch, lane);
  if (row === undefined) return;
  const held = SeqRanges.from(row.watermark, JSON.parse(row.beyond) as number[]);
  if (!held.has(first, last)) return;
  const gone = SeqRanges.empty();
  gone.add(first, last);
  eachPair(held.missing(1, held.highest), (from, to) => gone.add(from, to));
  const left = SeqRanges.empty();
  eachPair(gone.missing(1, held.highest), (from, to) => left.add(from, to));
  hubDb
    .prepare('UPDATE ranges SET watermark = ?, beyond = ? WHERE epoch = ? AND lane = ?')
    .run(left.watermark, JSON.stringify(left.beyond), row.epoch, lane);
  hubDb
    .prepare('DELETE FROM batch_ranges WHERE epoch = ? AND lane = ? AND last >= ? AND first <= ?')
    .run(row.epoch, lane, first, last);
  world.crashHub();
  world.startHub();
}

/** One minute of one unsealed row has its readings twice; its count of items is what it was. */
function countTwice({ db }: SimAgent): void {
  const row = db
    .prepare<{ id: number; body: Uint8Array }>(
      'SELECT p.id, p.body FROM rows r JOIN packs p ON p.id = r.pack_id WHERE r.kind = 2 AND r.batch IS NULL LIMIT 1',
    )
    .get();
  if (row === undefined) return;
  const columns = decodeThinned(row.body);
  const [first = new Uint8Array(), ...others] = columns.partial;
  const twice = Partial.decode(first);
  twice.merge(Partial.decode(first));
  const body = encodeThinned({ ...columns, partial: [twice.encode(), ...others] });
  db.prepare('UPDATE packs SET body = ? WHERE id = ?').run(body, row.id);
}

function eachPair(flat: readonly number[], visit: (from: number, to: number) => void): void {
  for (let i = 0; i < flat.length; i += 2) visit(flat[i] ?? 0, flat[i + 1] ?? 0);
}
