/** What each list of the hub's API may be asked. Generated from the routes of the hub: npm run docs. */
export interface HubParams {
  readonly data: {
    /** Series selector, `metric{label="value",other!="value"}`; repeat it to join several. */
    readonly match?: readonly string[];
    /** Begin, inclusive: now-6h, RFC 3339 with offset, or epoch milliseconds. */
    readonly from?: string;
    /** End, exclusive; default now. */
    readonly to?: string;
    /** Bucket width: 10s, 5m, 6h, 1d, 1w (from Monday), 1mo, 1y; without it the readings themselves. */
    readonly every?: string;
    /** IANA time zone whose clock and calendar the buckets follow, for example Europe/Paris; default UTC. */
    readonly tz?: string;
    /** Comma-separated, of mean, min, max, count, sum, first, last, stddev, twa, rate, delta and percentiles such as p95; the default follows the sampling. */
    readonly agg?: string;
    /** For agg=twa: how long a value stands at most, 1s to 31d, in streams that do not say it; default 1h. */
    readonly hold?: string;
    /** About so many points per series, for a chart: buckets of a fitting width with agg=min,max unless agg says otherwise. */
    readonly points?: string;
    /** How points are chosen: minmax (default, the envelope: exact at any length) or lttb (readings that show the shape). */
    readonly downsample?: string;
    /** What stands in buckets without data: none (they are left out), null, previous, linear, or a number. */
    readonly fill?: string;
    /** Only readings of these qualities: good, uncertain, bad, comma-separated. */
    readonly quality?: string;
    /** hub (default), or edge: the readings as sources delivered them, fetched from the journals of the agents. */
    readonly source?: string;
    /** Most rows of one answer, 1 to 100000. */
    readonly limit?: number;
    /** `next` of the answer before. */
    readonly cursor?: string;
  };
  readonly series: {
    /** Series selector, `metric{label="value",other!="value"}`; repeat it to join several. */
    readonly match?: readonly string[];
    /** Most rows of one answer, 1 to 10000. */
    readonly limit?: number;
    /** `next` of the answer before. */
    readonly cursor?: string;
  };
  readonly latest: {
    /** Series selector, `metric{label="value",other!="value"}`; repeat it to join several. */
    readonly match?: readonly string[];
    /** Most rows of one answer, 1 to 10000. */
    readonly limit?: number;
    /** `next` of the answer before. */
    readonly cursor?: string;
  };
  readonly gaps: {
    /** Series selector, `metric{label="value",other!="value"}`; repeat it to join several. */
    readonly match?: readonly string[];
    /** Most rows of one answer, 1 to 10000. */
    readonly limit?: number;
    /** `next` of the answer before. */
    readonly cursor?: string;
    /** Begin, inclusive: now-6h, RFC 3339 with offset, or epoch milliseconds. */
    readonly from?: string;
    /** End, exclusive; default now. */
    readonly to?: string;
    /** The shortest gap that counts, a multiple of 10s. */
    readonly every?: string;
  };
  readonly agents: {
    /** Most rows of one answer, 1 to 10000. */
    readonly limit?: number;
    /** `next` of the answer before. */
    readonly cursor?: string;
  };
  readonly devices: {
    /** Series selector, `metric{label="value",other!="value"}`; repeat it to join several. */
    readonly match?: readonly string[];
    /** Most rows of one answer, 1 to 10000. */
    readonly limit?: number;
    /** `next` of the answer before. */
    readonly cursor?: string;
  };
  readonly events: {
    /** Only this agent. */
    readonly agent?: string;
    /** Most rows of one answer, 1 to 1000. */
    readonly limit?: number;
    /** `next` of the answer before. */
    readonly cursor?: string;
  };
  readonly ledger: {
    /** Only this agent. */
    readonly agent?: string;
    /** Only this lane: alarm, high, normal, low. */
    readonly lane?: string;
    /** Begin, inclusive; hours that overlap count. */
    readonly from?: string;
    /** End, exclusive; default now. */
    readonly to?: string;
    /** Most rows of one answer, 1 to 10000. */
    readonly limit?: number;
    /** `next` of the answer before. */
    readonly cursor?: string;
  };
  readonly deleted: {
    /** Most rows of one answer, 1 to 10000. */
    readonly limit?: number;
    /** `next` of the answer before. */
    readonly cursor?: string;
  };
  readonly quarantine: {
    /** Only this agent. */
    readonly agent?: string;
    /** Most rows of one answer, 1 to 1000. */
    readonly limit?: number;
    /** `next` of the answer before. */
    readonly cursor?: string;
  };
  readonly alarms: {
    /** Only in this state. */
    readonly state?: 'any' | 'active' | 'stale' | 'cleared' | 'ended' | 'unknown';
    /** Only of this severity; alarms of agents have none here. */
    readonly severity?: 'any' | 'info' | 'warning' | 'critical';
    /** Only of this agent. */
    readonly agent?: string;
    /** Most rows of one answer, 1 to 10000. */
    readonly limit?: number;
    /** `next` of the answer before. */
    readonly cursor?: string;
  };
  readonly tokens: {
  };
  readonly audit: {
    /** Most rows of one answer, 1 to 1000. */
    readonly limit?: number;
    /** `next` of the answer before. */
    readonly cursor?: string;
  };
}
