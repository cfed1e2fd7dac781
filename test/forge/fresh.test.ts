import { describe, expect, it } from 'vitest';
import { thawsAt } from '../../src/forge/fresh.ts';

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
