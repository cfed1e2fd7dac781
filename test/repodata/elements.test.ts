import { describe, expect, it } from 'vitest';
import { once } from '../../src/repodata/compression.ts';
import { type CutOptions, cutElements } from '../../src/repodata/elements.ts';
import { canonicalElement, identify, readPackage } from '../../src/repodata/primary.ts';
import { packageElement } from '../fixtures/repodata.ts';
import { fault, rejected } from './fault.ts';

const COMMON = 'http://linux.duke.edu/metadata/common';
const RPM = 'http://linux.duke.edu/metadata/rpm';

async function cut(text: string | Buffer, o: Partial<CutOptions> = {}, size = 0): Promise<Buffer[]> {
  const bytes = Buffer.from(text);
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
  }
  const found: Buffer[] = [];
  for await (const batch of cutElements(size ? pieces() : once(bytes), 'package', {
    at: 'primary.xml',
    ...o,
  })) {
    found.push(...batch);
  }
  return found;
}

const doc = (inside: string, attributes = ''): string =>
  `<?xml version="1.0"?>\n<metadata${attributes}>${inside}</metadata>\n`;

describe('cutting', () => {
  it.each([1, 2, 3, 10, 64])('finds the same elements in pieces of %i bytes', async (size) => {
    const inside =
      '\n<!-- </package> -->\n<package a=">"><x><![CDATA[</package><package>]]></x></package ><package/><package><packager/></package>\n';
    const elements = await cut(doc(inside, ' packages="3"'), {}, size);
    expect(elements.map(String)).toEqual([
      '<package a=">"><x><![CDATA[</package><package>]]></x></package >',
      '<package/>',
      '<package><packager/></package>',
    ]);
  });
  it('takes a byte order mark of UTF-8, an empty document and a self-closing root', async () => {
    expect(await cut(`\ufeff${doc('<package/>')}`)).toHaveLength(1);
    expect(await cut('<metadata packages="0"/>')).toEqual([]);
    expect(await cut(doc('', ' packages="0"'))).toEqual([]);
  });
  it.each([
    ['a DOCTYPE', '<!DOCTYPE metadata><metadata/>'],
    ['an internal entity', '<!DOCTYPE m [<!ENTITY a "b">]><metadata/>'],
    ['an external entity', '<!DOCTYPE m SYSTEM "file:///etc/passwd"><metadata/>'],
    ['a parameter entity', '<!DOCTYPE m [<!ENTITY % p SYSTEM "http://evil/x"> %p;]><metadata/>'],
    ['a DOCTYPE between elements', doc('<package/><!DOCTYPE x><package/>')],
    ['a DOCTYPE behind the root', `${doc('<package/>')}<!DOCTYPE x>`],
    ['ISO-8859-1', '<?xml version="1.0" encoding="ISO-8859-1"?><metadata/>'],
    ['UTF-16 declared', '<?xml version="1.0" encoding="UTF-16"?><metadata/>'],
    ['UTF-16', Buffer.from('\ufeff<metadata/>', 'utf16le')],
    [
      'invalid UTF-8',
      Buffer.concat([
        Buffer.from('<metadata><package>'),
        Buffer.from([0xff]),
        Buffer.from('</package></metadata>'),
      ]),
    ],
    [
      'an overlong encoding',
      Buffer.concat([
        Buffer.from('<metadata><package>'),
        Buffer.from([0xc0, 0xaf]),
        Buffer.from('</package></metadata>'),
      ]),
    ],
    ['fewer elements than declared', doc('<package/><package/>', ' packages="3"')],
    ['more elements than declared', doc('<package/><package/><package/>', ' packages="2"')],
    ['a count that is no number', doc('', ' packages="-1"')],
    ['no end tag', '<metadata><package/>'],
    ['an end inside an element', '<metadata><package><name>a'],
    ['an end inside a tag', '<metadata><package'],
    ['an end inside a comment', '<metadata><package/><!-- </metadata>'],
    ['nothing', ''],
    ['HTML', '<html><body>Not found</body></html>'],
    ['a second root', '<metadata/><metadata/>'],
    ['text behind the root', '<metadata/>x'],
    ['the wrong end', '<metadata><package/></meta>'],
    ['another element', doc('<pakage/>')],
    ['text between elements', doc('<package/>x<package/>')],
    ['an end tag too much', doc('<package/></package>')],
    ['an xml:base on the root', doc('<package/>', ' xml:base="http://evil/"')],
    ['an attribute twice', doc('', ' packages="0" packages="0"')],
    ['gzip within gzip', Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0])],
  ])('refuses %s', async (_, text) => {
    expect(await rejected(cut(text))).toBe('METADATA_INVALID');
    expect(await rejected(cut(text, {}, 5))).toBe('METADATA_INVALID');
  });
  it('accepts any count only when it is told to', async () => {
    expect(await cut(doc('<package/>', ' packages="3"'), { anyCount: true })).toHaveLength(1);
  });
  it('refuses an attribute of 100 MB without keeping all of it', async () => {
    const part = Buffer.alloc(1 << 20, 'a');
    let sent = 0;
    async function* endless(): AsyncGenerator<Buffer> {
      yield Buffer.from('<metadata><package a="');
      for (; sent < 100; sent += 1) yield part;
      yield Buffer.from('"/></metadata>');
    }
    const read = async () => {
      for await (const _ of cutElements(endless(), 'package', { at: 'x', maxElement: 4 << 20 }));
    };
    expect(await rejected(read())).toBe('TOO_LARGE');
    expect(sent).toBeLessThan(20);
  });
  it('refuses a root tag that never ends', async () => {
    expect(await rejected(cut(`<metadata a="${'x'.repeat(5000)}`, { maxElement: 1000 }))).toBe('TOO_LARGE');
  });
});

