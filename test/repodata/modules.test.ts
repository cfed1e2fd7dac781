import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import { decompressAll } from '../../src/repodata/compression.ts';
import { readModules, writeModules } from '../../src/repodata/modules.ts';
import { parseNevra } from '../../src/rpm/nevra.ts';
import { CORPUS } from '../fixtures/oracle.ts';
import { corpusRepositories, document, repomdOf } from '../fixtures/repodata.ts';
import { fault } from './fault.ts';

const MODULE = `document: modulemd
version: 2
data:
  name: nodejs
  stream: 2.10
  version: 9020230327152102
  context: 00000000
  arch: x86_64
  artifacts:
    rpms:
    - nodejs-1:18.14.2-2.module_el9+227.x86_64
`;
const read = (text: string) => readModules(Buffer.from(text), 'modules.yaml');

describe('artifacts that are read by line are those of the document', () => {
  const HEAD = MODULE.slice(0, MODULE.indexOf('  artifacts:'));
  const list = '  artifacts:\n    rpms:\n    - a-0:1-1.x86_64\n    - b-1:2-1.x86_64\n';
  it.each([
    ['as they are', `${HEAD}${list}`],
    ['with more keys behind', `${HEAD}${list}  profiles:\n    common:\n      rpms:\n      - a\n`],
    ['with another key of the same map', `${HEAD}${list}    rpm-map:\n      sha256: {}\n`],
    ['with a comment behind', `${HEAD}${list}    # c-0:1-1.x86_64\n    - d-0:1-1.x86_64\n`],
    ['with one in quotes', `${HEAD}${list}    - "c-0:1-1.x86_64"\n`],
    [
      'with one that goes on in the next line',
      `${HEAD}${list.replace('b-1:2-1.x86_64', 'b-1:2-1\n      .x86_64')}`,
    ],
    ['with one that goes on after an empty line', `${HEAD}${list}\n      more\n`],
    ['with a tab', `${HEAD}${list}\tmore\n`],
    ['as a text of another key', `${HEAD}  artifacts:\n    rpms: []\nother: |\n${list}`],
    ['as a text, with the real ones behind', `other: |\n${list}${HEAD}${list.replaceAll('-1.x', '-2.x')}`],
    ['twice', `${HEAD}${list}${list}`],
    ['below another key', `${HEAD}other:\n${list}`],
    ['in another indentation', `${HEAD}${list.replaceAll('    - ', '      - ')}`],
    ['with the word that stands for them', `${HEAD}${list}  summary: sluice-artifacts-were-here\n`],
  ])('%s', (_what, text) => {
    const whole = parseDocument(text, { schema: 'failsafe', logLevel: 'silent' });
    const wanted = whole.errors.length > 0 ? 'refused' : (whole.toJS().data?.artifacts?.rpms ?? []);
    const given = () => read(`---\n${text}...\n`)[0]?.artifacts;
    if (wanted === 'refused') expect(given).toThrow(/not valid YAML/);
    else if (wanted.every((item: string) => /^\S+-\d+:\S+$/.test(item))) expect(given()).toEqual(wanted);
    else expect(given).toThrow(/MALFORMED|not|artifact/i);
  });
});

it('a million artifacts are read, and take no stack', () => {
  const text = `${MODULE}${'    - a-0:1-1.x\n'.repeat(1_000_000)}`;
  expect(read(text)[0]?.artifacts).toHaveLength(1_000_001);
});

it('keeps every word as text: 2.10 is not 2.1, and 00000000 is not 0', () => {
  const [module] = read(`---\n${MODULE}...\n`);
  expect(module).toEqual({
    kind: 'modulemd',
    version: 2,
    name: 'nodejs',
    stream: '2.10',
    moduleVersion: '9020230327152102',
    context: '00000000',
    arch: 'x86_64',
    artifacts: ['nodejs-1:18.14.2-2.module_el9+227.x86_64'],
    requires: [],
    staticContext: false,
    demodularized: [],
    modified: 0,
    nsvca: 'nodejs:2.10:9020230327152102:00000000:x86_64',
    bytes: Buffer.from(MODULE),
    digest: { type: 'sha256', hex: createHash('sha256').update(MODULE).digest('hex') },
  });
});

it('reads defaults, obsoletes and what it does not know', () => {
  const docs = read(
    '---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: nodejs\n  stream: "18"\n---\n' +
      'document: modulemd-obsoletes\nversion: 1\ndata:\n  module: nodejs\n  stream: "16"\n  context: abc\n---\n' +
      'document: modulemd-future\nversion: 7\ndata:\n  whatever: [1]\n...\n',
  );
  expect(docs.map((d) => [d.kind, d.name, d.stream, d.nsvca])).toEqual([
    ['modulemd-defaults', 'nodejs', '18', undefined],
    ['modulemd-obsoletes', 'nodejs', '16', undefined],
    ['modulemd-future', undefined, undefined, undefined],
  ]);
});

it('reads what a stream requires at run time, and which names it gave back', () => {
  const more = (text: string) => read(`${MODULE.replace('  arch:', `${text}\n  arch:`)}`)[0]!;
  const told = (text: string) => more(text).requires.map((entry) => Object.fromEntries(entry));
  expect(told('  dependencies:\n  - buildrequires: {gcc: [1]}')).toEqual([{}]);
  expect(
    told('  dependencies:\n  - requires: {perl: [5.30, 5.26, 5.30], platform: [], ruby: ["-2"]}'),
  ).toEqual([{ perl: ['5.26', '5.30'], platform: [], ruby: ['-2'] }]);
  expect(told('  dependencies: {requires: {platform: f28}}')).toEqual([{ platform: ['f28'] }]); // version 1
  expect(told('  dependencies:\n  - requires:')).toEqual([{}]);
  expect(more('  static_context: true\n  demodularized: {rpms: [a, b]}')).toMatchObject({
    staticContext: true,
    demodularized: ['a', 'b'],
  });
  const defaults = 'document: modulemd-defaults\nversion: 1\ndata: {module: a, modified: 202001010000}\n';
  const obsoletes =
    'document: modulemd-obsoletes\nversion: 1\ndata: {module: a, modified: 2020-05-01T00:00Z}\n';
  expect([read(defaults)[0]?.modified, read(obsoletes)[0]?.modified]).toEqual([202001010000, 0]);
});

