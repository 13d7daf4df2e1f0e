/** The pages for newcomers against the repository: every file they name exists, every configuration they show is one, and so is the error. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadAgentConfig } from '@fogline/edge-agent/config';
import { messageOf } from '@fogline/shared/errors';
import { describe, expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const files = readdirSync(root, { withFileTypes: true })
  .filter(({ name }) => name !== 'node_modules' && name !== '.git')
  .flatMap((entry) =>
    entry.isDirectory()
      ? readdirSync(join(root, entry.name), { recursive: true, encoding: 'utf8' }).map(
          (file) => `${entry.name}/${file}`,
        )
      : [entry.name],
  );

/** What stands in backticks or behind a link and looks like a file or a folder, relative to anything, and is not there. */
function missingIn(text: string): string[] {
  const named = [
    ...[...text.matchAll(/`([\w./-]+(?:\.(?:ts|md|py|yml|yaml|json)|\/))`/g)].map(([, name = '']) => name),
    ...[...text.matchAll(/\]\(([^)#:]+)\)/g)].map(([, name = '']) => name.replace(/^(\.\.\/)+/, '')),
  ].filter((name) => !name.startsWith('/') && name !== 'agent.yaml');
  return named.filter((name) => {
    const isThere = (file: string): boolean =>
      name.endsWith('/') ? `/${file}`.includes(`/${name}`) : `/${file}`.endsWith(`/${name}`);
    return !files.some(isThere);
  });
}

it.each(['README.md', 'docs/architecture.md', 'shared/PROTOCOL.md'])('every file that %s names is there', (page) => {
  expect(missingIn(read(page))).toEqual([]);
});

it('a name that is wrong would be found', () => {
  expect(
    missingIn('`journal/intake.ts` `journal/intakes.ts` `store/` `stores/` [x](../shared/PROTOCOL.md) [y](NO.md)'),
  ).toEqual(['journal/intakes.ts', 'stores/', 'NO.md']);
});

describe('README.md', () => {
  const page = read('README.md');
  const [first = '', more = ''] = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']) => text);
  const load = (text: string): unknown =>
    loadAgentConfig({ text: text.replace('{ file: ./token }', 'token'), name: 'agent.yaml', folder: '/' }, {});

  it('shows configurations that are valid', () => {
    expect(load(first)).toMatchObject({ value: { agent: 'cellar-pi' } });
    expect(load(first.replace(/^sources:.*\n/m, '') + more)).toMatchObject({
      value: { pipelines: [{ name: 'live' }, { name: 'calm' }, { name: 'stats' }] },
    });
  });

  it('shows an error as it comes', () => {
    const shown = /`(agent\.yaml:\d.*?)`/.exec(page)?.[1] ?? '';
    const [, wrong = '', right = ''] = /\.(\w+): unknown key \(did you mean "(\w+)"\?\)/.exec(shown) ?? [];
    let message = '';
    try {
      load(first.replace(right, wrong));
    } catch (error) {
      message = messageOf(error);
    }
    expect(message).toBe(shown);
  });
});
