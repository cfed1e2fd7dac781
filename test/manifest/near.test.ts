import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Fault } from '../../src/base/fault.ts';
import { parseNear } from '../../src/manifest/near.ts';
import { renderNear } from '../../src/manifest/render-near.ts';
import {
  makeSnapshot,
  parseSnapshot,
  renderSnapshot,
  type Snapshot,
  type SnapshotFiles,
} from '../../src/manifest/snapshot.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { anySnapshot, LIVE_PATH, PARENT, pin, STABLE, STABLE_PATH } from './samples.ts';

const pathOf = (s: Snapshot) => (s.repository.tier === 'live' ? LIVE_PATH : STABLE_PATH);
const known = (snapshot: Snapshot) => ({ snapshot, files: renderSnapshot(snapshot) });

/** What the whole reading says; undefined where it refuses. */
function whole(files: SnapshotFiles, path: string): Snapshot | undefined {
  try {
    return parseSnapshot(files, path);
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

it('is what the whole reading gives, from whatever manifest was read before', () => {
  fc.assert(
    fc.property(anySnapshot, anySnapshot, (near, wanted) => {
      fc.pre(wanted.pins.length > 0); // `packages: {}` is not worth guessing
      const files = renderSnapshot(wanted);
      expect(parseNear(files, pathOf(wanted), known(near))).toEqual(whole(files, pathOf(wanted)));
    }),
  );
});

it('writes what the whole writing gives, from whatever manifest is known', () => {
  const some = fc.tuple(anySnapshot, anySnapshot, fc.nat(), fc.nat());
  fc.assert(
    fc.property(some, ([near, other, from, to]) => {
      const pins = near.pins.filter((_, i) => i < from % 8 || i > to % 8); // the very same objects
      const cut = { ...near, pins };
      const mixed = makeSnapshot({
        ...other,
        pins: [...new Map([...pins, ...other.pins].map((p) => [formatNevra(p.nevra), p])).values()],
      });
      for (const wanted of [other, cut, mixed, near]) {
        expect(renderNear(wanted, known(near))).toEqual(renderSnapshot(wanted));
      }
    }),
  );
});

it('a list that differs in nothing is the very same one', () => {
  const pins = [pin('a-1-1.noarch', 1), pin('b-1-1.noarch', 2)];
  const near = known(makeSnapshot({ repository: STABLE, from: PARENT, pins }));
  expect(parseNear(near.files, STABLE_PATH, near)?.pins).toBe(near.snapshot.pins);
});

it('never reads what the whole reading refuses, or otherwise, wherever a pair was changed', () => {
  const pieces = fc.constantFrom('', '\n', ' ', '0', 'a', ' withdrawn', '"', '\r', '#', 'é');
  const change = fc.record({ lock: fc.boolean(), at: fc.nat(), cut: fc.nat(90), put: pieces });
  fc.assert(
    fc.property(anySnapshot, anySnapshot, change, (near, wanted, { lock, at, cut, put }) => {
      const good = renderSnapshot(wanted);
      const changed = (text: string) =>
        text.slice(0, at % (text.length + 1)) + put + text.slice((at % (text.length + 1)) + cut);
      const files = lock ? { ...good, lock: changed(good.lock) } : { ...good, yaml: changed(good.yaml) };
      for (const one of [near, wanted]) {
        const found = parseNear(files, pathOf(wanted), known(one));
        if (found) expect(found).toEqual(whole(files, pathOf(wanted)));
      }
    }),
  );
});

it('refuses lines out of order, another repository, and a pair that disagrees', () => {
  const some = [pin('a-1-1.noarch', 1), pin('b-1-1.noarch', 2), pin('b-2-1.noarch', 3)];
  const of = (pins: typeof some) => known(makeSnapshot({ repository: STABLE, from: PARENT, pins }));
  const near = of(some);
  const { files } = of([...some, pin('c-1-1.noarch', 4)]);
  expect(parseNear(files, STABLE_PATH, near)?.pins).toHaveLength(4);
  expect(parseNear(files, STABLE_PATH, near)?.pins[0]).toBe(near.snapshot.pins[0]);
  expect(parseNear(files, LIVE_PATH, near)).toBeUndefined();
  const [a, b, ...rest] = files.lock.split('\n\n');
  expect(parseNear({ ...files, lock: [b, a, ...rest].join('\n\n') }, STABLE_PATH, near)).toBeUndefined();
  expect(parseNear({ ...files, lock: near.files.lock }, STABLE_PATH, near)).toBeUndefined();
  expect(parseNear({ ...files, yaml: near.files.yaml }, STABLE_PATH, near)).toBeUndefined();
});
