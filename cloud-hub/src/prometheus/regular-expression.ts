/**
 * Regular expressions in RE2's syntax, as Prometheus has them, matched in linear time: an expression that a caller sends can never make the
 * hub spin. They match whole values.
 */
import { RE2JS } from 're2js';
import { badData } from './errors.ts';

/** A dashboard with many values chosen sends long alternatives; repetitions of repetitions are short and grow large. */
const limits = { charactersMax: 8_000, instructionsMax: 1_000 } as const;

export interface RegularExpression {
  isMatch(text: string): boolean;
  /** `template` with `$1`, `${1}` and `${name}` filled in; undefined when `text` does not match. */
  expand(text: string, template: string): string | undefined;
}

/** Throws `query_invalid`. */
export function compileExpression(source: string): RegularExpression {
  if (source.length > limits.charactersMax) {
    throw badData(`a regular expression of ${source.length} characters; at most ${limits.charactersMax} are accepted`);
  }
  const compiled = compiledFrom(source);
  if (compiled.programSize() > limits.instructionsMax) {
    throw badData(`the regular expression ${JSON.stringify(source)} repeats too much; simplify its {n,m}`);
  }
  return {
    isMatch: (text) => compiled.matches(text),
    expand(text, template) {
      const matcher = compiled.matcher(text);
      if (!matcher.matches()) return undefined;
      const names = new Map(Object.entries(compiled.namedGroups()));
      const groupOf = (reference: string): string => {
        const index = /^\d+$/.test(reference) ? Number(reference) : names.get(reference);
        return index === undefined || index > matcher.groupCount() ? '' : (matcher.group(index) ?? '');
      };
      return template.replace(/\$(?:\$|\{(\w+)\}|(\w+))/g, (whole: string, braced?: string, bare?: string) =>
        whole === '$$' ? '$' : groupOf(braced ?? bare ?? ''),
      );
    },
  };
}

function compiledFrom(source: string): RE2JS {
  try {
    return RE2JS.compile(source, RE2JS.DOTALL);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw badData(`the regular expression ${JSON.stringify(source)} cannot be used: ${why}`);
  }
}
