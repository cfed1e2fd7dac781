import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PackageIndex } from '../../src/repodata/packageIndex.ts';
import { RELATIONS, readPackage } from '../../src/repodata/primary.ts';
import { type Capability, overlaps } from '../../src/rpm/capability.ts';
import { CORPUS } from '../fixtures/oracle.ts';
import { corpusRepositories, document, elementsOf, packageElement, repomdOf } from '../fixtures/repodata.ts';
import { ALL } from '../fixtures/sample.ts';
import { fault } from './fault.ts';

/** What the index says of a build, in the words of readPackage. */
function told(index: PackageIndex, build: number) {
  const relations = RELATIONS.map((r) => [r, [...index.relation(build, r)].map((n) => index.capability(n))]);
  return { nevra: index.nevra(build), ...Object.fromEntries(relations), files: index.filesOf(build) };
}

function read(element: Buffer) {
  const { nevra, files, ...rest } = readPackage(element, 'x');
  return { nevra, ...Object.fromEntries(RELATIONS.map((r) => [r, rest[r]])), files };
}

const provide = (name: string, version = ''): string => `<rpm:entry name="${name}"${version}/>`;
const build = (name: string, provides: string, requires = '', files = ''): Buffer =>
  packageElement({
    name: `<name>${name}</name>`,
    format: `<rpm:provides>${provides}</rpm:provides><rpm:requires>${requires}</rpm:requires>${files}`,
  });

describe('the index', () => {
  const index = new PackageIndex();
  const v = (ver: string): string => ` flags="EQ" epoch="0" ver="${ver}" rel="1"`;
  index.add(build('a', provide('x', v('1')) + provide('x', v('3'))));
  index.add(build('b', provide('x', v('2')), provide('/usr/bin/tool'), '<file>/usr/bin/tool</file>'));
  index.add(build('a', provide('y') + provide('tom &amp; jerry'), '', '<file>/a&amp;b</file>'));

  it('knows the builds of a name', () => {
    expect(index.size).toBe(3);
    expect(index.named('a')).toEqual([0, 2]);
    expect(index.named('constructor')).toEqual([]);
    expect(index.named('x')).toEqual([]);
  });
  it('knows who provides a name, each once', () => {
    expect(index.providing('x')).toEqual([0, 1]);
    expect(index.providing('/usr/bin/tool')).toEqual([1]);
    expect(index.providing('tom & jerry')).toEqual([2]);
    expect(index.providing('/a&b')).toEqual([2]);
    expect(index.providing('__proto__')).toEqual([]);
  });
  it('knows who satisfies a range', () => {
    expect(index.satisfying({ name: 'x', flags: 'GE', version: '2' })).toEqual([0, 1]);
    expect(index.satisfying({ name: 'x', flags: 'EQ', version: '2' })).toEqual([1]);
    expect(index.satisfying({ name: 'x', flags: 'GT', version: '3' })).toEqual([]);
    expect(index.satisfying({ name: 'y', flags: 'GT', version: '3' })).toEqual([2]);
    expect(index.satisfying({ name: '/usr/bin/tool' })).toEqual([1]);
  });
  it('is told further files', () => {
    index.addFiles(0, ['/usr/lib/late']);
    expect(index.satisfying({ name: '/usr/lib/late' })).toEqual([0]);
    expect(index.filesOf(0)).toEqual(['/usr/lib/late']);
  });
  it('refuses a build that it does not have, and an element that is no package', () => {
    expect(fault(() => index.nevra(99))).toBe('METADATA_INVALID');
    expect(fault(() => index.add(Buffer.from('<package>')))).toBe('METADATA_INVALID');
    expect(
      fault(() => index.add(packageElement({ version: '<version epoch="0" ver="1-2" rel="1"/>' }))),
    ).toBe('MALFORMED');
    expect(index.size).toBe(3);
    expect(told(index, index.add(packageElement()))).toEqual(read(packageElement()));
  });
});

