/** The API about itself: its description for programs, and for people as one page without anything from elsewhere. */
import { z } from 'zod';
import { openApiDocument } from './openapi.ts';
import { openApiPage } from './openapi-page.ts';
import { defineRoute, type Route, type StreamRoute } from './route.ts';

export function openApiRoutes(all: () => readonly (Route | StreamRoute)[]): readonly Route[] {
  let text: string | undefined;
  let page: string | undefined;
  const document = defineRoute({
    url: '/api/v1/openapi.json',
    scope: 'public',
    summary: 'This description, OpenAPI 3.1.',
    answers: z.looseObject({ openapi: z.string() }),
    query: z.object({}),
    answer() {
      text ??= `${JSON.stringify(openApiDocument(all()))}\n`;
      return { contentType: 'application/json; charset=utf-8', headers: {}, body: text };
    },
  });
  const docs = defineRoute({
    url: '/api/v1/docs',
    scope: 'public',
    summary: 'This description as a page.',
    answers: { contentType: 'text/html' },
    query: z.object({}),
    answer() {
      page ??= openApiPage(openApiDocument(all()));
      return { contentType: 'text/html; charset=utf-8', headers: pageHeaders, body: page };
    },
  });
  return [document, docs];
}

/** Nothing may be loaded and nothing may run. */
const pageHeaders = { 'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'" };
