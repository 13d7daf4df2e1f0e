/**
 * What the hub's HTTP API answers, as JSON: one source for the hub's documentation and for the client here. Times are integer
 * milliseconds since the epoch, UTC; ranges are half open.
 */
import { z } from 'zod';

const ms = z.int();
const count = z.int().nonnegative();
const labels = z
  .record(z.string(), z.string())
  .describe('agent, stream, device, metric, unit, kind, type, sampling; site where the agent has one; tags.')
  .meta({ id: 'Labels' });
const quality = z.enum(['good', 'uncertain', 'bad']).meta({ id: 'Quality' });
const value = z.union([z.number(), z.string()]);
const cell = z.union([z.number(), z.string(), z.boolean(), z.null()]);

const paging = {
  complete: z.boolean().describe('The answer ends here, and nothing of it is missing.'),
  next: z.string().nullable().describe('`cursor` of what follows; null at the end.'),
};

/**
 * Why a series has no data: declared lost by the agent (the first four); `thinned`: minutes stand for readings;
 * `quiet`: a deadband held the last value, which stands; `expired`: retention took it.
 */
const gapCauses = [
  'evicted_size',
  'evicted_age',
  'gone',
  'damaged',
  'thinned',
  'quiet',
  'not_recorded',
  'expired',
] as const;
export type GapCause = (typeof gapCauses)[number];

const seriesRow = z.object({
  id: z.int(),
  labels,
  widthMs: ms.describe('Of windows, as defined last; 0 for readings.'),
  holdMs: ms.describe('How long a held value stands; 0 = not held.'),
});

/** The latest reading, or the figures of the latest window. */
const current = {
  value: value.optional(),
  quality: quality.optional(),
  widthMs: ms.optional(),
  count: count.optional(),
  mean: z.number().optional(),
  min: z.number().optional(),
  max: z.number().optional(),
};

const latestRow = z.object({ series: z.int(), labels, timeMs: ms, ageMs: ms, ...current });

const gap = { fromMs: ms, toMs: ms, cause: z.enum(gapCauses) };

const source = z.object({
  series: z.int(),
  stream: z.string(),
  level: z.string().describe('Roll-up level, `readings`, `windows` or `edge`.'),
});

const other = z.object({
  series: z.int(),
  other: z.int().describe('A series of another stream that carries the same.'),
  stream: z.string(),
  kind: z.string(),
  sampling: z.string(),
});

const edgeCauses = ['offline', 'timed_out', 'busy', 'refused', 'invalid', 'not_held', 'damaged'] as const;

const edge = z.object({
  agent: z.string(),
  readings: count.describe('So many came.'),
  missing: z
    .array(
      z.object({
        cause: z.enum(edgeCauses),
        fromMs: ms.nullable().describe('By the clock of the agent when it wrote; null = since ever, or unknown.'),
        toMs: ms.nullable(),
        detail: z.string(),
      }),
    )
    .describe('What could not be got.'),
  nothingOf: z
    .array(z.object({ device: z.string(), metric: z.string() }))
    .describe(
      'What was asked for and its journal has nothing of in the range: sources call it otherwise, or were quiet.',
    ),
});

const dataMeta = z.object({
  fromMs: ms,
  toMs: ms,
  every: z.string().optional(),
  tz: z.string().optional(),
  agg: z.array(z.string()).optional(),
  source: z.array(source),
  edge: z.array(edge).optional().describe('Of source=edge: by agent, what came and what could not be got.'),
  also: z.array(other),
  gaps: z.array(z.object({ series: z.int(), ...gap, items: count.optional() })),
  gapsOmitted: count,
});

export const dataColumns = z.object({
  series: z.array(
    z.object({
      id: z.int(),
      labels,
      columns: z
        .object({ time: z.array(ms) })
        .catchall(z.array(cell))
        .describe('All of one length.'),
    }),
  ),
  meta: dataMeta,
  ...paging,
});

const dataRows = z.object({
  rows: z.array(z.object({ time: ms, series: z.int(), labels }).catchall(cell)),
  meta: dataMeta,
  ...paging,
});

const agentRow = z.object({
  agent: z.string(),
  site: z.string(),
  isOnline: z.boolean(),
  lastSeenMs: ms.nullable(),
  epoch: z.string().nullable(),
  software: z.string(),
  queued: z.record(z.string(), count).describe('Items by lane, as said last.'),
  clockOffsetMs: z.number().nullable(),
  isClockTrusted: z.boolean(),
  createdMs: ms,
  hasCredential: z.boolean(),
  isRevoked: z.boolean(),
  quarantined: z.record(z.string(), count).describe('Messages by reason.'),
  counters: z.record(z.string(), z.number()),
  events: z.array(z.object({ id: z.int(), atMs: ms, kind: z.string(), detail: z.record(z.string(), z.unknown()) })),
});

const ledgerRow = z.object({
  agent: z.string(),
  lane: z.string(),
  hourMs: ms.nullable().describe('Start of the event hour; null = not known.'),
  hour: z.string().nullable(),
  produced: count,
  delivered: count,
  thinned: count,
  queued: count,
  evicted: count,
  voided: z.object({ evicted_size: count, evicted_age: count, gone: count, damaged: count }),
  quarantined: count,
  unaccounted: z.int().nullable().describe('0 where everything is accounted for; null while a report is behind.'),
});

const quarantined = {
  id: z.int(),
  receivedMs: ms,
  agent: z.string(),
  kind: z.string(),
  reason: z.string().describe('What was wrong with it: corrupt, conflict, overlap …'),
  detail: z.string(),
  times: z.int().positive().describe('How often the same bytes came for the same reason.'),
  bytes: count,
};

