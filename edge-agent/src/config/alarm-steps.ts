/** What an alarm does: outputs that can be reached, payloads by phase, answers that can come. */
import type { ConfigContext } from '@fogline/shared/config';
import { didYouMean } from '@fogline/shared/suggest';
import type { AlarmStep, ConfirmConfig, Payloads } from '../alarms/alarm-config.ts';
import { placeholdersOf } from '../alarms/render.ts';
import type { AlarmDocument } from './alarm-schema.ts';
import type { AgentDocument } from './schema.ts';

type StepDocument = AlarmDocument['then'][number];
type Path = readonly (string | number)[];

export class StepResolver {
  readonly #raw: AgentDocument;
  readonly #name: string;
  readonly #alarm: AlarmDocument;
  readonly #source: string | undefined;
  readonly #context: ConfigContext;

  /** `source`: where the readings of the alarm come from. */
  constructor(
    raw: AgentDocument,
    name: string,
    alarm: AlarmDocument,
    source: string | undefined,
    context: ConfigContext,
  ) {
    this.#raw = raw;
    this.#name = name;
    this.#alarm = alarm;
    this.#source = source;
    this.#context = context;
  }

  resolve(): AlarmStep[] {
    return this.#alarm.then.flatMap((step, index) => {
      const { publish, webhook, confirm } = step;
      if ((publish === undefined) === (webhook === undefined)) {
        this.#error([index], 'does either publish or webhook, one thing a step');
        return [];
      }
      if (confirm !== undefined && publish === undefined)
        this.#error([index, 'confirm'], 'belongs to a publish: a webhook is done when the server has accepted it');
      if (publish !== undefined) return [this.#publish(publish, confirm, index)];
      return webhook === undefined ? [] : [this.#webhook(webhook, index)];
    });
  }

  #publish(publish: NonNullable<StepDocument['publish']>, confirm: StepDocument['confirm'], index: number): AlarmStep {
    const { topic, payload, cleared, stale, qos, retain, expires: expiresMs } = publish;
    const path = [index, 'publish'];
    this.#checkTopic(topic, [...path, 'topic']);
    if (stale !== undefined && this.#alarm.stale === undefined)
      this.#error([...path, 'stale'], 'needs to know when: add "stale: { after: … }" to the alarm');
    if (payload === undefined && cleared !== undefined)
      this.#error([...path, 'cleared'], 'stands alone: add "payload", or leave both out for a JSON document');
    const payloads: Payloads = {
      active: payload ?? null,
      ...(payload === undefined ? { cleared: null } : cleared === undefined ? {} : { cleared }),
      ...(stale === undefined ? {} : { stale }),
    };
    const confirming = confirm === undefined ? {} : { confirm: this.#confirm(confirm, publish, index) };
    const via = this.#via(publish.via, path);
    if (qos !== 1 && this.#raw.sources[via]?.mqtt?.url !== undefined)
      this.#error([...path, 'qos'], 'is always 1 at a broker that was joined, so that it is known to be taken');
    return { kind: 'publish', via, topic, payloads, qos, retain, expiresMs, ...confirming };
  }

  #confirm(
    confirm: NonNullable<StepDocument['confirm']>,
    { payload: asked, cleared: askedCleared, stale: askedStale }: NonNullable<StepDocument['publish']>,
    index: number,
  ): ConfirmConfig {
    const path = [index, 'confirm'];
    this.#checkTopic(confirm.topic, [...path, 'topic']);
    const active = confirm.payload ?? asked;
    if (active === undefined) this.#error(path, 'says not what the actuator answers: add "payload"');
    if (confirm.cleared !== undefined && askedCleared === undefined)
      this.#error([...path, 'cleared'], 'answers nothing: the publish has no "cleared"');
    if (confirm.stale !== undefined && askedStale === undefined)
      this.#error([...path, 'stale'], 'answers nothing: the publish has no "stale"');
    return {
      topic: confirm.topic,
      payloads: {
        active: active ?? '',
        ...(confirm.cleared === undefined ? {} : { cleared: confirm.cleared }),
        ...(confirm.stale === undefined ? {} : { stale: confirm.stale }),
      },
      withinMs: confirm.within,
    };
  }

  #webhook({ url, expires: expiresMs }: NonNullable<StepDocument['webhook']>, index: number): AlarmStep {
    const parsed = URL.parse(url);
    if (parsed === null || !['http:', 'https:'].includes(parsed.protocol))
      this.#error([index, 'webhook', 'url'], `"${url}" is no address: write http://… or https://…`);
    return { kind: 'webhook', url, payloads: { active: null, cleared: null }, expiresMs };
  }

  /** The broker that it goes to, as the name of a source on it. */
  #via(asked: string | undefined, path: Path): string {
    const names = Object.keys(this.#raw.sources).filter((name) => this.#raw.sources[name]?.mqtt !== undefined);
    if (asked !== undefined) {
      if (!names.includes(asked))
        this.#error([...path, 'via'], `no MQTT source is called "${asked}"${didYouMean(asked, names)}`);
      return asked;
    }
    if (this.#source !== undefined && names.includes(this.#source)) return this.#source;
    const [only, second] = names;
    if (only === undefined || second !== undefined)
      this.#error(path, 'says not on which broker: add "via" with the name of an MQTT source');
    return only ?? '';
  }

  #checkTopic(topic: string, path: Path): void {
    if (/[+#]/.test(topic) || topic.startsWith('$')) this.#error(path, 'is one topic, without wildcards');
    const source = this.#source === undefined ? undefined : this.#raw.sources[this.#source];
    const known = ['device', ...topicsOf(source).flatMap(placeholdersOf)];
    for (const name of placeholdersOf(topic)) {
      if (!known.includes(name)) this.#error(path, `nothing is called {${name}}${didYouMean(name, known)}`);
    }
  }

  #error(path: Path, message: string): void {
    this.#context.error(['alarms', this.#name, 'then', ...path], message);
  }
}

type SourceDocument = AgentDocument['sources'][string] | undefined;

function topicsOf(source: SourceDocument): readonly string[] {
  return source?.mqtt?.topics ?? source?.http?.paths ?? [];
}
