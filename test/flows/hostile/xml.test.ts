import { describe, expect, it } from 'vitest';
import { ALL, sampled } from '../../fixtures/sample.ts';
import { tempDir } from '../../fixtures/tempDir.ts';
import type { Files } from '../../fixtures/upstreamRepository.ts';
import { expectLine, expectRefused, ID, later, makeTarget, sharedTarget, withDocument } from './attack.ts';

const target = sharedTarget();

const LAUGHS = `<!DOCTYPE x [<!ENTITY a "ha">${Array.from({ length: 30 }, (_, i) => `<!ENTITY a${i} "&a${i === 0 ? '' : i - 1};&a${i === 0 ? '' : i - 1};">`).join('')}]>`;
const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>';
const after = (what: string) => (xml: string) => xml.replace(DECLARATION, `${DECLARATION}${what}`);
const summary = (what: string) => (xml: string) =>
  xml.replace(/Says hello|<file>.*?<\/file>|<revision>1/, (m) =>
    m.startsWith('<revision') ? `<revision>${what}` : m.startsWith('<file') ? `<file>${what}</file>` : what,
  );

/** Group 5, done to one document. What it does is the same for primary, filelists and repomd.xml. */
const CASES: readonly (readonly [what: string, change: (xml: string) => string | Buffer])[] = [
  ['a DOCTYPE', after('<!DOCTYPE x>')],
  ['an internal entity', after('<!DOCTYPE x [<!ENTITY a "b">]>')],
  ['a billion laughs', after(LAUGHS)],
  ['an external entity', after('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>')],
  ['a parameter entity', after('<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1/x.dtd"> %a;]>')],
  ['an external DTD', after('<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd">')],
  ['two DOCTYPEs', after('<!DOCTYPE x><!DOCTYPE x [<!ENTITY a "b">]>')],
  ['a DOCTYPE in lower case', after('<!doctype x>')],
  ['an entity that nobody declared', summary('&copy;')],
  ['a reference to no character', summary('&#0;')],
  ['a reference past Unicode', summary('&#x110000;')],
  [
    'a mis-nested element',
    (xml) =>
      xml
        .replace('</version>', '')
        .replace('</package>', '</version></package>')
        .replace('</revision>', '</data></revision>')
        .replace('</time>', '</name>'),
  ],
  ['an element that never ends', (xml) => xml.slice(0, xml.lastIndexOf('</'))],
  ['cut in the middle', (xml) => xml.slice(0, xml.length >> 1)],
  ['something after the end', (xml) => `${xml}<metadata/>`],
  ['UTF-16', (xml) => Buffer.from(`\ufeff${xml.replace('UTF-8', 'UTF-16')}`, 'utf16le')],
  ['declared as ISO-8859-1', (xml) => xml.replace('UTF-8', 'ISO-8859-1')],
  ['declared as UTF-7', (xml) => xml.replace('UTF-8', 'UTF-7')],
  [
    'invalid UTF-8',
    (xml) =>
      Buffer.concat([
        Buffer.from(xml.slice(0, xml.indexOf('1'))),
        Buffer.from([0xc3, 0x28]),
        Buffer.from(xml.slice(xml.indexOf('1'))),
      ]),
  ],
  [
    'an overlong slash',
    (xml) =>
      Buffer.from(xml.replace(/Says hello|\/usr\/bin\/x|<revision>1/, '$&\u00ff'), 'utf8').map(
        (b) => b,
      ) as Buffer,
  ],
  [
    'a duplicate attribute',
    (xml) => xml.replace(/<(package|data) (\w+)="([^"]*)"/, '<$1 $2="$3" $2="other"'),
  ],
  [
    'an attribute without quotes',
    (xml) => xml.replace(/<(package|data) type="(\w+)"|<package pkgid="(\w+)"/, '<$1 type=$2$3'),
  ],
  ['a NUL', (xml) => xml.replace(/Says hello|\/usr\/bin\/x|<revision>1/, '$&\0')],
];