const ledgerTotals = z.object({
  produced: count,
  delivered: count,
  thinned: count,
  queued: count,
  evicted: count,
  gone: count,
  damaged: count,
  quarantined: count,
  unaccounted: z.int().nullable(),
});

const deed = {
  by: z.string().describe("Name of a token, shell:USER, or '' for somebody at the agent."),
  atMs: ms,
  note: z.string(),
};

export const alarmRow = z.object({
  id: z.int(),
  origin: z
    .enum(['agent', 'rule', 'missing'])
    .describe('Who keeps it: an agent, a rule of the hub; or an agent is missing.'),
  alarm: z.string(),
  agent: z.string(),
  site: z.string(),
  device: z.string(),
  metric: z.string().describe('What a rule looks at.'),
  tags: z.record(z.string(), z.string()),
  series: z.int().nullable().describe('Of the transitions, or of what a rule looks at.'),
  severity: z.string().nullable().describe('null: not known, as of alarms of agents.'),
  state: z.enum(['active', 'stale', 'cleared', 'ended', 'unknown']),
  sinceMs: ms.nullable().describe('Event time of the state.'),
  activeSinceMs: ms.nullable().describe('Begin of the present activation.'),
  acknowledged: z.object(deed).nullable(),
  shelved: z.object({ ...deed, untilMs: ms }).nullable(),
  changedMs: ms,
});

export const alarmHistory = z.object({
  history: z.array(
    z.object({
      id: z.int(),
      timeMs: ms,
      word: z.string(),
      atMs: ms.describe('When the hub heard of it.'),
      who: z.string().describe('Who did it, where a person did.'),
      note: z.string(),
    }),
  ),
  ...paging,
});

export const answers = {
  alarms: z.object({ alarms: z.array(alarmRow), ...paging }),
  data: z.union([dataColumns, dataRows]),
  series: z.object({ series: z.array(seriesRow), ...paging }),
  latest: z.object({ latest: z.array(latestRow), meta: z.object({ nowMs: ms }), ...paging }),
  gaps: z.object({
    gaps: z.array(z.object({ series: z.int(), labels, ...gap, items: count.nullable(), every: z.string() })),
    meta: z.object({
      fromMs: ms,
      toMs: ms,
      every: z.string(),
      lostWithoutDetail: z.record(z.string(), count).describe('By agent: items lost of which nobody knows the series.'),
    }),
    ...paging,
  }),
  agents: z.object({ agents: z.array(agentRow), ...paging }),
  devices: z.object({
    devices: z.array(
      z.object({
        agent: z.string(),
        device: z.string(),
        metrics: z.array(z.string()),
        series: count,
        lastMs: ms.nullable(),
      }),
    ),
    ...paging,
  }),
  events: z.object({
    events: z.array(
      z.object({
        id: z.int(),
        atMs: ms,
        agent: z.string(),
        kind: z.string(),
        epoch: z.string().nullable(),
        detail: z.record(z.string(), z.unknown()),
      }),
    ),
    ...paging,
  }),
  ledger: z.object({ ledger: z.array(ledgerRow), meta: z.object({ totals: ledgerTotals }), ...paging }),
  deleted: z.object({
    deleted: z.array(
      z.object({
        series: z.int().nullable().describe('null while no such series is known, after a restore.'),
        agent: z.string(),
        fromMs: ms,
        toMs: ms,
        atMs: ms.describe('When it was deleted.'),
        readings: count.describe('What it held then.'),
        late: count.describe('What came for it since, and was left out.'),
      }),
    ),
    ...paging,
  }),
  quarantine: z.object({ quarantine: z.array(z.object(quarantined)), ...paging }),
  tokens: z.object({
    tokens: z.array(
      z.object({
        name: z.string(),
        scopes: z.array(z.string()),
        sites: z.array(z.string()).nullable().describe('null = all.'),
        createdMs: ms,
        revokedMs: ms.nullable(),
      }),
    ),
    ...paging,
  }),
  audit: z.object({
    audit: z.array(
      z.object({
        id: z.int(),
        atMs: ms,
        who: z.string(),
        from: z.string(),
        what: z.string(),
        target: z.string(),
        outcome: z.string(),
        times: z.int().positive(),
      }),
    ),
    ...paging,
  }),
} as const;

export const tokenMade = z.object({ name: z.string(), token: z.string().describe('It is not shown again.') });
export const tokenRevoked = z.object({ name: z.string(), revoked: z.literal(true) });
/** What an order came to. */
export const orderDone = z.object({ done: z.string().describe('What was done, for people.') });

export const quarantinedMessage = z.object({
  ...quarantined,
  isHeld: z.boolean().describe('Its range counts as held: the agent does not send it again.'),
  content: z
    .object({
      epoch: z.string().optional(),
      lane: z.int().optional(),
      first: z.int().optional(),
      last: z.int().optional(),
      items: count.optional(),
      firstHourMs: ms.optional().describe('Start of the earliest event hour.'),
      lastHourMs: ms.optional(),
      problem: z.string().optional().describe('Why no more can be read.'),
    })
    .nullable()
    .describe('Of a batch, as far as it can be read.'),
  payload: z.base64().describe('The message as it came.'),
});
export const statusOk = z.object({ status: z.literal('ok') });

/** RFC 9457. */
export const problem = z
  .object({
    type: z.string().describe('`urn:fogline:problem:…`: what to decide by.'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('What was wrong, where, and how to put it right.'),
    instance: z.string().optional(),
  })
  .meta({ id: 'Problem' });
