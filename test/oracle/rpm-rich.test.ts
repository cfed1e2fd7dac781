import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Fault, unreachable } from '../../src/base/fault.ts';
import { decompressAll } from '../../src/repodata/compression.ts';
import { type Capability, formatCapability } from '../../src/rpm/capability.ts';
import { capabilitiesOf, isRich, parseRich, type Rich } from '../../src/rpm/rich.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import { corpusRepositories, document, repomdOf } from '../fixtures/repodata.ts';
import { chooser } from '../fixtures/versions.ts';

const PYTHON = '/usr/bin/python3'; // the system's own, which has rpm's binding because dnf needs it

/** rpmrichParse itself, in the library that rpm's binding is linked with: the capabilities it reads, or null. */
const PARSE = `
import ctypes, json, sys, rpm
parse = ctypes.CDLL(rpm._rpm.__file__).rpmrichParse
Heard = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_int,
                         ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32, ctypes.c_int, ctypes.c_void_p)
def read(text):
    heard = []
    def hear(data, kind, name, name_length, evr, evr_length, sense, operator, message):
        if kind == 1:
            heard.append([ctypes.string_at(name, name_length).decode(), sense,
                          ctypes.string_at(evr, evr_length).decode() if evr else ''])
        elif kind == 4:
            heard.append(ctypes.string_at(name, name_length).decode())
        return 0
    rest = ctypes.c_char_p(text.encode())
    failed = parse(ctypes.byref(rest), None, Heard(hear), None)
    return None if failed or rest.value else heard
print(json.dumps([read(text) for text in json.load(sys.stdin)]))
`;

type Heard = (string | [name: string, sense: number, evr: string])[];

function rpmReads(texts: readonly string[]): (Heard | null)[] {
  const answer = execFileSync(PYTHON, ['-c', PARSE], { input: JSON.stringify(texts), maxBuffer: 1 << 28 });
  return JSON.parse(answer.toString('utf8')) as (Heard | null)[];
}

const SENSE = { LT: 2, LE: 10, EQ: 8, GE: 12, GT: 4 };

/** Of a capability what rpm says of it; an EVR is compared as written, so the cases write it as we print it. */
function heardOf(c: Capability): string {
  return c.flags ? `${c.name} ${SENSE[c.flags]} ${formatCapability(c).split(' ').at(-1)}` : c.name;
}

function ours(text: string): Rich | undefined {
  try {
    return parseRich(text);
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.code === 'DEPENDENCY_INVALID') return undefined;
    throw thrown;
  }
}

/** Words put together at random, most of them wrong in one place. */
function randomTexts(count: number): string[] {
  const next = chooser(count);
  const pick = <T>(from: readonly T[]): T => from[next(from.length)] as T;
  const operators = ['and', 'or', 'if', 'unless', 'else', 'with', 'without'];
  const group = (depth: number): string => {
    const part = () => (depth > 0 && next(3) === 0 ? group(depth - 1) : simple());
    const operator = pick(operators);
    const more = operator === 'if' || operator === 'unless' ? 'else' : operator;
    const chain = next(3) === 0 ? ` ${next(4) === 0 ? pick(operators) : more} ${part()}` : '';
    return next(8) === 0 ? `(${part()})` : `(${part()} ${operator} ${part()}${chain})`;
  };
  const simple = () =>
    pick(['a', 'b', 'perl(A::B)', 'c(x)(64bit)', 'and', 'a >= 1', 'b < 1:2-3', 'c = 1-2-3']);
  const spoil = (text: string): string => {
    const place = next(text.length);
    return text.slice(0, place) + pick(['', ' ', '(', ')', ',', '<', 'or ']) + text.slice(place + next(2));
  };
  return Array.from({ length: count }, () => {
    const text = group(3);
    const made = next(2) ? text : spoil(text);
    // An EVR is compared as written; of empty parts rpm's reader says nothing, ours drops or refuses them.
    return made.replace(/-(?=[ ,)]|$)|(?<=[ ,]):|(?<=:)-/g, '');
  });
}

const richTexts = new Map<string, Promise<string[]>>();

/** The distinct rich dependencies of a repository. */
function richOf(path: string): Promise<string[]> {
  const known = richTexts.get(path) ?? readRich(path);
  richTexts.set(path, known);
  return known;
}

async function readRich(path: string): Promise<string[]> {
  const folder = join(CORPUS ?? '', path);
  const bytes = document(folder, repomdOf(folder), 'primary') ?? Buffer.alloc(0);
  const text = (await decompressAll(bytes, { maxBytes: 1 << 30, at: path })).toString('utf8');
  const names = [...text.matchAll(/<rpm:entry name="(\([^"]*)"/g)].map(([, name = '']) => unescaped(name));
  return [...new Set(names)].filter(isRich);
}

const unescaped = (text: string) =>
  text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