describe('namespaces', () => {
  it('reads and rewrites elements of a document with other prefixes', async () => {
    const inside = packageElement()
      .toString()
      .replace(/<(\/?)rpm:/g, '<$1r:')
      .replace(/<(\/?)(?!r:)(?=[a-z])/g, '<$1c:');
    const document = `<c:metadata xmlns:c='${COMMON}' xmlns:r='${RPM}' packages='1'>${inside}</c:metadata>`;
    const [element = Buffer.alloc(0)] = await cut(document);
    expect(readPackage(element, 'x')).toEqual(readPackage(packageElement(), 'x'));
    const canonical = canonicalElement(element);
    expect(canonical.toString()).not.toMatch(/c:|r:|xmlns/);
    expect(readPackage(canonical, 'x')).toEqual(readPackage(packageElement(), 'x'));
    expect(canonicalElement(canonical)).toBe(canonical);
  });
  it('does not take a foreign rpm: for ours', async () => {
    const [element = Buffer.alloc(0)] = await cut(
      `<metadata xmlns="${COMMON}" xmlns:rpm="http://evil/">${packageElement()}</metadata>`,
    );
    expect(readPackage(element, 'x').provides).toEqual([]);
    expect(readPackage(canonicalElement(element), 'x').provides).toEqual([]);
  });
  it('keeps foreign elements, with their declaration', async () => {
    const inside = packageElement().toString().replace('</package>', '<suse:eula>x</suse:eula></package>');
    const [element = Buffer.alloc(0)] = await cut(
      `<metadata xmlns="${COMMON}" xmlns:suse="http://suse/">${inside}</metadata>`,
    );
    expect(canonicalElement(element).toString()).toContain('<suse:eula>');
    expect(canonicalElement(element).toString()).toContain('xmlns:suse="http://suse/"');
  });
  it('refuses a prefix that nobody declared', () => {
    expect(fault(() => canonicalElement(Buffer.from('<package><x:y/></package>')))).toBe('METADATA_INVALID');
  });
});

describe('an element', () => {
  const bad: readonly [string, string][] = [
    ['mis-nested', '<package><a><b></a></b></package>'],
    ['unclosed', '<package><a></package>'],
    ['cut', '<package><a>'],
    ['two roots', '<package/><package/>'],
    ['text behind it', '<package/>x'],
    ['an attribute twice', '<package a="1" a="2"/>'],
    ['an unquoted attribute', '<package a=1/>'],
    ['an attribute without a value', '<package a/>'],
    ['attributes without a space', '<package a="1"b="2"/>'],
    ['< in an attribute', '<package a="<"/>'],
    ['an unknown entity', '<package>&copy;</package>'],
    ['a bare ampersand', '<package>a & b</package>'],
    ['an unfinished reference', '<package>&amp</package>'],
    ['a reference to NUL', '<package>&#0;</package>'],
    ['a reference to ESC', '<package>&#27;</package>'],
    ['a reference to a surrogate', '<package>&#xd800;</package>'],
    ['a reference beyond Unicode', '<package>&#x110000;</package>'],
    ['a bad reference in an attribute nobody reads', '<package z="&nope;"/>'],
    ['a control character', '<package>\u001b[2J</package>'],
    ['a stray ]]>', '<package>]]></package>'],
    ['nesting 200,000 deep', `${'<package>'.repeat(200_000)}`],
    ['an entity declaration', '<!DOCTYPE a [<!ENTITY b "c">]><package/>'],
    ['a repeated DOCTYPE', '<!DOCTYPE a><!DOCTYPE a><package/>'],
    ['1,000 attributes', `<package ${Array.from({ length: 1000 }, (_, i) => `a${i}=""`).join(' ')}/>`],
    ['nothing', ''],
    ['only text', 'package'],
    ['a tag without a name', '<package>< a/></package>'],
  ];
  it.each(bad)('with %s is refused', (_, text) => {
    expect(fault(() => canonicalElement(Buffer.from(text)))).toBe('METADATA_INVALID');
  });
  it('with a million references is read in linear time', () => {
    const before = process.cpuUsage(); // not the clock: other work on the machine must not fail this
    const element = Buffer.from(`<package>${'&#x41;'.repeat(1_000_000)}</package>`);
    expect(canonicalElement(element)).toBe(element);
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(5_000);
  });
  it('that is usual keeps its bytes', () => {
    const element = packageElement();
    expect(canonicalElement(element)).toBe(element);
  });
  it.each([
    ['a comment', '<!-- <location href="evil"/> -->'],
    ['a processing instruction', '<?php evil ?>'],
    ['CDATA', '<url><![CDATA[<location href="evil"/>]]></url>'],
  ])('with %s is written anew and means the same', (_, extra) => {
    const element = Buffer.from(packageElement().toString().replace('<summary>', `${extra}<summary>`));
    const canonical = canonicalElement(element);
    expect(canonical.toString()).not.toMatch(/<!|<\?/);
    expect(readPackage(canonical, 'x')).toEqual(readPackage(element, 'x'));
    expect(identify(canonical, 'x').href).toBe('Packages/openssl-3.0.7-28.el9.x86_64.rpm');
    expect(canonicalElement(canonical)).toBe(canonical);
  });
  it('with an xml:base on itself loses it', () => {
    const element = Buffer.from(
      packageElement().toString().replace('<package ', '<package xml:base="http://evil/" '),
    );
    expect(canonicalElement(element).toString()).not.toContain('evil');
  });
});