it('cuts documents where YAML does, whatever ends the lines, and forgets comments between', () => {
  const text = `# a comment\n---\n${MODULE}---\n${MODULE}...\n# the end\n\n`;
  expect(read(text).map((d) => d.bytes.toString())).toEqual([MODULE, MODULE]);
  expect(read(text.replaceAll('\n', '\r\n')).map((d) => d.bytes.toString())).toEqual([MODULE, MODULE]);
  expect(read(MODULE.trimEnd())[0]?.bytes.toString()).toBe(MODULE);
  expect(read('')).toEqual([]);
});

it('reads the closing quote at the beginning of a line that libyaml writes', () => {
  const text = MODULE.replace('  arch:', "  summary: 'Main.\n\n'\n  arch:");
  expect(read(text)[0]?.arch).toBe('x86_64');
  expect(read(text)[0]?.bytes.toString()).toBe(text);
});

it.each([
  ['a directive', `%YAML 1.1\n---\n${MODULE}`],
  ['aliases', 'document: &a modulemd\nversion: 2\ndata: {name: *a}\n'],
  ['an alias bomb', `document: modulemd\nversion: 2\na: &a [x,x,x]\nb: &b [*a,*a,*a]\ndata: [*b,*b,*b]\n`],
  ['an unknown tag', 'document: !evil modulemd\nversion: 2\n'],
  ['duplicate keys', 'document: modulemd\ndocument: modulemd-defaults\nversion: 2\n'],
  ['bad indentation', 'document: modulemd\n version: 2\n'],
  ['no kind', 'version: 2\ndata: {}\n'],
  ['a list', '- document\n'],
  ['HTML', '<html>Not found</html>\n'],
  ['content behind the marker', '--- {document: modulemd, version: 2}\n'],
  ['invalid UTF-8', Buffer.from([0x64, 0xff, 0x0a])],
  ['dependencies that are a text', MODULE.replace('  arch:', '  dependencies: yes\n  arch:')],
  [
    'requirements that are a list',
    MODULE.replace('  arch:', '  dependencies: [{requires: [perl]}]\n  arch:'),
  ],
  ['streams that are a map', MODULE.replace('  arch:', '  dependencies: [{requires: {a: {b: c}}}]\n  arch:')],
  ['this and not that', MODULE.replace('  arch:', '  dependencies: [{requires: {a: [1, "-2"]}}]\n  arch:')],
  ['artifacts that are a map', MODULE.replace('    - nodejs', '      nodejs')],
])('refuses %s', (_, text) => {
  expect(fault(() => readModules(Buffer.from(text), 'x'))).toBe('METADATA_INVALID');
});

it.each([
  ['a path as stream', MODULE.replace('2.10', '../../x')],
  ['a colon in a name', MODULE.replace('nodejs\n', '"node:js"\n')],
  ['a line feed in a context', MODULE.replace('00000000', '"a\\nb"')],
  [
    'a path as required stream',
    MODULE.replace('  arch:', '  dependencies: [{requires: {a: [../b]}}]\n  arch:'),
  ],
  [
    'a date of change in words',
    'document: modulemd-defaults\nversion: 1\ndata: {module: a, modified: today}\n',
  ],
  ['no number as version', MODULE.replace('version: 2\n', 'version: two\n')],
])('refuses %s as a word', (_, text) => {
  expect(fault(() => read(text))).toBe('MALFORMED');
});

it('is not fooled by __proto__', () => {
  const [module] = read('document: modulemd\nversion: 2\ndata:\n  __proto__: {name: evil}\n');
  expect(module?.name).toBeUndefined();
});

describe.skipIf(CORPUS === undefined)('of the corpus', () => {
  const bytesOf = async (path: string): Promise<Buffer> => {
    const served = path.endsWith('.yaml')
      ? readFileSync(join(CORPUS ?? '', path))
      : (document(join(CORPUS ?? '', path), repomdOf(join(CORPUS ?? '', path)), 'modules') ??
        Buffer.alloc(0));
    return await decompressAll(served, { maxBytes: 1 << 28, at: path });
  };
  const files: readonly [string, number, number][] = [
    ['modules/f29.yaml', 55, 48],
    ['centos-9-appstream-2025-01', 39, 31],
  ];
  it.each(files.filter(([path]) => existsSync(join(CORPUS ?? '', path))))(
    '%s: %i documents, %i of them streams, written back to the byte',
    async (path, documents, streams) => {
      const bytes = await bytesOf(path);
      const docs = readModules(bytes, path);
      expect([docs.length, docs.filter((d) => d.nsvca).length]).toEqual([documents, streams]);
      expect(writeModules(docs).equals(bytes)).toBe(true);
      for (const artifact of docs.flatMap((d) => d.artifacts)) expect(parseNevra(artifact).name).not.toBe('');
    },
  );
  it('knows that repositories without modules have none', () => {
    const plain = corpusRepositories().filter((path) => path.startsWith('pgdg13'));
    for (const path of plain) {
      const folder = join(CORPUS ?? '', path);
      expect(document(folder, repomdOf(folder), 'modules')).toBeUndefined();
    }
  });
});
