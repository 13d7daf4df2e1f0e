import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { duration, fileReference, listenAddress, name, secret, size } from './config/fields.ts';
import { configJsonSchema } from './config/json-schema.ts';
import { type ConfigContext, loadConfig } from './config.ts';
import { hasCode } from './errors.ts';

const schema = z.strictObject({
  version: z.literal(1),
  title: z.string().min(1).optional(),
  enabled: z.boolean().default(true),
  ratio: z.number().min(0).max(1).optional(),
  mode: z.enum(['flash', 'prompt']).default('flash'),
  wait: duration('how long', { min: 1_000, max: 60_000 }).prefault('10s'),
  room: size('how much').optional(),
  listen: listenAddress('where').optional(),
  token: secret.optional(),
  ca: fileReference.optional(),
  tags: z.array(z.string()).min(1).optional(),
  parse: z.union([z.literal('auto'), z.record(z.string(), z.strictObject({ unit: z.string().optional() }))]).optional(),
  sources: z.record(name, z.strictObject({ from_topic: z.string(), limit: z.int().optional() })).default({}),
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fogline-config-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function load<T = z.output<typeof schema>>(
  text: string,
  env: Record<string, string> = {},
  resolve: (raw: z.output<typeof schema>, context: ConfigContext) => T = (raw) => raw as T,
) {
  return loadConfig({ source: { text, name: 'c.yaml', folder }, schema, env, resolve });
}

function problemsOf(text: string, env: Record<string, string> = {}): string {
  try {
    load(text, env);
    return 'no problem';
  } catch (error) {
    if (hasCode(error, 'config_invalid')) return error.message;
    throw error;
  }
}

describe('what is wrong is said with file, line, column, path and the likely fix:', () => {
  const table: [what: string, text: string, message: string][] = [
    ['an empty file', '', 'c.yaml:1:1: is empty: begin with "version: 1"'],
    ['no version', 'title: x', 'c.yaml:1:1: version: is required: 1'],
    ['another version', 'version: 2', 'c.yaml:1:10: version: 2 is not 1'],
    ['a version as text', 'version: "1"', 'c.yaml:1:10: version: the text "1" is not 1: remove the quotes'],
    ['a list', '- 1', 'c.yaml:1:1: expected a mapping (key: value), got a list'],
    ['an unknown key', 'version: 1\ntitel: x', 'c.yaml:2:1: titel: unknown key (did you mean "title"?)'],
    [
      'an unknown key far from all',
      'version: 1\nsources: { a: { from_topic: t, zzz: 1 } }',
      'c.yaml:2:32: sources.a.zzz: unknown key; known here: from_topic, limit',
    ],
    [
      'an unknown key in a union',
      'version: 1\nparse: { t: { unti: x } }',
      'c.yaml:2:15: parse.t.unti: unknown key (did you mean "unit"?)',
    ],
    ['a duplicate key', 'version: 1\ntitle: a\ntitle: b', 'c.yaml:3:1: title: given twice (first on line 2)'],
    ['yes', 'version: 1\nenabled: yes', 'c.yaml:2:10: enabled: expected true or false, got the text "yes": write true'],
    [
      'OFF',
      'version: 1\nenabled: OFF',
      'c.yaml:2:10: enabled: expected true or false, got the text "OFF": write false',
    ],
    [
      'a quoted number',
      'version: 1\nratio: "0.5"',
      'c.yaml:2:8: ratio: expected a number, got the text "0.5": remove the quotes',
    ],
    ['infinity', 'version: 1\nratio: .inf', 'c.yaml:2:8: ratio: expected a number, got null'],
    ['too much', 'version: 1\nratio: 7', 'c.yaml:2:8: ratio: 7 must be at most 1'],
    ['nothing after the colon', 'version: 1\ntitle:', 'c.yaml:2:7: title: is empty: expected text'],
    ['an empty text', 'version: 1\ntitle: ""', 'c.yaml:2:8: title: must not be empty'],
    ['an empty list', 'version: 1\ntags: []', 'c.yaml:2:7: tags: must have at least 1 entry'],
    ['a missing key', 'version: 1\nsources: { a: {} }', 'c.yaml:2:12: sources.a.from_topic: is required'],
    [
      'a wrong choice',
      'version: 1\nmode: promt',
      'c.yaml:2:7: mode: the text "promt" is not one of flash, prompt (did you mean "prompt"?)',
    ],
    [
      'a wrong word in a union',
      'version: 1\nparse: atuo',
      'c.yaml:2:8: parse: the text "atuo" is not auto (did you mean "auto"?)',
    ],
    [
      'a duration without unit',
      'version: 1\nwait: 30',
      'c.yaml:2:7: wait: 30 has no unit: write 500ms, 10s, 5m, 6h or 7d, for example "30s"',
    ],
    ['a duration out of bounds', 'version: 1\nwait: 2m', 'c.yaml:2:7: wait: must be at most 1m'],
    [
      'a size with half a unit',
      'version: 1\nroom: 5M',
      'c.yaml:2:7: room: "5M" has no known unit: write "5MB" or "5MiB"',
    ],
    [
      'a wrong address',
      'version: 1\nlisten: a:b',
      'c.yaml:2:9: listen: "a:b" is not an address: write 1883 or 127.0.0.1:1883',
    ],
    [
      'a port that is none',
      'version: 1\nlisten: 70000',
      'c.yaml:2:9: listen: "70000" is not an address: write 1883 or 127.0.0.1:1883',
    ],
    [
      'a secret of the wrong kind',
      'version: 1\ntoken: [a]',
      'c.yaml:2:8: token: expected text or a mapping (key: value), got a list',
    ],
    [
      'a secret with a wrong key',
      'version: 1\ntoken: { flie: x }',
      'c.yaml:2:1: token.file: is required\nc.yaml:2:10: token.flie: unknown key (did you mean "file"?)',
    ],
    [
      'a bad name',
      'version: 1\nsources: { "a b": { from_topic: t } }',
      'c.yaml:2:12: sources["a b"]: a name begins with a letter and has at most 63 letters, digits, "_" or "-"',
    ],
    [
      'an anchor',
      'version: 1\ntitle: &a x',
      'c.yaml:2:11: title: anchors and aliases are not supported: write the value out',
    ],
    ['a tag', 'version: 1\ntitle: !secret x', 'c.yaml:2:8: Unresolved tag: !secret'],
    [
      'a second document',
      'version: 1\n---\nversion: 1',
      'c.yaml:2:1: a second document begins here: one file holds one configuration',
    ],
    ['a tab', 'version: 1\nsources:\n\ta: 1', 'c.yaml:3:1: a tab indents this line: YAML wants spaces'],
    [
      'a number beyond doubles',
      'version: 1\nratio: 9007199254740993',
      'c.yaml:2:8: ratio: a whole number beyond 2^53 cannot be held exactly: quote it to keep it as text',
    ],
    ['a key that is a list', 'version: 1\n? [a]\n: 1', 'c.yaml:2:3: a key must be a plain name'],
    ['a prototype', 'version: 1\n__proto__: { a: 1 }', 'c.yaml:2:1: __proto__: not a usable name'],
    [
      'a missing variable',
      'version: 1\ntitle: ${NOPE}',
      'c.yaml:2:8: title: the environment variable NOPE is not set: set it, or write ${NOPE:-default}',
    ],
    [
      'a malformed variable',
      'version: 1\ntitle: ${A-b}',
      'c.yaml:2:8: title: "${A-b}" is not a variable: write ${NAME}, ${NAME:-default}, or $${ for the characters themselves',
    ],
    [
      'an unclosed variable',
      'version: 1\ntitle: "${A"',
      'c.yaml:2:8: title: "${A" is not a variable: write ${NAME}, ${NAME:-default}, or $${ for the characters themselves',
    ],
  ];
  it.each(table)('%s', (_what, text, message) => {
    expect(problemsOf(text)).toBe(message);
  });

  it('all problems at once, in the order of the file', () => {
    expect(problemsOf('wait: 5\nversion: 1\ntitle: 3\nmod: x').split('\n')).toEqual([
      'c.yaml:1:7: wait: 5 has no unit: write 500ms, 10s, 5m, 6h or 7d, for example "5s"',
      'c.yaml:3:8: title: expected text, got 3',
      'c.yaml:4:1: mod: unknown key (did you mean "mode"?)',
    ]);
  });

  it('but a bounded number of them', () => {
    const keys = Array.from({ length: 80 }, (_, index) => `k${index}: 1`).join('\n');
    const lines = problemsOf(`version: 1\n${keys}`).split('\n');
    expect(lines).toHaveLength(51);
    expect(lines.at(-1)).toBe('and 30 more problems');
  });
});

describe('hostile files', () => {
  it('too large, too deep or exploding are refused', () => {
    expect(problemsOf(`version: 1 # ${'x'.repeat(300_000)}`)).toBe(
      'c.yaml:1:1: 300013 bytes are too many: at most 262144',
    );
    expect(problemsOf('['.repeat(100_000))).toBe('c.yaml:1:1: nested more than 32 deep');
    expect(problemsOf(`version: ${'['.repeat(40)}${']'.repeat(40)}`)).toContain(': nested more than 32 deep');
    const bomb = ['a: &a [x, x]', ...Array.from({ length: 30 }, (_, i) => `k${i}: &k${i} [*a, *a]`)].join('\n');
    expect(problemsOf(bomb)).toContain('anchors and aliases are not supported');
  });

  it('never end in anything but a value or config_invalid', () => {
    const line = fc.constantFrom(
      'version: 1',
      'title: x',
      'sources:',
      '  a: {',
      'b: [',
      '- x',
      '? y',
      '&a b',
      '*a',
      '${',
      '"',
      '}',
      '\t',
      '|',
      '---',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(line, { maxLength: 6 }).map((lines) => lines.join('\n')),
        ),
        (text) => {
          expect(problemsOf(text)).toMatch(/^(no problem$|c\.yaml:\d+:\d+: )/);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('the environment', () => {
  it('fills variables into text, with defaults, and never changes structure', () => {
    const text = 'version: 1\ntitle: "${A}-${B:-b}-${EMPTY:-e}-$${A}-$A"';
    expect(load(text, { A: 'x: {y}\n- z', EMPTY: '' }).value.title).toBe('x: {y}\n- z-b-e-${A}-$A');
  });

  it('fills numbers and booleans where the schema wants them, and text where it wants text', () => {
    const { value } = load('version: ${V}\nratio: ${R}\nenabled: ${E}\ntitle: ${R}\nwait: ${W}\nlisten: ${L}', {
      V: '1',
      R: '0.5',
      E: 'false',
      W: '20s',
      L: '1883',
    });
    expect(value).toMatchObject({ ratio: 0.5, enabled: false, title: '0.5', wait: 20_000, listen: { port: 1883 } });
  });

  it('still refuses a filled value that is wrong', () => {
    expect(problemsOf('version: 1\nratio: ${R}', { R: 'half' })).toBe(
      'c.yaml:2:8: ratio: expected a number, got the text "half"',
    );
  });

  it('overrides any key, regardless of case and underscores, creating what is missing', () => {
    const env = {
      FOGLINE__TITLE: 'from env',
      FOGLINE__RATIO: '0.25',
      FOGLINE__ENABLED: 'false',
      FOGLINE__SOURCES__CLIMATE__FROMTOPIC: 'a/b',
      FOGLINE__SOURCES__NEW__FROM_TOPIC: '42',
      FOGLINE__SOURCES__NEW__LIMIT: '7',
      FOGLINE__TAGS: '[x, "y"]',
      FOGLINE_OTHER: 'not ours',
    };
    const { value } = load('version: 1\ntitle: file\nsources: { Climate: { from_topic: t } }', env);
    expect(value).toMatchObject({
      title: 'from env',
      ratio: 0.25,
      enabled: false,
      tags: ['x', 'y'],
      sources: { Climate: { from_topic: 'a/b' }, new: { from_topic: '42', limit: 7 } },
    });
    expect(load('version: 1\ntags: [a, b]', { FOGLINE__TAGS__1: 'c' }).value.tags).toEqual(['a', 'c']);
  });

  it('is held to the same rules, and named as the place of what is wrong', () => {
    const table: [Record<string, string>, string][] = [
      [{ FOGLINE__TITEL: 'x' }, 'environment FOGLINE__TITEL: titel: unknown key (did you mean "title"?)'],
      [
        { FOGLINE__WAIT: '5' },
        'environment FOGLINE__WAIT: wait: 5 has no unit: write 500ms, 10s, 5m, 6h or 7d, for example "5s"',
      ],
      [{ FOGLINE__TAGS: '[x, "]' }, 'environment FOGLINE__TAGS: tags: Missing closing "quote'],
      [
        { FOGLINE__TITLE__X: '1' },
        'environment FOGLINE__TITLE__X: title: is a single value here, so nothing inside it can be set',
      ],
      [
        { FOGLINE__: '1' },
        'environment FOGLINE__: two names are joined by exactly two underscores, with a name on each side',
      ],
      [{ FOGLINE__LIST__9: 'x' }, 'environment FOGLINE__LIST__9: list: unknown key'],
    ];
    for (const [env, message] of table) expect(problemsOf('version: 1\ntitle: t', env)).toContain(message);
  });
});

describe('secrets and files', () => {
  it('are read from files beside the configuration, trimmed, and warned about when everybody can read them', () => {
    writeFileSync(join(folder, 'token'), '  s3cret\n');
    writeFileSync(join(folder, 'ca.pem'), 'PEM\n');
    chmodSync(join(folder, 'token'), 0o600);
    const read = () =>
      load('version: 1\ntoken: { file: token }\nca: { file: ./ca.pem }', {}, (raw, context) => [
        context.secret(['token'], raw.token ?? ''),
        context.text(['ca'], raw.ca ?? { file: '' }),
        context.path('data'),
      ]);
    expect(read()).toEqual({ value: ['s3cret', 'PEM\n', join(folder, 'data')], warnings: [] });
    chmodSync(join(folder, 'token'), 0o644);
    expect(read().warnings).toEqual([
      'c.yaml:2:16: token.file: every user of this machine can read token: chmod o-r it',
    ]);
  });

  it('that are missing or empty are errors with their position', () => {
    writeFileSync(join(folder, 'empty'), '\n');
    for (const [file, why] of [
      ['nope', /^c\.yaml:2:16: token\.file: cannot be read: ENOENT/],
      ['empty', /^c\.yaml:2:16: token\.file: cannot be read: the file is empty$/],
    ] as const) {
      const read = () =>
        load(`version: 1\ntoken: { file: ${file} }`, {}, (raw, context) => context.secret(['token'], raw.token ?? ''));
      expect(read).toThrow(why);
    }
  });

  it('load from a real file, and say which file is missing', () => {
    const file = join(folder, 'real.yaml');
    writeFileSync(file, 'version: 1\ntitle: x\n');
    const options = {
      schema,
      env: {},
      resolve: (raw: z.output<typeof schema>, context: ConfigContext) => [raw.title, context.path('d')],
    };
    expect(loadConfig({ source: { file }, ...options }).value).toEqual(['x', join(folder, 'd')]);
    expect(() => loadConfig({ source: { file: '/nope.yaml' }, ...options })).toThrow(
      /^\/nope\.yaml: cannot be read: ENOENT/,
    );
  });
});

it('reports cross-checks together and fails after them', () => {
  const run = () =>
    load('version: 1\ntitle: x\nratio: 1', {}, (_raw, context) => {
      context.error(['ratio'], 'too much');
      context.error(['title'], 'too short');
      context.warn(['title'], 'hm');
    });
  expect(run).toThrow(/^c\.yaml:2:8: title: too short\nc\.yaml:3:8: ratio: too much$/);
});

it('applies defaults and describes itself as JSON Schema, required keys and no others allowed', () => {
  expect(load('version: 1').value).toMatchObject({ enabled: true, mode: 'flash', wait: 10_000, sources: {} });
  const json = configJsonSchema(schema, 'Test');
  expect(json).toMatchObject({
    title: 'Test',
    required: ['version'],
    additionalProperties: false,
    properties: {
      wait: { type: 'string', default: '10s', description: 'how long; at least 1s, at most 1m' },
      mode: { enum: ['flash', 'prompt'], default: 'flash' },
      sources: { additionalProperties: { required: ['from_topic'] } },
    },
  });
});
