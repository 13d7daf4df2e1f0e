/** Style rules that neither compiler nor linter knows: pure functions from source text to complaints. */

export interface SourceFile {
  /** Relative to the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
}

const linesMax = 400;

/** Packages that do I/O or hold a format: one adapter file each, per workspace. */
const adapted = ['aedes', 'better-sqlite3', 'fastify', 'mqtt', 'pino', 'prom-client', 'ws', 'yaml'];

/** Who may import whom (DESIGN §2). */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  shared: ['shared'],
  'edge-agent': ['shared', 'edge-agent'],
  'cloud-hub': ['shared', 'cloud-hub'],
  simulators: ['shared', 'edge-agent', 'cloud-hub', 'simulators'],
  bench: ['shared', 'edge-agent', 'cloud-hub', 'simulators', 'bench'],
};

export function complaints(files: readonly SourceFile[]): string[] {
  return [
    ...files.flatMap((file) => [
      ...longFile(file),
      ...ambientAccess(file),
      ...forbiddenImports(file),
      ...leftovers(file),
      ...emptyTest(file),
    ]),
    ...secondAdapters(files),
  ];
}

function longFile({ path, text }: SourceFile): string[] {
  const lines = text.split('\n').length - 1;
  return lines > linesMax && !isTest(path)
    ? [`${path}: ${lines} lines are usually two ideas (at most ${linesMax})`]
    : [];
}

/** Time, chance, process and terminal come through ports everywhere but in the ports themselves. */
function ambientAccess({ path, text }: SourceFile): string[] {
  if (isTest(path) || isPort(path)) return [];
  const found = codeOf(text).match(
    /\b(?:Date\.now|new Date\(\)|Math\.random|performance\.now|setTimeout|setInterval|console\.\w+|process\.\w+)/g,
  );
  const modules = importsOf(text).filter((name) => name === 'node:process');
  return [...new Set([...(found ?? []), ...modules])].map(
    (name) => `${path}: ${name} belongs behind a port (clock, random, log, cli)`,
  );
}

function isPort(path: string): boolean {
  return (
    /^shared\/src\/(clock|random|log|metrics)\.ts$/.test(path) ||
    /(^|[/-])cli(-[\w-]+)?\.ts$/.test(path) ||
    /\/(cli|testing)\//.test(path) ||
    path.startsWith('bench/')
  );
}

function forbiddenImports({ path, text }: SourceFile): string[] {
  const from = workspaceOf(path);
  const allowed = mayImport[from] ?? [];
  return importsOf(text).flatMap((specifier) => {
    const to = specifier.startsWith('.')
      ? workspaceOf(resolved(path, specifier))
      : /^@fogline\/([\w-]+)/.exec(specifier)?.[1];
    const isAllowed = to === undefined || (allowed.includes(to) && (to === from || !specifier.startsWith('.')));
    return isAllowed ? [] : [`${path}: ${from} may not import ${specifier}`];
  });
}

function secondAdapters(files: readonly SourceFile[]): string[] {
  return adapted.flatMap((name) => {
    const importers = files.filter(({ path, text }) => !isTest(path) && importsOf(text).includes(name));
    const byWorkspace = Map.groupBy(importers, ({ path }) => workspaceOf(path));
    return [...byWorkspace.values()]
      .filter((group) => group.length > 1)
      .map((group) => `${name} has ${group.length} adapters: ${group.map(({ path }) => path).join(', ')}`);
  });
}

function leftovers({ path, text }: SourceFile): string[] {
  const marks = text.match(/\b(?:TO(?:)DO|FIX(?:)ME|XX(?:)X)\b/g) ?? [];
  const focus = isTest(path)
    ? (codeOf(text).match(/\b(?:it|test|describe)(?:\.\w+)*\.(?:only|skip|todo)\b/g) ?? [])
    : [];
  return [...new Set([...marks, ...focus])].map((mark) => `${path}: ${mark} was left behind`);
}

function emptyTest({ path, text }: SourceFile): string[] {
  return path.endsWith('.test.ts') && !/\bexpect\b/.test(codeOf(text)) ? [`${path}: a test that expects nothing`] : [];
}

function isTest(path: string): boolean {
  return path.endsWith('.test.ts') || path.startsWith('simulators/test/');
}

function workspaceOf(path: string): string {
  return path.split('/', 1)[0] ?? '';
}

function resolved(path: string, specifier: string): string {
  const parts = path.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

function importsOf(text: string): string[] {
  return [
    ...text.matchAll(/^\s*(?:import|export)\s[^'";]*?from\s*'([^']+)'|^import\s*'([^']+)'|\bimport\('([^']+)'\)/gm),
  ].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '');
}

/**
 * The text without comments, strings and regular expressions. What stands in `${}` of a template goes with it; a slash begins
 * a regular expression where an operand is due.
 */
export function codeOf(text: string): string {
  const token =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`|(?<=(?:^|[=(,:[!&|?{};+]|=>|return)\s*)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/g;
  return text.replaceAll(token, (match) => (match.startsWith('/*') || match.startsWith('//') ? '' : "''"));
}