describe('satisfiers by number', () => {
  const v = (flags: string, ver: string): string => ` flags="${flags}" epoch="0" ver="${ver}"`;
  const requires = [
    provide('x', v('GE', '2')),
    provide('x', `${v('GE', '2')} pre="1"`),
    provide('/usr/bin/tool'),
    provide('/usr/share/late'),
    provide('/a&amp;b'),
    provide('&#x2f;a&amp;b'),
    provide('(x or y)'),
    provide('nobody'),
  ];
  const index = new PackageIndex();
  index.add(build('a', provide('x', v('EQ', '1')) + provide('x', v('EQ', '3')), requires.join('')));
  index.add(
    build('b', provide('x', v('EQ', '3')) + provide('/usr/bin/tool'), '', '<file>/usr/bin/tool</file>'),
  );
  index.add(build('c', '', provide('nobody'), '<file>/usr/bin/tool</file><file>/a&#38;b</file>'));
  const numbers = index.relation(0, 'requires');
  const answers = () => [...numbers].map((n) => [index.capability(n).name, [...index.satisfiersOf(n)]]);

  it('are ascending, of provides and files, none twice', () => {
    expect(answers()).toEqual([
      ['x', [0, 1]],
      ['x', [0, 1]],
      ['/usr/bin/tool', [1, 2]],
      ['/usr/share/late', []],
      ['/a&b', [2]],
      ['/a&b', [2]],
      ['(x or y)', []],
      ['nobody', []],
    ]);
  });
  it('are worked out once', () => {
    for (const n of numbers) expect(index.satisfiersOf(n)).toBe(index.satisfiersOf(n));
  });
  it('know further files and further builds', () => {
    index.addFiles(0, ['/usr/share/late', '/usr/share/late', '/usr/bin/tool']);
    index.addFiles(2, ['/usr/bin/tool']);
    expect(index.filesOf(2)).toEqual(['/usr/bin/tool', '/a&b']);
    expect(Object.fromEntries(answers())).toMatchObject({
      '/usr/share/late': [0],
      '/usr/bin/tool': [0, 1, 2],
      x: [0, 1],
    });
    index.add(build('d', provide('nobody') + provide('nobody', v('EQ', '1'))));
    expect(Object.fromEntries(answers())).toMatchObject({ nobody: [3], '/usr/bin/tool': [0, 1, 2] });
  });
  it('know rich dependencies and paths by their first letter', () => {
    const is = (test: (n: number) => boolean) => [...numbers].map((n) => (test(n) ? 1 : 0)).join('');
    expect(is((n) => index.isRich(n))).toBe('00000010');
    expect(is((n) => index.isPath(n))).toBe('00111100');
  });
  it('are asked of each distinct requirement', () => {
    expect([...index.distinct('requires')]).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect(index.distinct('obsoletes')).toHaveLength(0);
    expect(index.capabilities).toBeGreaterThan(numbers.length);
  });

  it.each(['centos-9-baseos/v1-2024-03', 'pgdg-common', 'opensuse-11.0-update'].filter(() => CORPUS))(
    'of %s are those that a look at every provide finds',
    async (path) => {
      const folder = join(CORPUS ?? '', path);
      const elements = await elementsOf(
        document(folder, repomdOf(folder), 'primary') ?? Buffer.alloc(0),
        'package',
        path,
      );
      const all = new PackageIndex();
      const provided = new Map<string, { build: number; provide: Capability }[]>();
      for (const element of elements) {
        const number = all.add(element);
        const { provides, files } = readPackage(element, path);
        for (const provide of [...provides, ...files.map((name) => ({ name }))]) {
          provided.set(provide.name, [...(provided.get(provide.name) ?? []), { build: number, provide }]);
        }
      }
      let found = 0;
      for (const number of all.distinct('requires')) {
        const require = all.capability(number);
        const wanted = (provided.get(require.name) ?? [])
          .filter(({ provide }) => overlaps(provide, require))
          .map(({ build: provider }) => provider);
        const expected = [...new Set(wanted)].sort((a, b) => a - b);
        expect([...all.satisfiersOf(number)], require.name).toEqual(expected);
        expect(all.satisfying(require)).toEqual(expected);
        found += expected.length;
      }
      expect(found).toBeGreaterThan(300);
    },
  );
});

