import { FoglineError } from '@fogline/shared/errors';
import { describe, expect, it } from 'vitest';
import { openApiFixture } from '../testing/api-fixture.ts';

const now = Date.UTC(2026, 0, 1);

/** Every route there is: what it asks for, and a request that it would answer with this status. */
const routes = [
  ['GET', '/api/v1/data', 'read', '/api/v1/data?match=t', 200],
  ['POST', '/api/v1/data', 'read', '/api/v1/data', 400],
  ['GET', '/api/v1/series', 'read', '/api/v1/series', 200],
  ['GET', '/api/v1/latest', 'read', '/api/v1/latest', 200],
  ['GET', '/api/v1/gaps', 'read', '/api/v1/gaps', 200],
  ['GET', '/api/v1/agents', 'read', '/api/v1/agents', 200],
  ['GET', '/api/v1/ledger', 'read', '/api/v1/ledger', 200],
  ['GET', '/api/v1/devices', 'read', '/api/v1/devices', 200],
  ['GET', '/api/v1/events', 'read', '/api/v1/events', 200],
  ['GET', '/api/v1/alarms', 'read', '/api/v1/alarms', 200],
  ['GET', '/api/v1/alarms/history', 'read', '/api/v1/alarms/history?alarm=1', 404],
  ['POST', '/api/v1/alarms/:id/ack', 'command', '/api/v1/alarms/1/ack', 404],
  ['POST', '/api/v1/alarms/:id/shelve', 'command', '/api/v1/alarms/1/shelve', 400],
  ['POST', '/api/v1/alarms/:id/unshelve', 'command', '/api/v1/alarms/1/unshelve', 404],
  ['GET', '/api/v1/stream', 'read', '/api/v1/stream?nonsense=1', 400],
  ['GET', '/api/v1/ws', 'read', '/api/v1/ws', 426],
  ['GET', '/prometheus/api/v1/query', 'read', '/prometheus/api/v1/query?query=1', 200],
  ['POST', '/prometheus/api/v1/query', 'read', '/prometheus/api/v1/query?query=1', 200],
  ['GET', '/prometheus/api/v1/query_range', 'read', '/prometheus/api/v1/query_range', 400],
  ['POST', '/prometheus/api/v1/query_range', 'read', '/prometheus/api/v1/query_range', 400],
  ['GET', '/prometheus/api/v1/series', 'read', '/prometheus/api/v1/series', 400],
  ['POST', '/prometheus/api/v1/series', 'read', '/prometheus/api/v1/series', 400],
  ['GET', '/prometheus/api/v1/labels', 'read', '/prometheus/api/v1/labels', 200],
  ['POST', '/prometheus/api/v1/labels', 'read', '/prometheus/api/v1/labels', 200],
  ['GET', '/prometheus/api/v1/label/:name/values', 'read', '/prometheus/api/v1/label/agent/values', 200],
  ['GET', '/prometheus/api/v1/metadata', 'read', '/prometheus/api/v1/metadata', 200],
  ['GET', '/prometheus/api/v1/status/buildinfo', 'read', '/prometheus/api/v1/status/buildinfo', 200],
  ['GET', '/prometheus/api/v1/rules', 'read', '/prometheus/api/v1/rules', 200],
  ['GET', '/prometheus/api/v1/alerts', 'read', '/prometheus/api/v1/alerts', 200],
  ['GET', '/prometheus/api/v1/query_exemplars', 'read', '/prometheus/api/v1/query_exemplars', 200],
  ['POST', '/prometheus/api/v1/query_exemplars', 'read', '/prometheus/api/v1/query_exemplars', 200],
  ['GET', '/prometheus/-/healthy', 'public', '/prometheus/-/healthy', 200],
  ['GET', '/prometheus/-/ready', 'public', '/prometheus/-/ready', 200],
  ['GET', '/metrics', 'read of the whole hub', '/metrics', 200],
  ['GET', '/api/v1/tokens', 'admin', '/api/v1/tokens', 200],
  ['POST', '/api/v1/tokens', 'admin', '/api/v1/tokens', 400],
  ['DELETE', '/api/v1/tokens/:name', 'admin', '/api/v1/tokens/none', 404],
  ['GET', '/api/v1/audit', 'admin', '/api/v1/audit', 200],
  ['POST', '/api/v1/series/:id/rename', 'write', '/api/v1/series/9/rename', 400],
  ['POST', '/api/v1/series/:id/merge', 'write', '/api/v1/series/9/merge', 400],
  ['POST', '/api/v1/series/:id/delete-range', 'admin', '/api/v1/series/9/delete-range', 400],
  ['GET', '/api/v1/deleted', 'read', '/api/v1/deleted', 200],
  ['GET', '/api/v1/quarantine', 'read', '/api/v1/quarantine', 200],
  ['GET', '/api/v1/quarantine/:id', 'read', '/api/v1/quarantine/9', 404],
  ['POST', '/api/v1/quarantine/:id/retry', 'write', '/api/v1/quarantine/9/retry', 404],
  ['DELETE', '/api/v1/quarantine/:id', 'admin', '/api/v1/quarantine/9', 404],
  ['GET', '/api/v1/openapi.json', 'public', '/api/v1/openapi.json', 200],
  ['GET', '/api/v1/docs', 'public', '/api/v1/docs', 200],
  ['GET', '/healthz', 'public', '/healthz', 200],
  ['GET', '/readyz', 'public', '/readyz', 200],
] as const;

