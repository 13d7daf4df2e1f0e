/** What is generated from the routes: the description for programs, and the types of the client's parameters. */
import { type OpenApiDocument, openApiDocument, type Schema } from '../api/openapi.ts';
import { routes, streams } from '../api/routes.ts';

export const regenerateCommand = 'npm run docs';

export function documentOfHub(): OpenApiDocument {
  return openApiDocument([...routes, ...streams]);
}

export function documentText(): string {
  return `${JSON.stringify(documentOfHub(), undefined, 1)}\n`;
}

/** TypeScript: what each list of the API may be asked, by its name. */
export function paramsText(): string {
  const lists = Object.entries(documentOfHub().paths).flatMap(([path, { get }]) => {
    const name = /^\/api\/v1\/(\w+)$/.exec(path)?.[1];
    if (name === undefined || get?.responses['200']?.content?.['application/json'] === undefined) return [];
    const fields = get.parameters.filter(({ name: field }) => field !== 'format' && field !== 'shape');
    return [{ name, fields }];
  });
  const text = lists.map(({ name, fields }) => {
    const lines = fields.map(({ name: field, description, required, schema }) => {
      return `    /** ${description} */\n    readonly ${field}${required ? '' : '?'}: ${typeOf(schema)};\n`;
    });
    return `  readonly ${name}: {\n${lines.join('')}  };\n`;
  });
  return `/** What each list of the hub's API may be asked. Generated from the routes of the hub: ${regenerateCommand}. */\nexport interface HubParams {\n${text.join('')}}\n`;
}

function typeOf({ type, enum: choices, items }: Schema): string {
  if (choices !== undefined) return choices.map((choice) => `'${String(choice)}'`).join(' | ');
  if (type === 'array') return `readonly ${typeOf(items as Schema)}[]`;
  return type === 'integer' ? 'number' : String(type);
}
