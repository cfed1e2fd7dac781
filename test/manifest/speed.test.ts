import { expect, it } from 'vitest';
import { makeSnapshot, parseSnapshot, renderSnapshot } from '../../src/manifest/snapshot.ts';
import { manyPins } from './manyPins.ts';
import { PARENT, STABLE, STABLE_PATH } from './samples.ts';

/** Of the processor, in milliseconds: the best of three runs, so that other work on the machine does not count. */
function cost(run: () => unknown): number {
  const times = [1, 2, 3].map(() => {
    const began = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(began);
    return (user + system) / 1_000;
  });
  return Math.min(...times);
}

const filesOf = (count: number) =>
  renderSnapshot(makeSnapshot({ repository: STABLE, from: PARENT, pins: manyPins(count) }));

it('20,000 pins are read and held against their canonical form well under a second', () => {
  const files = filesOf(20_000);
  expect(parseSnapshot(files, STABLE_PATH).pins).toHaveLength(20_000);
  expect(cost(() => parseSnapshot(files, STABLE_PATH))).toBeLessThan(800);
});

it('three times the pins cost no more than some five times as much', () => {
  const [few, many] = [filesOf(20_000), filesOf(60_000)];
  const once = cost(() => parseSnapshot(few, STABLE_PATH));
  expect(cost(() => parseSnapshot(many, STABLE_PATH))).toBeLessThan(5 * once + 100);
});