describe('reads what readPackage reads', () => {
  it.each([
    ['single quotes', "<rpm:requires><rpm:entry name='a' flags='EQ' ver='1'/></rpm:requires>"],
    ['another order', '<rpm:requires><rpm:entry flags="EQ" ver="1" name="a"/></rpm:requires>'],
    ['> inside quotes', '<rpm:requires><rpm:entry name="a > b/>"/></rpm:requires>'],
    [
      'a name like a tag',
      '<rpm:requires><rpm:entry name="&lt;rpm:entry name=&quot;x&quot;/>"/></rpm:requires>',
    ],
    ['end tags', '<rpm:requires><rpm:entry name="a"></rpm:entry></rpm:requires>'],
    [
      'a relation in two parts',
      '<rpm:requires><rpm:entry name="a"/></rpm:requires><rpm:provides><rpm:entry name="p"/></rpm:provides><rpm:requires><rpm:entry name="b"/></rpm:requires>',
    ],
    ['an empty relation', '<rpm:requires/><rpm:provides></rpm:provides>'],
    ['entries of no relation', '<rpm:others><rpm:entry name="a"/></rpm:others>'],
    ['attributes of a relation', '<rpm:requires lang="x"><rpm:entry name="a"/></rpm:requires>'],
    ['spaces', '<rpm:requires ><rpm:entry  name = "a" /></rpm:requires >'],
    [
      'enhances and entries',
      '<rpm:enhances><rpm:entry name="a"/></rpm:enhances><rpm:supplements><rpm:entry name="b"/></rpm:supplements>',
    ],
    ['file types', '<file type="dir">/etc</file><file type="ghost">/x</file><file type=\'dir\'>/y</file>'],
    ['an empty file', '<file/><file></file>'],
    ['a comment', '<!-- <rpm:requires> --><rpm:requires><rpm:entry name="a"/></rpm:requires>'],
    ['beyond ASCII', '<rpm:requires><rpm:entry name="Käse(☃)"/></rpm:requires><file>/Käse</file>'],
    ['a reference', '<rpm:requires><rpm:entry name="a&#x41;&amp;"/></rpm:requires><file>/&#x41;</file>'],
    ['no epoch', '<rpm:requires><rpm:entry name="a" flags="GE" ver="1" pre="1"/></rpm:requires>'],
  ])('of %s', (_, format) => {
    const index = new PackageIndex();
    const element = packageElement({ format });
    index.add(packageElement());
    expect(told(index, index.add(element))).toEqual(read(element));
    index.add(packageElement());
    expect(told(index, 2)).toEqual(read(packageElement()));
  });

  it.each(
    corpusRepositories().filter((path) =>
      /^(?:centos-9-(?:app.*01$|base)|opensuse|pgdg-c|azure.*001|elrepo.*001)/.test(path),
    ),
  )('of %s', async (path) => {
    const folder = join(CORPUS ?? '', path);
    const bytes = document(folder, repomdOf(folder), 'primary');
    const elements = bytes ? await elementsOf(bytes, 'package', path) : [];
    const index = new PackageIndex();
    for (const element of elements) index.add(element);
    expect(elements.length).toBeGreaterThan(0);
    const step = elements.length > 5000 ? 7 : 1; // a seventh of AppStream: 2,500 builds
    for (let i = 0; i < elements.length; i += step) {
      expect(told(index, i)).toEqual(read(elements[i] ?? Buffer.alloc(0)));
    }
  });

  it('of anything', () => {
    const word = fc.stringMatching(/^[a-z/()"'<>&= .]{1,12}$/);
    const quoted = fc.tuple(fc.constantFrom('"', "'"), word).map(([mark, text]) => {
      const escapes: Record<string, string> = {
        '&': '&amp;',
        '<': '&lt;',
        [mark]: mark === '"' ? '&quot;' : '&apos;',
      };
      return mark + text.replace(/[&<"']/g, (c) => escapes[c] ?? c) + mark;
    });
    const attribute = fc.constantFrom(
      'flags="GE" ver="1"',
      'pre="1"',
      'ver="2"',
      "flags='EQ' ver='3' rel='1'",
      'epoch="1"',
    );
    const entry = fc
      .tuple(
        quoted,
        fc.uniqueArray(attribute, { maxLength: 1 }),
        fc.boolean(),
        fc.constantFrom('/>', ' />', '></rpm:entry>'),
      )
      .map(
        ([name, more, first, end]) =>
          `<rpm:entry ${(first ? [`name=${name}`, ...more] : [...more, `name=${name}`]).join(' ')}${end}`,
      );
    const section = fc
      .tuple(fc.constantFrom(...RELATIONS), fc.array(entry, { maxLength: 4 }))
      .map(([name, entries]) => `<rpm:${name}>${entries.join('\n')}</rpm:${name}>`);
    const file = word.map((text) => `<file>/${text.replace(/[&<]/g, '')}</file>`);
    const format = fc.array(fc.oneof(section, file), { maxLength: 5 }).map((parts) => parts.join(' '));
    fc.assert(
      fc.property(fc.array(format, { minLength: 1, maxLength: 4 }), (formats) => {
        const index = new PackageIndex();
        const elements = formats.map((text) => packageElement({ format: text }));
        for (const element of elements) index.add(element);
        for (const [i, element] of elements.entries()) expect(told(index, i)).toEqual(read(element));
      }),
      { numRuns: ALL ? 500 : 100 },
    );
  });
});
