/** `npm run docs`: writes the generated pages of docs/. */
import { writeFileSync } from 'node:fs';
import { referenceText, schemaText } from './schema-docs.ts';

const docs = new URL('../../../docs/', import.meta.url);
writeFileSync(new URL('agent.schema.json', docs), schemaText());
writeFileSync(new URL('agent-config.md', docs), referenceText());