const grants = {
  reader: { scopes: ['read'], sites: undefined },
  osloer: { scopes: ['read'], sites: ['oslo'] },
  writer: { scopes: ['write'], sites: undefined },
  commander: { scopes: ['command'], sites: undefined },
  all: { scopes: ['read', 'write', 'command'], sites: undefined },
  boss: { scopes: ['admin'], sites: undefined },
  revoked: { scopes: ['admin'], sites: undefined },
};
const callers = ['nobody', 'stranger', ...(Object.keys(grants) as (keyof typeof grants)[])] as const;

type Needed = (typeof routes)[number][2];

/** Who is let in; anybody else is refused. */
const allowed: Readonly<Record<Needed, readonly (typeof callers)[number][]>> = {
  public: callers,
  read: ['reader', 'osloer', 'all', 'boss'],
  'read of the whole hub': ['reader', 'all', 'boss'],
  write: ['writer', 'all', 'boss'],
  command: ['commander', 'all', 'boss'],
  admin: ['boss'],
};

function openGuarded(isLoopback: boolean) {
  const fixture = openApiFixture(now, { isLoopback });
  const secrets = new Map(Object.entries(grants).map(([name, grant]) => [name, fixture.tokens.create(name, grant)]));
  fixture.tokens.revoke('revoked');
  return { ...fixture, secretOf: (caller: string) => secrets.get(caller) ?? 'x'.repeat(43) };
}

