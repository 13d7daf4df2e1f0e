import { describe, expect, it } from 'vitest';
import { openApiFixture } from '../testing/api-fixture.ts';

const tokens: Readonly<Record<string, readonly string[]>> = { reader: ['read'], writer: ['write'], boss: ['admin'] };
const callerOf = (token: string) => (tokens[token] === undefined ? undefined : { name: token, scopes: tokens[token] });

const routes = [
  ['/api/v1/data?match=t', 'read'],
  ['/api/v1/series', 'read'],
  ['/api/v1/latest', 'read'],
  ['/api/v1/gaps', 'read'],
  ['/api/v1/agents', 'read'],
  ['/api/v1/ledger', 'read'],
  ['/metrics', 'read'],
  ['/api/v1/devices', 'read'],
  ['/api/v1/events', 'read'],
  ['/healthz', 'public'],
  ['/readyz', 'public'],
] as const;

const allowed: Readonly<Record<string, Readonly<Record<'read' | 'public', number>>>> = {
  nobody: { read: 401, public: 200 },
  stranger: { read: 401, public: 200 },
  writer: { read: 403, public: 200 },
  reader: { read: 200, public: 200 },
  boss: { read: 200, public: 200 },
};

describe('beyond loopback', () => {
  const { api } = openApiFixture(Date.UTC(2026, 0, 1), { isLoopback: false, callerOf });

  it.each(
    routes.flatMap(([url, scope]) =>
      Object.entries(allowed).map(([caller, status]) => [url, caller, status[scope]] as const),
    ),
  )('%s as %s: %i', async (url, caller, status) => {
    const authorization = caller === 'nobody' ? {} : { authorization: `Bearer ${caller}` };
    const response = await api.app.inject({ method: 'GET', url, headers: { host: 'hub.example', ...authorization } });
    expect(response.statusCode).toBe(status);
    if (status === 401) expect(response.headers['www-authenticate']).toBe('Bearer');
  });

  it('the table above names every route there is', () => {
    const known = api.app.printRoutes({ commonPrefix: false }).match(/\/\S+(?= \(GET)/g);
    expect(new Set(known)).toEqual(new Set(routes.map(([url]) => url.split('?')[0])));
  });

  it('an unknown path tells a stranger nothing', async () => {
    const response = await api.app.inject({ method: 'GET', url: '/api/v1/secret', headers: { host: 'hub.example' } });
    expect(response.statusCode).toBe(401);
  });

  it('a route that declares no scope cannot be registered', () => {
    const { app } = openApiFixture(0).api;
    expect(() => app.get('/open', () => 'data')).toThrow('route GET /open declares no scope');
    expect(() => app.get('/closed', { config: { scope: 'admin' } }, () => 'data')).not.toThrow();
  });
});

describe('on loopback', () => {
  const { api } = openApiFixture(Date.UTC(2026, 0, 1), { isLoopback: true, callerOf });

  it.each(routes)('%s needs no token but a loopback name', async (url) => {
    const local = await api.app.inject({ method: 'GET', url, headers: { host: '127.0.0.1:8080' } });
    const rebound = await api.app.inject({ method: 'GET', url, headers: { host: 'evil.example:8080' } });
    expect([local.statusCode, rebound.statusCode]).toEqual([200, 421]);
  });
});
