/** A reference page of a configuration, from its JSON Schema: every field with what it takes, its default and its meaning. */
import type { JsonSchema } from './json-schema.ts';

interface Row {
  /** Relative to the section: `mqtt.listen`; `NAME` stands for a name of the user's choice, `[]` for an entry of a list. */
  readonly field: string;
  readonly takes: string;
  readonly fallback: string;
  readonly meaning: string;
}

/** Markdown: one section a top-level key. */
export function referencePage(schema: JsonSchema): string {
  return Object.entries(schema.properties ?? {})
    .map(([key, shape]) => section(key, shape, isRequired(schema, key)))
    .join('\n');
}

function section(key: string, shape: JsonSchema, required: boolean): string {
  const rows = [...fieldsOf(shape, ''), ...entriesOf(shape, '')];
  const { takes: value, meaning } = rowOf(key, shape, required);
  const about = [required ? 'Required' : '', value === 'mapping' ? '' : value, meaning].filter(Boolean).join('. ');
  const lines = rows.map(({ field, takes: taken, fallback, meaning: told }) => {
    const cells = [`\`${field}\``, taken, fallback, told].map((text) => text.replaceAll('|', '\\|'));
    return `| ${cells.join(' | ')} |`;
  });
  const table = rows.length === 0 ? [] : ['| Field | Takes | Default | Meaning |', '|---|---|---|---|', ...lines, ''];
  return [`## ${key}`, '', ...(about === '' ? [] : [`${about}.`, '']), ...table].join('\n');
}

/** Every field below, depth first, in the order of the schema. */
function fieldsOf(shape: JsonSchema, prefix: string): Row[] {
  return alternativesOf(shape).flatMap((alternative) => [
    ...Object.entries(alternative.properties ?? {}).flatMap(([key, below]) =>
      withBelow(`${prefix}${key}`, below, isRequired(alternative, key)),
    ),
    ...(typeof alternative.additionalProperties === 'object'
      ? withBelow(`${prefix}NAME`, alternative.additionalProperties, false)
      : []),
  ]);
}

function withBelow(field: string, shape: JsonSchema, required: boolean): Row[] {
  const own = rowOf(field, shape, required);
  const isSecret = shape['title'] === 'secret' || shape['title'] === 'file';
  const below = isSecret ? [] : [...fieldsOf(shape, `${field}.`), ...entriesOf(shape, field)];
  // A mapping that says nothing of itself is seen from its fields.
  return own.takes === 'mapping' && own.meaning === '' ? below : [own, ...below];
}

/** The fields of the entries of a list. */
function entriesOf(shape: JsonSchema, field: string): Row[] {
  return alternativesOf(shape).flatMap(({ items }) =>
    typeof items === 'object' ? fieldsOf(items, `${field}[].`) : [],
  );
}

function rowOf(field: string, shape: JsonSchema, required: boolean): Row {
  const fallback = shape['default'];
  const isMapping = typeof fallback === 'object' && fallback !== null && !Array.isArray(fallback);
  return {
    field,
    takes: [...new Set(alternativesOf(shape).map(takes))].filter(Boolean).join(' or '),
    fallback: required ? '**required**' : fallback === undefined || isMapping ? '' : `\`${valueText(fallback)}\``,
    meaning: typeof shape['description'] === 'string' ? shape['description'] : '',
  };
}

/** What one writes there. */
function takes(shape: JsonSchema): string {
  const { title, type, const: only, enum: choices, items, prefixItems, minimum, maximum } = shape;
  if (typeof title === 'string') return title;
  if (only !== undefined) return `\`${valueText(only)}\``;
  if (Array.isArray(choices)) return choices.map((choice) => `\`${valueText(choice)}\``).join(' ');
  if (type === 'array' && Array.isArray(prefixItems))
    return `[${prefixItems.map((item) => takes(item as JsonSchema)).join(', ')}]`;
  if (type === 'array') {
    const entry = typeof items === 'object' ? alternativesOf(items).map(takes).filter(Boolean).join(' or ') : '';
    return entry === '' ? 'list' : `list of ${entry}`;
  }
  if (type === 'number' || type === 'integer')
    return `${type === 'integer' ? 'whole number' : 'number'}${rangeText(minimum, maximum)}`;
  if (type === 'string') return 'text';
  return type === 'boolean' ? '`true` `false`' : type === 'object' ? 'mapping' : '';
}

function rangeText(minimum: unknown, maximum: unknown): string {
  const has = (bound: unknown): bound is number =>
    typeof bound === 'number' && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  if (has(minimum)) return has(maximum) ? `, ${minimum} to ${maximum}` : `, at least ${minimum}`;
  return has(maximum) ? `, at most ${maximum}` : '';
}

function valueText(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  return Array.isArray(value) ? `[${value.map(valueText).join(', ')}]` : JSON.stringify(value);
}

function alternativesOf(shape: JsonSchema): readonly JsonSchema[] {
  return typeof shape['title'] === 'string'
    ? [shape]
    : (shape.anyOf ?? [shape]).flatMap((one) => (one === shape ? [shape] : alternativesOf(one)));
}

function isRequired(shape: JsonSchema, key: string): boolean {
  return Array.isArray(shape['required']) && shape['required'].includes(key);
}
