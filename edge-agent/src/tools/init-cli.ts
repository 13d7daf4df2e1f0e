/** `fogline-agent init`: watches a broker for a while and drafts a configuration for what it saw. */
import { readFileSync } from 'node:fs';
import { defineCommand } from '@fogline/shared/cli';
import { systemClock } from '@fogline/shared/clock';
import { FoglineError, messageOf } from '@fogline/shared/errors';
import { systemRandom } from '@fogline/shared/random';
import { filterProblem } from '@fogline/shared/topic-filter';
import { mqttAddress } from '../config/mqtt-address.ts';
import { BrokerLink, defaultLinkLimits, type LinkOptions } from '../sources/broker-link.ts';
import { draftConfig } from './init/draft.ts';
import { Observations } from './init/observations.ts';

export const initCommand = defineCommand({
  name: 'init',
  summary: 'Watches a broker for a while and prints a commented configuration for what it saw.',
  details: [
    'Topics become patterns with {device}, fields become metrics, the field that tells the time is found with its unit, and deadbands are suggested ' +
      'from the steps between values. It is a guess to begin with: nothing is changed at the broker, and no session stays.',
  ],
  options: {
    url: { type: 'text', help: 'of the broker: mqtt://user:password@host:1883', placeholder: 'URL', isRequired: true },
    seconds: { type: 'integer', help: 'how long to watch', default: 10 },
    topic: { type: 'text', help: 'what to look at', placeholder: 'FILTER', default: '#' },
    ca: { type: 'text', help: 'PEM of the authority to trust, for mqtts', placeholder: 'FILE' },
  },
  async run({ options, io }) {
    const { topic, seconds } = options;
    const problem = filterProblem(topic);
    if (problem !== undefined) throw new FoglineError('usage', `--topic: ${problem}`);
    const broker = brokerOf(options.url, options.ca);
    io.err(`watching ${broker.url} for ${seconds} seconds`);
    const seen = await watch({ ...broker.link, filters: [topic] }, broker.url, seconds * 1_000);
    const draft = draftConfig(seen, broker, seconds * 1_000);
    if (draft === undefined) {
      const why = seen.messages === 0 ? 'nothing was published' : 'nothing was published that a decoder reads';
      throw new FoglineError('not_found', `${why} on ${topic} within ${seconds} seconds: watch longer, with --seconds`);
    }
    io.out(draft.trimEnd());
  },
});

interface Broker {
  /** Without credentials. */
  readonly url: string;
  readonly username: string | undefined;
  readonly link: Omit<LinkOptions, 'filters'>;
}

function brokerOf(text: string, ca: string | undefined): Broker {
  const parsed = URL.parse(text);
  const [username, password] = [parsed?.username ?? '', parsed?.password ?? ''].map(decodeURIComponent) as [
    string,
    string,
  ];
  if (parsed !== null) {
    parsed.username = '';
    parsed.password = '';
  }
  const url = (parsed?.href ?? text).replace(/\/$/, '');
  const address = mqttAddress(url, { whose: 'a broker', beside: 'it is given in the url' }, (problem) => {
    throw new FoglineError('usage', `--url: ${problem}`);
  });
  return {
    url,
    username: username === '' ? undefined : username,
    link: {
      ...address,
      clientId: `fogline-init-${systemRandom.uint32().toString(36)}`,
      isClean: true,
      ...(username === '' ? {} : { username }),
      ...(password === '' ? {} : { password }),
      ...(ca === undefined ? {} : { ca: readText(ca) }),
    },
  };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new FoglineError('not_found', `--ca: ${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function watch(link: LinkOptions, url: string, watchMs: number): Promise<Observations> {
  const seen = new Observations();
  return new Promise((resolve, reject) => {
    const connection = new BrokerLink(
      link,
      defaultLinkLimits,
      {
        onOpen: () => {
          systemClock.after('init watch', watchMs, () => {
            connection.close();
            resolve(seen);
          });
        },
        onMessage: ({ topic, payload, isRetained }, ack) => {
          ack();
          if (payload !== undefined) seen.take(topic, payload, systemClock.now(), isRetained);
        },
        onClose: (reason) => reject(new FoglineError('unavailable', `the broker at ${url}: ${reason}`)),
      },
      systemClock,
    );
  });
}
