import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasCode } from './errors.ts';
import { compileTopicPattern, filterProblem, topicMatches, topicProblem } from './topic-filter.ts';

describe('topicMatches', () => {
  // MQTT 3.1.1 §4.7.1 and §4.7.2.
  it.each([
    ['sport/tennis/player1/#', 'sport/tennis/player1', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/ranking', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
    ['sport/tennis/player1/#', 'sport/tennis/player12', false],
    ['sport/#', 'sport', true],
    ['#', 'a/b/c', true],
    ['#', '/', true],
    ['sport/tennis/+', 'sport/tennis/player1', true],
    ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
    ['sport/+', 'sport', false],
    ['sport/+', 'sport/', true],
    ['+/+', '/finance', true],
    ['/+', '/finance', true],
    ['+', '/finance', false],
    ['+/tennis/#', 'x/tennis', true],
    ['#', '$SYS/uptime', false],
    ['+/monitor/Clients', '$SYS/monitor/Clients', false],
    ['$SYS/#', '$SYS/uptime', true],
    ['$SYS/monitor/+', '$SYS/monitor/Clients', true],
    ['a/b', 'a/b', true],
    ['a/b', 'A/b', false],
    ['a/b', 'a/b/', false],
    ['a/b/', 'a/b', false],
    ['a', 'ab', false],
    ['ab', 'a', false],
    ['a//b', 'a//b', true],
    ['a/+/b', 'a//b', true],
    ['+', '', true],
  ])('%s on %s: %s', (filter, topic, isMatch) => {
    expect(topicMatches(filter, topic)).toBe(isMatch);
  });

  it('agrees with a level-by-level reading of the specification', () => {
    const level = fc.constantFrom('a', 'b', 'ab', '', '$s');
    const topics = fc.array(level, { minLength: 1, maxLength: 5 });
    const filters = fc.tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 5 }), fc.boolean());
    const reference = (filter: readonly string[], topic: readonly string[]): boolean => {
      const [head, ...rest] = filter;
      if (head === '#') return true;
      if (head === undefined || topic.length === 0) return head === undefined && topic.length === 0;
      return (head === '+' || head === topic[0]) && reference(rest, topic.slice(1));
    };
    fc.assert(
      fc.property(filters, topics, ([levels, isOpen], topic) => {
        const filter = isOpen ? [...levels, '#'] : levels;
        const isHidden = topic[0]?.startsWith('$') === true && filter[0] === '+';
        expect(topicMatches(filter.join('/'), topic.join('/'))).toBe(!isHidden && reference(filter, topic));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('compileTopicPattern', () => {
  it('captures levels by name, in an MQTT filter that subscribes to them', () => {
    const pattern = compileTopicPattern('sites/{site}/+/{device}/climate/#');
    expect(pattern.filter).toBe('sites/+/+/+/climate/#');
    expect(pattern.captures).toEqual(['site', 'device']);
    expect(pattern.match('sites/north/floor1/d-7/climate/now')).toEqual({ site: 'north', device: 'd-7' });
    expect(pattern.match('sites/north/floor1/d-7/climate')).toEqual({ site: 'north', device: 'd-7' });
    expect(pattern.match('sites/north/d-7/climate')).toBeUndefined();
  });

  it('captures an empty level as an empty text, for the caller to refuse', () => {
    expect(compileTopicPattern('s/{device}/t').match('s//t')).toEqual({ device: '' });
  });

  it('does not match topics of the broker with a leading capture', () => {
    expect(compileTopicPattern('{root}/x').match('$SYS/x')).toBeUndefined();
  });

  it('matches plain topics and `+` without capturing', () => {
    expect(compileTopicPattern('a/b').match('a/b')).toEqual({});
    expect(compileTopicPattern('a/+').match('a/b')).toEqual({});
    expect(compileTopicPattern('a/b').match('a/c')).toBeUndefined();
  });

  it.each([
    ['', /empty/],
    ['a/#/b', /last level/],
    ['a/b#', /whole level/],
    ['a/b+/c', /whole level/],
    ['a/x{device}', /whole level/],
    ['a/{device}x', /whole level/],
    ['a/{device', /whole level/],
    ['a/{{device}}', /whole level/],
    ['a/{}', /no capture name/],
    ['a/{Device}', /no capture name/],
    ['a/{1st}', /no capture name/],
    ['{device}/{device}', /twice/],
    ['a\0b', /U\+0000/],
    [Array.from({ length: 101 }, () => 'x').join('/'), /100 levels/],
  ])('refuses %j with the reason', (pattern, reason) => {
    try {
      compileTopicPattern(pattern);
      expect.unreachable();
    } catch (error) {
      expect(hasCode(error, 'config_invalid')).toBe(true);
      expect(String(error)).toMatch(reason);
    }
  });
});

describe('problems of names', () => {
  it('tells filters from topic names', () => {
    expect(filterProblem('a/+/#')).toBeUndefined();
    expect(topicProblem('a/b')).toBeUndefined();
    expect(topicProblem('a/+')).toMatch(/wildcard/);
    expect(topicProblem('x'.repeat(65_536))).toMatch(/longer/);
  });
});