describe('beyond loopback', () => {
  const { api, secretOf } = openGuarded(false);

  it.each(
    routes.flatMap(([method, , needed, url, status]) =>
      callers.map((caller) => {
        const isUnknown = caller === 'nobody' || caller === 'stranger' || caller === 'revoked';
        return [method, url, caller, allowed[needed].includes(caller) ? status : isUnknown ? 401 : 403] as const;
      }),
    ),
  )('%s %s as %s: %i', async (method, url, caller, status) => {
    const authorization = caller === 'nobody' ? {} : { authorization: `Bearer ${secretOf(caller)}` };
    const body = method === 'POST' ? { payload: {} } : {};
    const response = await api.app.inject({ method, url, headers: { host: 'hub.example', ...authorization }, ...body });
    expect(response.statusCode).toBe(status);
    if (status === 401) expect(response.headers['www-authenticate']).toBe('Bearer');
    const isDoor = url.startsWith('/prometheus/');
    const refusal = isDoor ? { status: 'error' } : { status, instance: url.split('?')[0] };
    if (status === 401 || status === 403) expect(response.json()).toMatchObject(refusal);
  });

  it('the table above names every route there is, and what it declares', async () => {
    await api.app.ready();
    const streams: readonly string[] = ['/api/v1/stream', '/api/v1/ws'];
    const heads = routes
      .filter(([method, url]) => method === 'GET' && !streams.includes(url))
      .map(([, url, needed]) => `HEAD ${url} ${needed}`);
    const table = [...routes.map(([method, url, needed]) => `${method} ${url} ${needed}`), ...heads];
    const declared = api.routes.map(({ method, url, scope, isHubWide }) => {
      return `${method} ${url} ${scope}${isHubWide && scope !== 'admin' ? ' of the whole hub' : ''}`;
    });
    expect(declared.sort()).toEqual(table.sort());
  });

  it('an unknown path tells a stranger nothing', async () => {
    const response = await api.app.inject({ method: 'GET', url: '/api/v1/secret', headers: { host: 'hub.example' } });
    expect(response.statusCode).toBe(401);
  });

  it('a route that declares no scope cannot be registered', () => {
    const { app } = openApiFixture(0).api;
    expect(() => app.get('/open', () => 'data')).toThrow('route GET /open declares no scope');
    expect(() =>
      app.get('/closed', { config: { guard: { scope: 'admin', isHubWide: false, audited: [] } } }, () => 'data'),
    ).not.toThrow();
  });
});

describe('on loopback', () => {
  const { api, secretOf } = openGuarded(true);
  const ask = async (method: 'GET' | 'POST' | 'DELETE', url: string, headers: Record<string, string>) => {
    const body = method === 'POST' ? { payload: {} } : {};
    return (await api.app.inject({ method, url, headers, ...body })).statusCode;
  };

  it.each(routes)(
    '%s %s (%s) needs a loopback name, and a token only for admin',
    async (method, _, needed, url, status) => {
      const host = '127.0.0.1:8080';
      expect(await ask(method, url, { host })).toBe(needed === 'admin' ? 401 : status);
      expect(await ask(method, url, { host, authorization: `Bearer ${secretOf('boss')}` })).toBe(status);
      expect(await ask(method, url, { host: 'evil.example:8080' })).toBe(421);
      expect(await ask(method, url, { host, origin: 'https://evil.example' })).toBe(403);
    },
  );

  it('a change that failed is answered as a problem, though it cannot be audited now', async () => {
    const { api, audit } = openApiFixture(now);
    audit.record = () => {
      throw new FoglineError('storage_io', 'commit to /srv/audit.db failed: database or disk is full');
    };
    const url = '/api/v1/alarms/9/ack';
    const response = await api.app.inject({ method: 'POST', url, headers: { host: 'localhost' }, payload: {} });
    expect(response.statusCode).toBe(404);
    expect(response.headers['content-type']).toBe('application/problem+json');
    expect(response.json()).toMatchObject({ detail: expect.stringContaining('no alarm 9') });
    expect(audit.list()).toMatchObject([{ what: 'POST /api/v1/alarms/:id/ack', outcome: 'not_found' }]);
  });

  it('a change that cannot be audited is not confirmed', async () => {
    const fixture = openGuarded(true);
    fixture.audit.record = () => {
      throw new FoglineError('storage_io', 'no space');
    };
    const response = await fixture.api.app.inject({
      method: 'POST',
      url: '/api/v1/tokens',
      headers: { host: 'localhost', authorization: `Bearer ${fixture.secretOf('boss')}` },
      payload: { name: 'new', scopes: ['read'] },
    });
    expect(response.statusCode).toBe(503);
    expect(response.json()).toMatchObject({ type: 'urn:fogline:problem:unavailable' });
  });

  it('what a page may send to another site unasked is no request', async () => {
    const headers = { host: 'localhost', 'content-type': 'text/plain', authorization: `Bearer ${secretOf('boss')}` };
    const response = await api.app.inject({ method: 'POST', url: '/api/v1/tokens', headers, payload: '{}' });
    expect(response.statusCode).toBe(415);
  });
});
