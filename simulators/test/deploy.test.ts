/** docker-compose.yml and the Dockerfiles against the repository: every path, command, option and volume they name exists. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadHubConfig } from '@fogline/cloud-hub/config';
import { loadAgentConfig } from '@fogline/edge-agent/config';
import { parseYaml } from '@fogline/shared/config/yaml';
import { describe, expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** The part of the Compose format that this project uses; anything else in the file fails the first test. */
interface Service {
  readonly build: { readonly context: string; readonly dockerfile: string };
  readonly image: string;
  readonly entrypoint?: readonly string[];
  readonly command: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly disable: boolean };
  readonly ports?: readonly string[];
  readonly restart: string;
  readonly volumes?: readonly string[];
}

interface Compose {
  readonly name: string;
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
}

const serviceKeys = [
  'build',
  'image',
  'entrypoint',
  'command',
  'depends_on',
  'healthcheck',
  'ports',
  'restart',
  'volumes',
];

function compose(): Compose {
  const { value, problems } = parseYaml(read('docker-compose.yml'));
  expect(problems).toEqual([]);
  return value as Compose;
}

function complaints({ services, volumes }: Compose): string[] {
  return Object.entries(services).flatMap(([name, service]) => {
    const missing: string[] = [];
    const dockerfile = existsSync(join(root, service.build.dockerfile)) ? read(service.build.dockerfile) : '';
    if (dockerfile === '') missing.push(service.build.dockerfile);
    const program = service.command[0] ?? '';
    const isCopied = [...dockerfile.matchAll(/^COPY (\S+) /gm)].some(([, source = '']) => program.startsWith(source));
    if (!isCopied || !existsSync(join(root, program))) missing.push(program);
    missing.push(...Object.keys(service).filter((key) => !serviceKeys.includes(key)));
    for (const volume of service.volumes ?? []) {
      const source = volume.split(':', 1)[0] ?? '';
      if (source.startsWith('.') ? !existsSync(join(root, source)) : !Object.hasOwn(volumes, source))
        missing.push(source);
    }
    for (const other of Object.keys(service.depends_on ?? {})) if (!Object.hasOwn(services, other)) missing.push(other);
    for (const port of service.ports ?? [])
      if (!port.startsWith('127.0.0.1:')) missing.push(`a loopback address in ${port}`);
    return missing.map((what) => `${name}: ${what}`);
  });
}

it('every path, volume and service that docker-compose.yml names exists, and nothing is published beyond loopback', () => {
  expect(complaints(compose())).toEqual([]);
});

it('a wrong name would be found', () => {
  const good = compose();
  const agent = good.services['agent']!;
  const broken: [Partial<Service>, string][] = [
    [{ command: ['edge-agent/src/main.ts', 'run'] }, 'agent: edge-agent/src/main.ts'],
    [{ command: ['cloud-hub/src/config.ts'] }, 'agent: cloud-hub/src/config.ts'],
    [{ volumes: ['./deploy/config/agnt.yaml:/x'] }, 'agent: ./deploy/config/agnt.yaml'],
    [{ volumes: ['agent-dta:/x'] }, 'agent: agent-dta'],
    [{ depends_on: { hbu: { condition: 'service_healthy' } } }, 'agent: hbu'],
    [{ comand: ['x'] } as Partial<Service>, 'agent: comand'],
    [{ ports: ['1883:1883'] }, 'agent: a loopback address in 1883:1883'],
  ];
  for (const [change, complaint] of broken) {
    expect(complaints({ ...good, services: { ...good.services, agent: { ...agent, ...change } } })).toEqual([
      complaint,
    ]);
  }
});

describe('every command line is one that the program understands:', () => {
  const lines = Object.entries(compose().services).map(([name, { command }]): [string, string[]] => [
    name,
    [...command],
  ]);
  const enroll = [...read('deploy/enroll.sh').matchAll(/^keep \S+ (.*)$/gm)].map(
    ([, line = '']): [string, string[]] => [
      `enroll.sh: ${line}`,
      ['cloud-hub/src/cli.ts', ...line.split(' '), '--config', 'hub.yaml'],
    ],
  );
  it('enroll.sh makes two credentials', () => {
    expect(enroll).toHaveLength(2);
  });
  it.each([...lines, ...enroll].filter(([, [program = '']]) => program.endsWith('.ts')))(
    '%s',
    async (_name, [program = '', ...rest]) => {
      const words = rest.slice(
        0,
        rest.findIndex((word) => word.startsWith('-')),
      );
      const { stdout } = await promisify(execFile)(process.execPath, [join(root, program), ...words, '--help']);
      // The help of a sub-command names its usage; that of the whole program would mean that the words are not a command.
      expect(stdout).toMatch(new RegExp(`^Usage: \\S+ ${words[0]}`, 'm'));
      for (const option of rest.filter((word) => word.startsWith('--'))) expect(stdout).toContain(option);
    },
  );
});

describe.each(['hub', 'agent', 'sim'])('Dockerfile.%s', (name) => {
  const text = read(`deploy/Dockerfile.${name}`);

  it('copies what exists and what .dockerignore lets through', () => {
    const allowed = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const sources = [...text.matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, list = '']) => list.split(' '));
    expect(sources.length).toBeGreaterThan(5);
    for (const source of sources) {
      expect(existsSync(join(root, source)), source).toBe(true);
      expect(allowed, source).toContain(source.split('/', 1)[0]);
    }
  });

  it('runs as an ordinary user, says how it is, and installs no development tools', () => {
    expect(text).toMatch(/^USER node$/m);
    expect(text).toMatch(/^HEALTHCHECK /m);
    expect(text).toMatch(/^RUN npm ci --omit=dev /m);
  });
});

describe('the configurations', () => {
  it('are valid, and point at each other', () => {
    const folder = join(root, 'deploy/config');
    const hub = loadHubConfig({ file: join(folder, 'hub.yaml') }, {}).value;
    const text = read('deploy/config/agent.yaml').replace('{ file: /run/fogline/agent-token }', 'token');
    const agent = loadAgentConfig({ text, name: 'agent.yaml', folder }, {}).value;
    expect(agent.uplink).toMatchObject({ host: 'hub', port: hub.mqtt.port });
    const { services } = compose();
    expect(services['hub']?.ports).toEqual([`127.0.0.1:${hub.http.port}:${hub.http.port}`]);
    expect(services['enroll']?.command.at(-1)).toBe(agent.agent);
    expect(services['fleet']?.command).toContain(`mqtt://agent:${agent.listeners[0]?.port}`);
    expect(agent.listeners[0]?.anonymous).toBe('lan');
  });

  it.each([
    ['hub', 'http', 8080],
    ['agent', 'local', 8081],
  ])('of the %s serves the address that its health check asks', (name, section, port) => {
    expect(read(`deploy/config/${name}.yaml`)).toMatch(new RegExp(`^${section}: .*\\b${port}\\b`, 'm'));
    expect(read(`deploy/Dockerfile.${name}`)).toContain(`http://127.0.0.1:${port}/healthz`);
  });
});
