/** `npm run docs`: writes what is generated from the hub's routes. */
import { writeFileSync } from 'node:fs';
import { documentText, paramsText } from './api-docs.ts';

const root = new URL('../../../', import.meta.url);
writeFileSync(new URL('docs/openapi.json', root), documentText());
writeFileSync(new URL('shared/src/hub-api/params.ts', root), paramsText());
