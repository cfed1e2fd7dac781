import { expect, it } from 'vitest';
import { Fault } from '../../../src/base/fault.ts';
import { faultLine } from '../../../src/flows/main.ts';
import { parseNevra } from '../../../src/rpm/nevra.ts';
import { makeRepository } from '../../fixtures/upstreamRepository.ts';
import { HOSTILE } from '../../report/bodies.ts';
import { expectRefused, NEWER, sharedTarget } from './attack.ts';

const target = sharedTarget();

it.each(HOSTILE.map((text) => [text.slice(0, 30), text]))(
  '%j is words in an annotation and in a log',
  (_short, text) => {
    const fault = new Fault('POLICY_INVALID', text, { hint: text, at: `policies/${text}.yaml:1:2` });
    for (const annotate of [true, false]) {
      const line = faultLine(fault, annotate);
      expect(line.split(/[\r\n\u2028\u2029]/)).toHaveLength(1);
      expect(line).not.toMatch(/[\0-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
      expect(line.match(/^(?:::|##\[)/)?.[0]).toBe(annotate ? '::' : undefined);
      expect(line.startsWith('::error')).toBe(annotate);
      expect(line.length).toBeLessThan(5_000);
    }
  },
);

it('a name with a letter of another alphabet (b\u0430sh) is no name: the sync is refused', async () => {
  const name = 'b\u0430sh';
  expect(() => parseNevra(`${name}-1.0-1.el9.x86_64`)).toThrow();
  const { lay, sync } = target();
  await lay(makeRepository({ builds: [{ name: 'alpha' }, { name }], timestamp: NEWER }));
  await expectRefused(target(), sync, { code: ['MALFORMED', 'METADATA_INVALID', 'RPM_INVALID'], at: /./ });
});