const DOCUMENTS = {
  primary: (change: (xml: string) => string | Buffer): Files => withDocument('primary', change),
  filelists: (change: (xml: string) => string | Buffer): Files => withDocument('filelists', change),
  'repomd.xml': (change: (xml: string) => string | Buffer): Files => {
    const files = later({});
    const at = 'repodata/repomd.xml';
    return new Map([...files, [at, Buffer.from(change(files.get(at)?.toString() ?? ''))]]);
  },
} as const;

describe.each(Object.entries(DOCUMENTS))('group 5: %s', (type, lay) => {
  const at = type === 'repomd.xml' ? /repomd\.xml/ : new RegExp(`^${ID}: ${type}`);

  it.each(
    sampled(
      CASES.filter(([what]) => what !== 'an overlong slash'),
      6,
    ),
  )('%s', async (_what, change) => {
    await target().lay(lay(change));
    await expectRefused(target(), target().sync, {
      code: ['METADATA_INVALID', 'UPSTREAM_INCONSISTENT', 'MALFORMED'],
      at,
    });
  });
});

describe('group 5: how much of it', () => {
  it.each([
    ['packages="2", but three', (xml: string) => xml.replace('packages="3"', 'packages="2"')],
    ['packages="4", but three', (xml: string) => xml.replace('packages="3"', 'packages="4"')],
    ['packages="many"', (xml: string) => xml.replace('packages="3"', 'packages="many"')],
    [
      'an attribute of 100 MB',
      (xml: string) => xml.replace('href="Packages/gamma', `href="${'x'.repeat(100 << 20)}`),
    ],
    ['an element of 100 MB', (xml: string) => xml.replace('Says hello', 'x'.repeat(100 << 20))],
    [
      'a nesting of 200,000',
      (xml: string) =>
        xml.replace('<rpm:license>', `${'<x>'.repeat(200_000)}${'</x>'.repeat(200_000)}<rpm:license>`),
    ],
  ])('%s', async (_what, change) => {
    await target().lay(withDocument('primary', change));
    await expectRefused(target(), target().sync, {
      code: ['METADATA_INVALID', 'TOO_LARGE', 'UPSTREAM_INCONSISTENT'],
      at: new RegExp(`^${ID}: primary`),
    });
  });

  it('as it is typed', async () => {
    await target().lay(withDocument('primary', after('<!DOCTYPE x [<!ENTITY a "b">]>')));
    await expectLine(target(), ['sync', '--propose'], new RegExp(`^${ID}: primary\\S*: [A-Z_]+: .*`));
  });
});

describe('group 5: accepted by design', () => {
  const taken = async (change: (xml: string) => string) => {
    const { site, lay } = await makeTarget(await tempDir());
    await lay(withDocument('primary', change));
    await site.sync(); // merges itself
    await site.merge(await site.promote('unstable'));
    await site.publish();
    return site.output();
  };

  it('a million numeric references (a tenth outside of test:all): they stand for one character each, and what is written is bounded', async () => {
    expect(
      await taken((xml) => xml.replace('Says hello', '&#x41;'.repeat(ALL ? 1_000_000 : 100_000))),
    ).toContain('vendor-live-test-9-x86_64-main     published');
  }, 60_000);

  it('another prefix for the namespace of rpm: the prefix is nobody’s business', async () => {
    const other = (xml: string) =>
      xml.replaceAll('rpm:', 'r:').replace('xmlns:rpm', 'xmlns:r').replaceAll('type="r:', 'type="rpm:');
    expect(await taken((xml) => other(xml).replace('xmlns:rpm', 'xmlns:r'))).toContain(
      'vendor-live-test-9-x86_64-main     published',
    );
  });

  it('a byte order mark: UTF-8 may have one', async () => {
    expect(await taken((xml) => `\ufeff${xml}`)).toContain('vendor-live-test-9-x86_64-main     published');
  });
});
