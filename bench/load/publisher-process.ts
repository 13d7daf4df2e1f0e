/**
 * What a load generator does as a process of its own: says `ready` when all is open, begins at a line on standard input, says what was
 * sent and acked when everything is acked, and ends.
 */

/** What it prints in the end. */
export interface PublishResult {
  readonly source: string;
  readonly sent: number;
  /** Of them, those that went where nobody stores them; not in the sum. */
  readonly astray: number;
  readonly sumHundredths: number;
  /** From the first message to the last ack. */
  readonly seconds: number;
  readonly payloadBytes: number;
  readonly frameBytes: number;
  /** From handing a message to the system to its ack. */
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  /** Of the publisher itself, from the first message to the last ack. */
  readonly cpuSeconds: number;
}

export function runPublisher(
  open: (argv: readonly string[], onReady: () => void, onDone: (result: PublishResult) => void) => { start(): void },
): void {
  const publisher = open(
    process.argv.slice(2),
    () => console.log('ready'),
    (result) => {
      console.log(`result ${JSON.stringify(result)}`);
      process.stdin.destroy();
    },
  );
  process.stdin.once('data', () => publisher.start());
}

/** The end of a process of a benchmark that cannot go on. */
export function fail(error: Error): void {
  console.error(error.message);
  process.exit(1);
}
