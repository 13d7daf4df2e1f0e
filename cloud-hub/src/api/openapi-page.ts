/** The description as one page: plain HTML, nothing from elsewhere, no script. */
import type { Media, OpenApiDocument, Operation, Parameter, Schema } from './openapi.ts';

const style = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f23; background: #fff }
h2 { font: 600 1.05rem ui-monospace, monospace; margin-top: 2.5rem; border-top: 1px solid #d0d7de; padding-top: 1rem }
h2 b { color: #0550ae } h2 small { font-weight: 400; color: #57606a }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0 }
code, pre { font: .875rem ui-monospace, monospace } pre { background: #f6f8fa; padding: .75rem; overflow: auto; max-height: 28rem }
summary { cursor: pointer }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117 } h2 { border-color: #30363d } h2 b { color: #79c0ff } pre { background: #161b22 } }
`;

export function openApiPage(document: OpenApiDocument): string {
  const { title, version, description } = document.info;
  const operations = Object.entries(document.paths).flatMap(([path, byMethod]) =>
    Object.entries(byMethod).map(([method, operation]) => operationText(method, path, operation)),
  );
  const schemas = Object.entries(document.components.schemas).map(
    ([name, schema]) => `<h2 id="${escaped(name)}">${escaped(name)}</h2>${described(schema)}${schemaText(schema)}`,
  );
  return [
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    `<title>${escaped(title)}</title><style>${style}</style>`,
    `<h1>${escaped(title)} ${escaped(version)}</h1><p>${escaped(description)}</p>`,
    '<p>For programs: <a href="openapi.json">openapi.json</a></p>',
    ...operations,
    '<h1>Shapes</h1>',
    ...schemas,
    '</html>\n',
  ].join('\n');
}

function operationText(method: string, path: string, operation: Operation): string {
  const { summary, parameters, requestBody, responses } = operation;
  const scope = operation['x-fogline-scope'];
  const answers = Object.entries(responses).map(
    ([status, { description, content = {} }]) =>
      `<details><summary>${status}: ${escaped(description)} ${Object.keys(content).map(code).join(', ')}</summary>${mediaText(content)}</details>`,
  );
  return [
    `<h2 id="${operation.operationId}"><b>${method.toUpperCase()}</b> ${escaped(path)} <small>${escaped(scope)}</small></h2>`,
    `<p>${escaped(summary)}</p>`,
    parameters.length === 0 ? '' : `<table>${parameters.map(parameterText).join('')}</table>`,
    requestBody === undefined ? '' : `<details><summary>Body</summary>${mediaText(requestBody.content)}</details>`,
    ...answers,
  ].join('\n');
}

function parameterText({ name, in: place, required, description, schema }: Parameter): string {
  const { enum: choices, default: otherwise } = schema;
  const facts = [
    required ? 'needed' : '',
    place === 'query' ? '' : `in the ${place}`,
    choices === undefined ? '' : `one of ${choices.join(', ')}`,
    otherwise === undefined ? '' : `default ${otherwise}`,
  ].filter((fact) => fact !== '');
  return `<tr><td>${code(name)}</td><td>${escaped(description)} ${escaped(facts.join('; '))}</td></tr>`;
}

function mediaText(content: Readonly<Record<string, Media>>): string {
  return Object.values(content)
    .map(({ schema }) => (schema === undefined ? '' : schemaText(schema)))
    .join('');
}

function described({ description }: Schema): string {
  return description === undefined ? '' : `<p>${escaped(description)}</p>`;
}

function schemaText(schema: Schema): string {
  const text = escaped(JSON.stringify(schema, undefined, 2));
  return `<pre>${text.replaceAll(/#\/components\/schemas\/([\w.]+)/g, '<a href="#$1">#$1</a>')}</pre>`;
}

function code(text: string): string {
  return `<code>${escaped(text)}</code>`;
}

function escaped(text: unknown): string {
  return String(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
