/** Verdicts as JUnit XML, which every CI system shows: one test case a claim. */

export interface Claim {
  readonly name: string;
  /** Undefined = it holds; else why it does not, one line each. */
  readonly failure?: readonly string[];
}

export function junitOf(suite: string, claims: readonly Claim[], seconds: number): string {
  const failures = claims.filter(({ failure }) => failure !== undefined).length;
  const cases = claims.map(({ name, failure }) => {
    const head = `    <testcase classname="${escaped(suite)}" name="${escaped(name)}"`;
    if (failure === undefined) return `${head}/>`;
    const [first = '', ...rest] = failure;
    return `${head}>\n      <failure message="${escaped(first)}">${escaped(rest.join('\n'))}</failure>\n    </testcase>`;
  });
  const counts = `tests="${claims.length}" failures="${failures}" errors="0" skipped="0" time="${seconds.toFixed(3)}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<testsuites>',
    `  <testsuite name="${escaped(suite)}" ${counts}>`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

/** Also what XML cannot hold at all becomes visible. */
function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll(/[^\P{Cc}\n\t]|[\uD800-\uDFFF\uFFFE\uFFFF]/gu, '\uFFFD');
}
