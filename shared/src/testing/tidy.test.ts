import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { codeOf, complaints, type SourceFile } from './tidy.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const folders = ['shared', 'edge-agent', 'cloud-hub', 'simulators', 'bench'];

function sources(): SourceFile[] {
  const paths = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !/(^|\/)(node_modules|dist)\//.test(name))
      .map((name) => `${folder}/${name}`),
  );
  return paths.map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

it('the tree is tidy', () => {
  const files = sources();
  expect(files.length).toBeGreaterThan(20);
  expect(complaints(files)).toEqual([]);
});

describe('a planted fault is found:', () => {
  const ok = "import { expect, it } from 'vitest';\nit('x', () => expect(1).toBe(1));\n";
  const word = (...parts: string[]) => parts.join('');
  const table: [what: string, file: SourceFile, complaint: string][] = [
    [
      'a long file',
      { path: 'shared/src/a.ts', text: '\n'.repeat(401) },
      'shared/src/a.ts: 401 lines are usually two ideas (at most 400)',
    ],
    ...[
      'Date.now',
      'new Date()',
      'Math.random',
      'performance.now',
      'setTimeout',
      'setInterval',
      'console.log',
      'process.env',
    ].map((name): [string, SourceFile, string] => [
      name,
      { path: 'edge-agent/src/a.ts', text: `const x = ${name};\n` },
      `edge-agent/src/a.ts: ${name} belongs behind a port (clock, random, log, cli)`,
    ]),
    [
      'the process by another door',
      { path: 'edge-agent/src/a.ts', text: "import { exit } from 'node:process';\n" },
      'edge-agent/src/a.ts: node:process belongs behind a port (clock, random, log, cli)',
    ],
    [
      'the agent importing the hub',
      { path: 'edge-agent/src/a.ts', text: "import { x } from '@fogline/cloud-hub/hub';\n" },
      'edge-agent/src/a.ts: edge-agent may not import @fogline/cloud-hub/hub',
    ],
    [
      'the hub importing a type of the agent',
      { path: 'cloud-hub/src/a.ts', text: "import type {\n  X,\n} from '@fogline/edge-agent/agent';\n" },
      'cloud-hub/src/a.ts: cloud-hub may not import @fogline/edge-agent/agent',
    ],
    [
      'shared importing anybody, even lazily',
      { path: 'shared/src/a.ts', text: `const x = await ${word('im', 'port')}('@fogline/edge-agent/agent');\n` },
      'shared/src/a.ts: shared may not import @fogline/edge-agent/agent',
    ],
    [
      'a way around the package name',
      { path: 'simulators/src/a.ts', text: "export { x } from '../../cloud-hub/src/hub.ts';\n" },
      'simulators/src/a.ts: simulators may not import ../../cloud-hub/src/hub.ts',
    ],
    [
      'an unfinished thought',
      { path: 'shared/src/a.ts', text: `// ${word('TO', 'DO')}: later\n` },
      `shared/src/a.ts: ${word('TO', 'DO')} was left behind`,
    ],
    [
      'a focused test',
      { path: 'shared/src/a.test.ts', text: ok.replace('it(', word('it.', 'only(')) },
      `shared/src/a.test.ts: ${word('it.', 'only')} was left behind`,
    ],
    [
      'a skipped suite',
      { path: 'shared/src/a.test.ts', text: `${ok}${word('describe.', 'skip')}('x', () => {});\n` },
      `shared/src/a.test.ts: ${word('describe.', 'skip')} was left behind`,
    ],
    [
      'a test without expectation',
      { path: 'shared/src/a.test.ts', text: "it('expect', () => {});\n" },
      'shared/src/a.test.ts: a test that expects nothing',
    ],
  ];
  it.each(table)('%s', (_what, file, complaint) => {
    expect(complaints([file])).toEqual([complaint]);
  });

  it('a second adapter of one package in one workspace', () => {
    const text = "import pkg from 'aedes';\n";
    const files = ['shared/src/a.ts', 'shared/src/b.ts', 'simulators/src/c.ts', 'shared/src/d.test.ts'].map((path) => ({
      path,
      text: `${text}expect;`,
    }));
    expect(complaints(files)).toEqual(['aedes has 2 adapters: shared/src/a.ts, shared/src/b.ts']);
  });
});

describe('what is allowed passes:', () => {
  const table: [what: string, file: SourceFile][] = [
    ['time in the clock', { path: 'shared/src/clock.ts', text: 'Date.now();\n' }],
    ['the process in a command', { path: 'edge-agent/src/cli.ts', text: 'process.exit(1);\n' }],
    ['the process in a file of commands', { path: 'simulators/src/fleet/replay-cli.ts', text: 'process.exit(1);\n' }],
    ['a time that is given', { path: 'shared/src/a.ts', text: 'new Date(0); clock.now();\n' }],
    [
      'a name in a comment, a text or a pattern',
      {
        path: 'shared/src/a.ts',
        text: "// process.env\nconst a = 'console.log' + `Date.now` + \"it's\";\nconst b = /'setTimeout/;\n",
      },
    ],
    [
      'a condition for a test',
      { path: 'shared/src/a.test.ts', text: "it.skipIf(!hasData)('x', () => expect(1).toBe(1));\n" },
    ],
    [
      'the simulators seeing both',
      {
        path: 'simulators/src/a.ts',
        text: "import '@fogline/cloud-hub/hub';\nimport { x } from '@fogline/edge-agent/agent';\n",
      },
    ],
  ];
  it.each(table)('%s', (_what, file) => {
    expect(complaints([file])).toEqual([]);
  });

  it('code survives the removal of what is not code', () => {
    expect(codeOf("a / b; // c / d\nf(/[/'\"]/g, 'x');\nreturn /y/.test(z) / 2; /* q */")).toBe(
      "a / b; \nf('', '');\nreturn ''.test(z) / 2; ",
    );
  });
});
