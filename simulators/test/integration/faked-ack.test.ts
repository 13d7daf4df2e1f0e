/**
 * The canary of the Intel Lab suite, and P3 at its sharpest: batches vanish behind acks that the hub never gave. The comparison must
 * notice, and the next `welcome` must bring them back, because an ack is not a delete.
 */
import { describe, expect, it } from 'vitest';
import { type LyingLink, openLyingLink } from '../../src/faults/lying-link.ts';
import { openStage } from '../support/stage.ts';
import { agentStatus, openSystem } from '../support/system.ts';
import {
  allArrived,
  compareAtHub,
  exact,
  expectedBuckets,
  labSystem,
  missing,
  motes,
  openReplay,
} from './intel-lab.ts';

const rows = 200;
const readings = rows * motes;
const streams = [exact];

describe.skipIf(missing !== undefined)(`Intel Lab readings${missing === undefined ? '' : `: no ${missing}`}`, () => {
  it('batches lost behind a false ack are noticed, and are back after the next welcome', {
    timeout: 120_000,
  }, async () => {
    const stage = openStage('faked');
    let liar: LyingLink | undefined;
    const system = await openSystem(stage, {
      ...labSystem(streams),
      async beforeHub(hubPort) {
        const opened = await openLyingLink(hubPort, 3);
        stage.onClose(() => opened.close());
        liar = opened;
        return opened.port;
      },
    });
    const expected = await expectedBuckets(stage, rows);
    const sender = openReplay(stage, system, rows);
    await stage.until('the replay is acked', 60_000, () => sender.stats().settled >= readings);
    await stage.until('the agent believes that the hub has it all', 60_000, async () =>
      (await agentStatus(system)).queuedItems.every((items) => items === 0),
    );
    const deceived = await compareAtHub(system, streams, expected);
    expect(deceived.differing).toBeGreaterThan(0);

    // An agent that came late sent all of it in fewer batches than are to vanish; those that come again must not.
    liar?.beHonest();
    system.link.cut('rst');
    await allArrived(stage, system, { streams, readings, withinMs: 60_000 });
    expect((await compareAtHub(system, streams, expected)).differences).toEqual([]);
  });
});
