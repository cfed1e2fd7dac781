import { describe, expect, it } from 'vitest';
import { factsOf } from '../../src/flows/facts.ts';
import { packageXml } from '../fixtures/libsolv.ts';
import { pin } from '../plan/world.ts';

/** What CentOS Stream 9, Azure Linux 3, EL 6, openSUSE and OFED packages provide, as far as dnf asks. */
const PACKAGES = [
  [
    'kernel-core',
    ['kernel = 5.14.0-427.el9', 'kernel-core-uname-r = x', 'kernel-uname-r = x', 'installonlypkg(kernel)'],
    'kernel',
  ],
  ['kernel', ['kernel = 6.6.1-1'], 'kernel'],
  ['kernel-default', ['kernel = 2.6.25.5-1', 'multiversion(kernel)'], 'kernel'],
  ['kernel-modules', ['installonlypkg(kernel-module)', 'kernel-modules-uname-r = x'], 'other'],
  ['kernel-devel', ['installonlypkg(kernel)', 'kernel-devel-uname-r = x'], 'other'],
  ['kernel-headers', ['glibc-kernheaders = 3.0-46'], undefined],
  ['perf', ['perf = 5.14.0'], undefined],
] as const;

describe('what a plan asks of a build', () => {
  it.each(PACKAGES)('%s is installed beside its other builds, or is not', (name, provides, wanted) => {
    const build = pin(`${name}-5.14.0-427.el9.x86_64`);
    const { nevra } = build;
    for (const obsoletes of [[], ['old < 2']]) {
      // with obsoletes the whole element is read
      const element = packageXml(
        { name: nevra.name, evr: '5.14.0-427.el9', arch: nevra.arch },
        {
          provides: [`${name} = 5.14.0-427.el9`, ...provides],
          requires: ['kernel', 'installonlypkg(vm)'],
          obsoletes,
        },
      );
      const facts = factsOf(new Map([[build.record, element]]), [], []).build(build);
      expect(facts.installOnly).toBe(wanted);
      expect(facts.obsoletes).toEqual(obsoletes.map(() => 'old'));
    }
  });

  it('is read whatever quotes the vendor writes', () => {
    const build = pin('kernel-6-1.x86_64');
    const text = packageXml(
      { name: 'kernel', evr: '6-1', arch: 'x86_64' },
      { provides: ['kernel = 6-1'], requires: [], obsoletes: [] },
    );
    const element = Buffer.from(text.toString().replaceAll('name="kernel"', "name='kernel'"));
    expect(element.equals(text)).toBe(false);
    expect(factsOf(new Map([[build.record, element]]), [], []).build(build).installOnly).toBe('kernel');
  });
});
