import { expect, it } from 'vitest';
import { junitOf } from './junit.ts';

it('writes one test case a claim, with what failed, whatever the text', () => {
  const claims = [{ name: 'a & b' }, { name: '"c" <d>', failure: ['1 lost', 'line\u0000 one', 'two]]>'] }];
  expect(junitOf('suite', claims, 1.5)).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="suite" tests="2" failures="1" errors="0" skipped="0" time="1.500">
    <testcase classname="suite" name="a &amp; b"/>
    <testcase classname="suite" name="&quot;c&quot; &lt;d&gt;">
      <failure message="1 lost">line\uFFFD one
two]]&gt;</failure>
    </testcase>
  </testsuite>
</testsuites>
`);
});
