import { describe, expect, it } from 'vitest';
import { Flight } from './flight.ts';

const batch = (id: number) => ({ epochId: 1, lane: 2 as const, first: id, last: id, crc: 0, id, isAcked: false });
const backlog = (id: number) => ({ kind: 'batch', batch: batch(id), hours: [], isBacklog: true }) as const;
const fresh = (id: number) => ({ kind: 'batch', batch: batch(id), hours: [], isBacklog: false }) as const;

describe('Flight', () => {
  it('never lets more batches fly than the window', () => {
    const flight = new Flight(3);
    for (let i = 0; i < 3; i++) flight.add(fresh(i), 0);
    expect(flight.freshCapacity).toBe(0);
    expect(flight.backlogCapacity).toBe(0);
  });

  it('begins with one batch of backlog, probes up while acks come fast, halves when they come slowly', () => {
    const flight = new Flight(32);
    expect(flight.backlogCapacity).toBe(1);
    let now = 0;
    for (let i = 0; i < 7; i++) flight.ack(flight.add(backlog(i), now), (now += 10));
    expect(flight.backlogCapacity).toBe(8);
    flight.ack(flight.add(backlog(9), now), now + 3000);
    expect(flight.backlogCapacity).toBe(4);
  });

  it('keeps places free for fresh data beside the backlog', () => {
    const flight = new Flight(8);
    let now = 0;
    for (let i = 0; i < 50; i++) flight.ack(flight.add(backlog(i), now), (now += 1));
    for (let i = 0; flight.backlogCapacity > 0; i++) flight.add(backlog(100 + i), now);
    expect(flight.freshCapacity).toBe(2);
  });

  it('slows down when the hub asks for a smaller window', () => {
    const flight = new Flight(32);
    let now = 0;
    for (let i = 0; i < 15; i++) flight.ack(flight.add(backlog(i), now), (now += 1));
    flight.window = 4;
    expect(flight.freshCapacity).toBe(4);
    expect(flight.backlogCapacity).toBeLessThanOrEqual(2);
  });

  it('notices when acks stop, and only while something waits', () => {
    const flight = new Flight(4);
    expect(flight.stalledMs(1e9)).toBe(0);
    const first = flight.add(fresh(1), 1000);
    flight.add(fresh(2), 2000);
    expect(flight.stalledMs(5000)).toBe(4000);
    flight.ack(first, 5000);
    expect(flight.stalledMs(6000)).toBe(1000);
  });

  it('ignores acks of an earlier session', () => {
    const flight = new Flight(4);
    const old = flight.add(fresh(1), 0);
    flight.clear();
    expect(flight.ack(old, 1)).toBeUndefined();
    expect(flight.freshCapacity).toBe(4);
  });
});
