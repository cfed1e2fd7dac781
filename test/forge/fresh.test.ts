import { describe, expect, it } from 'vitest';
import { keptRewrites, restsUntil, thawsAt } from '../../src/forge/fresh.ts';

const TUESDAYS = { days: ['tue'], from: '09:00', to: '17:00', zone: 'UTC' } as const;
const HEAD = 'a'.repeat(40);
const approvedAt = (...times: string[]) => ({
  head: HEAD,
  approvals: times.map((at) => ({ by: 'anna', at: new Date(at), head: HEAD })),
});

describe('an approval is of use until it could have been merged', () => {
  it.each([
    ['in a window: that one is left', '2026-03-10T10:00:00Z', '2026-03-17T09:00:00.000Z'],
    ['before a window: the next one is left', '2026-03-12T10:00:00Z', '2026-03-24T09:00:00.000Z'],
    ['at the moment it opens', '2026-03-17T09:00:00Z', '2026-03-24T09:00:00.000Z'],
    ['at the moment it closes', '2026-03-17T17:00:00Z', '2026-03-31T09:00:00.000Z'],
  ])('%s', (_what, at, thaws) => {
    expect(thawsAt(approvedAt(at), TUESDAYS)?.toISOString()).toBe(thaws);
  });

  it('without a window it is seven days from the last one; of another head it is nothing', () => {
    const two = approvedAt('2026-03-10T10:00:00Z', '2026-03-11T10:00:00Z');
    expect(thawsAt(two)?.toISOString()).toBe('2026-03-18T10:00:00.000Z');
    expect(thawsAt({ ...two, head: 'b'.repeat(40) }, TUESDAYS)).toBeUndefined();
  });
});

describe('news every night', () => {
  const nights = (...days: number[]) => days.map((day) => new Date(Date.UTC(2026, 2, day, 3)));
  const now = new Date('2026-03-05T03:00:00Z');

  it('rewrite it on three days of a week; then it rests for three days', () => {
    expect(restsUntil(nights(3, 4), now)).toBeUndefined();
    expect(restsUntil(nights(2, 3, 4), now)?.toISOString()).toBe('2026-03-07T03:00:00.000Z');
    expect(restsUntil(nights(2, 3, 4), new Date('2026-03-07T03:00:00Z'))).toBeUndefined();
    const burst = [0, 10, 20, 30].map((minute) => new Date(Date.UTC(2026, 2, 5, 2, minute)));
    expect(restsUntil(burst, now)).toBeUndefined(); // of one day: that is for the cap of an hour
    expect(restsUntil([...nights(1, 2), ...burst], now)?.toISOString()).toBe('2026-03-08T02:30:00.000Z');
  });

  it('are kept as far as the caps count: each of the last hour, the last of each day of the week', () => {
    const old = new Date('2026-02-01T00:00:00Z');
    const day = [1, 2, 3].map((hour) => new Date(Date.UTC(2026, 2, 3, hour)));
    const hour = [10, 20, 30].map((minute) => new Date(Date.UTC(2026, 2, 5, 2, minute)));
    expect(keptRewrites([old, ...day, ...hour], now)).toEqual([day[2], ...hour]);
  });
});
