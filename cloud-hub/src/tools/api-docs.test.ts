import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, it } from 'vitest';
import { openApiFixture } from '../testing/api-fixture.ts';
import { documentOfHub, documentText, paramsText, regenerateCommand } from './api-docs.ts';

const root = new URL('../../../', import.meta.url);

it.each([
  ['docs/openapi.json', documentText],
  ['shared/src/hub-api/params.ts', paramsText],
])('%s is what the routes say now', (name, generated) => {
  const written = readFileSync(new URL(name, root), 'utf8');
  expect(written === generated(), `${name} is stale: run "${regenerateCommand}"`).toBe(true);
});

describe('the description', () => {
  it('is valid OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate(documentText());
    expect(errors ?? []).toEqual([]);
    expect(valid).toBe(true);
  });

  it('has every route with its scope, and names each operation once', () => {
    const { paths } = documentOfHub();
    const described = Object.entries(paths).flatMap(([path, byMethod]) =>
      Object.entries(byMethod).map(([method, operation]) => {
        return `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')} ${operation['x-fogline-scope']}`;
      }),
    );
    const { routes } = openApiFixture(0).api;
    // Doors keep the envelopes of their own world, and its documentation.
    const registered = routes.filter(({ method, url }) => method !== 'HEAD' && !url.startsWith('/prometheus/'));
    expect(described.sort()).toEqual(registered.map(({ method, url, scope }) => `${method} ${url} ${scope}`).sort());
    const ids = Object.values(paths).flatMap((byMethod) =>
      Object.values(byMethod).map(({ operationId }) => operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toContain('getSeries');
  });

  it('refers to nothing that is not in it', () => {
    const text = documentText();
    const { schemas } = documentOfHub().components;
    for (const [, name = ''] of text.matchAll(/#\/components\/schemas\/([\w.]+)/g))
      expect(schemas).toHaveProperty([name]);
    expect(text).not.toContain('$defs');
  });
});

describe('the page', () => {
  it('is served whole, without script and without anything from elsewhere', async () => {
    const { api } = openApiFixture(0);
    const { headers, body } = await api.app.inject({
      method: 'GET',
      url: '/api/v1/docs',
      headers: { host: 'localhost' },
    });
    expect(headers['content-security-policy']).toBe("default-src 'none'; style-src 'unsafe-inline'");
    expect(body).not.toMatch(/<script|https?:|src=|@import|url\(/);
    expect(body).toContain('<b>DELETE</b> /api/v1/tokens/{name} <small>admin</small>');
    const json = await api.app.inject({ method: 'GET', url: '/api/v1/openapi.json', headers: { host: 'localhost' } });
    expect(json.json()).toEqual(JSON.parse(documentText()));
  });
});
