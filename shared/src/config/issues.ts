/** What a schema refuses, in words a user can act on. */
import type { z } from 'zod';
import { didYouMean } from '../suggest.ts';
import { type JsonSchema, knownKeys } from './json-schema.ts';
import type { ConfigPath, Places, Problem } from './places.ts';

type Issue = z.core.$ZodIssue;

const kinds: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'a mapping (key: value)',
  record: 'a mapping (key: value)',
};

export function problemsOf(issues: readonly Issue[], tree: unknown, shape: JsonSchema, places: Places): Problem[] {
  return issues.flatMap((issue) => problemsOfIssue(issue, [], tree, shape, places));
}

/** Issues with the branches of unions resolved to the alternative that the user most likely meant. */
export function flatIssues(issues: readonly Issue[], tree: unknown): Issue[] {
  return issues.flatMap((issue) => {
    const input = valueAt(tree, issue.path as ConfigPath);
    const branch = issue.code === 'invalid_union' ? likeliestBranch(issue.errors, input) : undefined;
    if (branch === undefined) return [issue];
    return flatIssues(branch, input).map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
  });
}

function problemsOfIssue(issue: Issue, base: ConfigPath, tree: unknown, shape: JsonSchema, places: Places): Problem[] {
  const path = [...base, ...(issue.path as (string | number)[])];
  const input = valueAt(tree, path);
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(shape, path);
    return issue.keys.map((key) => {
      const guess = didYouMean(key, known);
      const message = `unknown key${guess === '' ? `; known here: ${known.join(', ')}` : guess}`;
      return { place: places.ofKey([...path, key]), path: [...path, key], message };
    });
  }
  if (issue.code === 'invalid_union') {
    const branch = likeliestBranch(issue.errors, input);
    if (branch !== undefined) return branch.flatMap((inner) => problemsOfIssue(inner, path, tree, shape, places));
    const wanted = issue.errors.flatMap((errors) =>
      errors.map((error) => ('expected' in error ? kind(error.expected) : '')),
    );
    return [{ place: places.ofValue(path), path, message: wrongType([...new Set(wanted)].join(' or '), input) }];
  }
  if (issue.code === 'invalid_key') {
    const message = issue.issues.map((inner) => inner.message).join('; ');
    return [{ place: places.ofKey(path), path, message }];
  }
  return [{ place: places.ofValue(path), path, message: messageFor(issue, input) }];
}

/** The alternative of a union whose outermost type fits: there the user made the mistake. */
function likeliestBranch(branches: readonly (readonly Issue[])[], input: unknown): readonly Issue[] | undefined {
  const refusesWhole = (branch: readonly Issue[], code: Issue['code']): boolean =>
    branch.some((issue) => issue.code === code && issue.path.length === 0);
  const typed = branches.filter((branch) => !refusesWhole(branch, 'invalid_type'));
  const fitting = typed.find((branch) => !refusesWhole(branch, 'invalid_value'));
  return fitting ?? (typeof input === 'object' ? undefined : typed[0]);
}

function messageFor(issue: Issue, input: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(kind(issue.expected), input);
    case 'invalid_value':
      return wrongValue(issue.values.map(String), input);
    case 'too_small':
      return bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum, input);
    case 'too_big':
      return bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum, input);
    default:
      return issue.message;
  }
}

function wrongValue(allowed: readonly string[], input: unknown): string {
  if (input === undefined) return `is required: ${allowed.join(' or ')}`;
  const isQuoted = typeof input === 'string' && allowed.includes(input);
  const hint = isQuoted ? ': remove the quotes' : typeof input === 'string' ? didYouMean(input, allowed) : '';
  return `${show(input)} is not ${allowed.length === 1 ? '' : 'one of '}${allowed.join(', ')}${hint}`;
}

function bound(origin: string, words: string, limit: number | bigint, input: unknown): string {
  if (origin === 'string') return limit === 1 ? 'must not be empty' : `must have ${words} ${limit} characters`;
  if (origin === 'array') return `must have ${words} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  return `${show(input)} must be ${words} ${limit}`;
}

function wrongType(wanted: string, input: unknown): string {
  if (input === undefined) return 'is required';
  if (input === null) return `is empty: expected ${wanted}`;
  const hint = typeHint(wanted, input);
  return `expected ${wanted}, got ${show(input)}${hint}`;
}

function typeHint(wanted: string, input: unknown): string {
  if (typeof input !== 'string') return '';
  const word = input.toLowerCase();
  if (wanted.includes('true or false')) {
    if (['yes', 'on', 'y'].includes(word)) return ': write true';
    if (['no', 'off', 'n'].includes(word)) return ': write false';
  }
  const isNumeric = input.trim() !== '' && Number.isFinite(Number(input));
  return wanted.includes('number') && isNumeric ? ': remove the quotes' : '';
}

function kind(expected: string): string {
  return kinds[expected] ?? expected;
}

function show(input: unknown): string {
  if (typeof input === 'string')
    return `the text ${JSON.stringify(input.length > 60 ? `${input.slice(0, 57)}…` : input)}`;
  if (Array.isArray(input)) return 'a list';
  return typeof input === 'object' ? 'a mapping' : JSON.stringify(input);
}

export function valueAt(tree: unknown, path: ConfigPath): unknown {
  let value: unknown = tree;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}
