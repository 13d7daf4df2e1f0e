/** Every example of docs/sources.md is a configuration without a warning, and what is sent to it there becomes readings, all of it. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { loadAgentConfig } from '../config.ts';
import type { SourceBatch } from '../sources/batch-port.ts';
import { SourceBatcher } from '../sources/source-batcher.ts';

const page = readFileSync(new URL('../../../docs/sources.md', import.meta.url), 'utf8');
const now = Date.UTC(2026, 0, 1);

interface Example {
  readonly yaml: string;
  /** Commands, or the content of a file. */
  readonly sent: string;
}

const examples: readonly Example[] = [...page.matchAll(/```yaml\n(.*?)```\n\n```(?:sh|csv)\n(.*?)```/gs)].map(
  ([, yaml = '', sent = '']) => ({ yaml, sent }),
);

/** Topic and payload of each message that the commands send. */
function messagesOf(sent: string): [topic: string, payload: string][] {
  const shell = sent.replaceAll(`'$(date +%s000)'`, `${now}`).replaceAll(`'$(date +%s)'`, `${now / 1_000}`);
  const published = [...shell.matchAll(/^mosquitto_pub .*-t (\S+) -m '(.*)'$/gm)];
  const posted = [...shell.matchAll(/^curl -i http:\/\/127\.0\.0\.1:8086\/(\S+) (?:-d|--data-binary) '(.*)'$/gm)];
  return [...published, ...posted].map(([, topic = '', payload = '']) => [topic, payload]);
}

it('has an example of every door and parser', () => {
  expect(examples.length).toBe((page.match(/```yaml/g) ?? []).length);
  const all = examples.map(({ yaml }) => yaml).join('');
  for (const word of ['listen:', 'url:', 'file:', 'json:', 'csv:', 'value:', 'telegraf:']) expect(all).toContain(word);
});

it.each(examples)('$yaml', ({ yaml, sent }) => {
  const text = `version: 1\nagent: { id: pi }\n${yaml}uplinks: { hub: { mqtt: { url: "mqtt://127.0.0.1" }, token: t } }\n`;
  const { value, warnings } = loadAgentConfig({ text, name: 'a.yaml', folder: '/' }, {});
  expect(warnings).toEqual([]);
  const [source] = value.sources;
  if (source === undefined) throw new Error('no source');
  const batches: SourceBatch[] = [];
  const batcher = new SourceBatcher(source, { submit: (batch) => batches.push(batch) });
  const messages: [string, string][] = value.files.length > 0 ? [['file', sent]] : messagesOf(sent);
  expect(messages.length).toBeGreaterThan(0);
  for (const [topic, payload] of messages) {
    expect(batcher.matches(topic), topic).toBe(true);
    const before = batcher.readings;
    batcher.take(topic, Buffer.from(payload), now, undefined);
    expect(batcher.readings, payload).toBeGreaterThan(before);
  }
  expect(Object.keys(batcher.counters().rejected).filter((reason) => reason !== 'missing_marker')).toEqual([]);
});