const escaped = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const RICH = corpusRepositories().filter((path) =>
  ['centos-9-appstream-2025-01', 'centos-9-baseos/v1-2024-03'].includes(path),
);

describe.skipIf(!oracle('dnf'))('rpm reads the same', () => {
  it('of texts made at random', () => {
    const texts = randomTexts(6_000);
    const theirs = rpmReads(texts);
    expect(theirs.filter((x) => x === null).length).toBeGreaterThan(1_500);
    expect(theirs.filter((x) => x !== null).length).toBeGreaterThan(1_000);
    const differing = texts.filter((text, i) => {
      const mine = ours(text);
      const heard = theirs[i] ?? null;
      if (mine === undefined || heard === null) return (mine === undefined) !== (heard === null);
      return differs(mine, heard);
    });
    // rpm reads `(a else b)`, and then looks only at a; libsolv finds no provider of it. We refuse it.
    const strayElse = (text: string) => /an else without/.test(messageOf(() => parseRich(text)));
    expect(differing.filter((text) => !strayElse(text))).toEqual([]);
  });

  it.each(RICH)('of %s', async (path) => {
    const texts = await richOf(path);
    const theirs = rpmReads(texts);
    expect(texts.filter((text, i) => differs(parseRich(text), theirs[i] ?? []))).toEqual([]);
  });
});

describe.skipIf(!oracle('rpmmd2solv'))('libsolv reads the same', () => {
  it.each(RICH)('of %s', async (path) => {
    const texts = await richOf(path);
    expect(texts.length).toBeGreaterThan(0);
    expect(libsolvReads(texts)).toEqual(sortedSet(texts.map((text) => printed(parseRich(text)))));
  });

  it('of texts made at random', () => {
    const texts = randomTexts(1_500).filter(
      (text) => !/[,]| else else /.test(text) && ours(text) !== undefined,
    );
    expect(texts.length).toBeGreaterThan(300);
    expect(libsolvReads(texts)).toEqual(sortedSet(texts.map((text) => printed(parseRich(text)))));
  });
});

/** Each in libsolv's own words. */
function libsolvReads(texts: readonly string[]): string[] {
  const entries = texts.map((text) => `<rpm:entry name="${escaped(text)}"/>`).join('');
  const primary =
    '<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm">' +
    '<package type="rpm"><name>x</name><arch>noarch</arch><version epoch="0" ver="1" rel="1"/>' +
    `<format><rpm:requires>${entries}</rpm:requires></format></package></metadata>`;
  const dump = execFileSync('sh', ['-c', 'rpmmd2solv | dumpsolv /dev/stdin'], { input: primary });
  const requires = dump.toString('utf8').split('solvable:requires:\n')[1] ?? '';
  return sortedSet(requires.split('\n').flatMap((line) => (line.startsWith('  ') ? [line.slice(2)] : [])));
}

const sortedSet = (texts: readonly string[]): string[] => [...new Set(texts)].sort();

const SIGNS = { and: '&', or: '|', with: '+', without: '-', if: 'IF', unless: 'UNLESS', else: 'ELSE' };

/** libsolv keeps chains as pairs and prints them so (dep2strcpy): brackets around another operator than the outer one. */
function printed(rich: Rich, outer?: keyof typeof SIGNS): string {
  const joined = (sign: keyof typeof SIGNS, ...parts: Rich[]): string =>
    parts.map((part) => printed(part, sign)).join(` ${SIGNS[sign]} `);
  const within = (sign: keyof typeof SIGNS, text: string): string =>
    outer === undefined || (outer === sign && sign !== 'if' && sign !== 'unless') ? text : `(${text})`;
  switch (rich.kind) {
    case 'capability':
      return formatCapability(rich.capability).replace(/ ([<>]) /, ' $1$1 '); // this dumpsolv prints Debian's
    case 'and':
    case 'or':
    case 'with':
      return within(rich.kind, joined(rich.kind, ...rich.of));
    case 'without':
      return within(rich.kind, joined(rich.kind, rich.of, rich.but));
    case 'if':
    case 'unless': {
      const condition = rich.otherwise
        ? joined('else', rich.when, rich.otherwise)
        : printed(rich.when, rich.kind);
      return within(rich.kind, `${printed(rich.what, rich.kind)} ${SIGNS[rich.kind]} ${condition}`);
    }
    default:
      return unreachable(rich);
  }
}

/** Whether the capabilities differ; operators stand where the words between them are. */
function differs(mine: Rich, heard: Heard): boolean {
  const theirs = heard.flatMap((x) =>
    typeof x === 'string' ? [] : x[1] ? [`${x[0]} ${x[1]} ${x[2]}`] : [x[0]],
  );
  return JSON.stringify([...capabilitiesOf(mine)].map(heardOf)) !== JSON.stringify(theirs);
}

function messageOf(call: () => unknown): string {
  try {
    call();
    return '';
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : '';
  }
}
