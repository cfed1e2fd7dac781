import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { amendSnapshot, makeSnapshot, type Snapshot } from '../../src/manifest/snapshot.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { anySnapshot, faultOf, PARENT, pin, STABLE } from './samples.ts';

const stable = makeSnapshot({
  repository: STABLE,
  from: PARENT,
  pins: [
    pin('openssl-1:3.0.7-28.el9.x86_64', 3),
    pin('kernel-core-5.14.0-503.11.1.el9_5.x86_64', 2),
    pin('kernel-core-5.14.0-427.13.1.el9_4.x86_64', 1, true),
  ],
});

describe('a snapshot with other pins', () => {
  const fields = ({ repository, from, modules }: Snapshot) => ({ repository, from, modules });

  it('is what it would be if it were made of them', () => {
    fc.assert(
      fc.property(anySnapshot, fc.array(fc.boolean()), fc.array(fc.boolean()), (s, there, goes) => {
        const pins = s.pins.filter((_, i) => there[i]);
        const without = new Set(pins.filter((_, i) => goes[i]));
        const added = s.pins.filter((pin, i) => !there[i] || without.has(pin)).reverse();
        const before = makeSnapshot({ ...fields(s), pins });
        const after = [...pins.filter((pin) => !without.has(pin)), ...added];
        expect(amendSnapshot(before, { without, pins: added }, fields(s))).toEqual(
          makeSnapshot({ ...fields(s), pins: after }),
        );
      }),
    );
  });

  it('has no build twice, and none that cannot be written', () => {
    const amend = (text: string, size = 1) => {
      const pins = [{ ...pin(text), size }];
      return faultOf(() => amendSnapshot(stable, { without: new Set(), pins }, fields(stable)));
    };
    const twice = faultOf(() => makeSnapshot({ ...fields(stable), pins: [...stable.pins, ...stable.pins] }));
    for (const { nevra } of stable.pins) expect(amend(formatNevra(nevra))).toContain(twice.slice(0, 20));
    expect(amend('zsh-1-1.x86_64', 0)).toContain('zsh-1-1.x86_64');
  });
});
