/** Brings the outbox in line with what the hub durably holds, epoch by epoch, in one transaction. */
import type { Lane } from '@fogline/shared/protocol/limits';
import type { EpochAnswer } from '@fogline/shared/protocol/messages';
import { thaw } from '../journal/rollback.ts';
import type { EpochRow } from '../journal/stored.ts';
import type { DefinitionsSent } from './definitions.ts';
import type { UplinkContext } from './uplink-ports.ts';

type Context = Pick<UplinkContext, 'outbox' | 'currentEpoch'>;

/** What an epoch that the hub does not know produced would only be quarantined there; here it is safe. */
export function isEveryEpochIn({ outbox }: Context, answers: readonly EpochAnswer[]): boolean {
  const answered = new Set(answers.map(({ epoch }) => epoch));
  return [...outbox.epochs.values()].every(({ epoch }) => answered.has(epoch));
}

/** Epochs whose definitions the hub needs, the current one as it is now. */
export function definedEpochs({ outbox, currentEpoch }: Context): EpochRow[] {
  const current = currentEpoch();
  const rows = [...outbox.epochs.values()].map((row) => (row.id === current.id ? current : row));
  // It produced items, which need its definitions.
  return rows.filter((row) => row.id === current.id || row.last.some((last) => last > 0));
}

/** Returns how many batches go again, and how many items are declared gone. */
export function reconcile(
  context: Context,
  definitions: DefinitionsSent,
  answers: readonly EpochAnswer[],
): { readonly rewound: number; readonly gone: number } {
  const { outbox } = context;
  const byEpoch = new Map(answers.map((answer) => [answer.epoch, answer]));
  const current = context.currentEpoch();
  const defined = new Set(definedEpochs(context).map(({ id }) => id));
  let rewound = 0;
  let gone = 0;
  outbox.store.transaction(() => {
    for (const stored of outbox.epochs.values()) {
      const row = stored.id === current.id ? current : stored;
      const answer = byEpoch.get(row.epoch);
      if (answer === undefined) continue;
      definitions.start(row, answer, defined.has(row.id));
      answer.held.forEach((held, lane) => {
        const result = outbox.reconcile(row, lane as Lane, held);
        rewound += result.rewound;
        gone += result.gone;
      });
    }
    if (rewound > 0 || gone > 0) outbox.store.markWholeLedgerDirty();
    thaw(outbox.store);
  });
  return { rewound, gone };
}
