/** `/api/v1/tokens` and `audit`: who may call this API, and who did what. */
import { answers, tokenMade, tokenRevoked } from '@fogline/shared/hub-api/answers';
import { z } from 'zod';
import { scopes } from '../auth/access.ts';
import { pageNewestFirst } from './newest-first.ts';
import { renderList, renderObject } from './output.ts';
import { cursorParam, formatParam, limitParam } from './params.ts';
import { defineRoute } from './route.ts';

const url = '/api/v1/tokens';
const name = z.string().min(1).max(64).describe('Whom the token is for.');

const listTokens = defineRoute({
  url,
  scope: 'admin',
  summary: 'The tokens of this API, in force and revoked; never their secrets.',
  answers: answers.tokens,
  query: z.object({ format: formatParam }),
  answer({ services: { tokens } }, { format }) {
    const rows = tokens.list().map(({ sites, revokedMs, ...token }) => {
      return { ...token, sites: sites ?? null, revokedMs: revokedMs ?? null };
    });
    return renderList('tokens', rows, { complete: true, next: null }, format);
  },
});

const addToken = defineRoute({
  method: 'POST',
  status: 201,
  url,
  scope: 'admin',
  summary: 'Makes a token; the answer has its secret, once.',
  answers: tokenMade,
  audited: ['name', 'scopes', 'sites'],
  query: z.object({
    name,
    scopes: z.array(z.enum(scopes)).min(1).max(scopes.length).describe('What it may do.'),
    sites: z.array(z.string()).min(1).max(100).optional().describe('Only with agents of these sites; default all.'),
  }),
  answer({ services: { tokens, credentialsChanged } }, asked) {
    const token = tokens.create(asked.name, { scopes: [...new Set(asked.scopes)], sites: asked.sites });
    credentialsChanged();
    return renderObject({ name: asked.name, token });
  },
});

const revokeToken = defineRoute({
  method: 'DELETE',
  url: `${url}/:name`,
  scope: 'admin',
  summary: 'Takes a token out of force, at once, for open streams too.',
  answers: tokenRevoked,
  query: z.object({ name }),
  answer({ services: { tokens, credentialsChanged } }, asked) {
    tokens.revoke(asked.name);
    credentialsChanged();
    return renderObject({ name: asked.name, revoked: true });
  },
});

export const tokenRoutes = [listTokens, addToken, revokeToken];

export const auditRoute = defineRoute({
  url: '/api/v1/audit',
  scope: 'admin',
  summary: 'Who did what, when, and what came of it; who was refused. Newest first.',
  answers: answers.audit,
  query: z.object({ format: formatParam, limit: limitParam(100, 1_000), cursor: cursorParam }),
  answer({ services: { audit } }, { format, limit, cursor }) {
    const { page, paging } = pageNewestFirst(['audit'], { limit, cursor }, (rows) => audit.list(rows));
    const lines = page.map((line) => ({ ...line }));
    return renderList('audit', lines, paging, format);
  },
});
