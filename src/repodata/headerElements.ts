import type { Checksum } from '../base/checksum.ts';
import { type Blob, integerOf, integersOf, invalid, legibleTextsOf, textsOf } from '../rpm/blob.ts';
import type { OpenRpm } from '../rpm/header.ts';
import type { HeaderRelation, RelationKind } from '../rpm/relations.ts';
import { isPre, isPrimaryFile, writtenRelations } from './headerRelations.ts';
import type { PackageRecord } from './record.ts';
import { escapeAttribute, escapeText } from './xml.ts';

/** What no header knows of its file. Size in bytes, time in seconds since 1970. */
export interface FileFacts {
  readonly checksum: Checksum;
  readonly size: number;
  readonly fileTime: number;
  readonly href: string;
}

type HeaderRpm = Pick<OpenRpm, 'file' | 'header' | 'signatures'>;

/** rpm's include/rpm/rpmtag.h; the archive's size is in the signature header, or in the main one of old packages. */
const TAG = {
  summary: 1004,
  description: 1005,
  vendor: 1011,
  license: 1014,
  packager: 1015,
  group: 1016,
  url: 1020,
  fileModes: 1030,
  fileFlags: 1037,
  buildHost: 1007,
  archiveSize: 1046,
  changelogTimes: 1080,
  changelogNames: 1081,
  changelogTexts: 1082,
  directoryIndexes: 1116,
  baseNames: 1117,
  directoryNames: 1118,
} as const;
const SIGNATURE_TAG = { archiveSize: 1007, longArchiveSize: 271 } as const;

const DIRECTORY = 0o040000;
const FILE_TYPE = 0o170000;
/** RPMFILE_GHOST. */
const GHOST = 1 << 6;
/** createrepo_c's default. */
const MOST_CHANGES = 10;

/** The order of createrepo_c. */
const KINDS: readonly RelationKind[] = [
  'provides',
  'requires',
  'conflicts',
  'obsoletes',
  'suggests',
  'enhances',
  'recommends',
  'supplements',
];

/**
 * The three `<package>` elements of an RPM file, byte for byte as createrepo_c 0.17 writes them. RPM_INVALID where a header says
 * what XML cannot hold.
 */
export function headerElements(rpm: HeaderRpm, facts: FileFacts, at: string): Required<PackageRecord> {
  const files = filesOf(rpm.header, at);
  const bytes = (lines: readonly string[]) => Buffer.from(checked(lines.join('\n'), at));
  return {
    primary: bytes(primaryLines(rpm, facts, files, at)),
    filelists: bytes(sideLines(rpm, facts, files.map(fileLine('  ')))),
    other: bytes(sideLines(rpm, facts, changeLines(rpm.header, at))),
  };
}

function primaryLines(
  { header, signatures, file }: HeaderRpm,
  facts: FileFacts,
  files: readonly HeaderFile[],
  at: string,
): string[] {
  const { nevra, isSource } = file;
  const text = (tag: number) => escapeText(one(header, tag, at));
  const archive =
    integerOf(signatures, SIGNATURE_TAG.longArchiveSize, 8, at) ??
    integerOf(header, TAG.archiveSize, 4, at) ??
    integerOf(signatures, SIGNATURE_TAG.archiveSize, 4, at) ??
    0;
  const paths = new Set(files.map(({ path }) => path));
  return [
    '<package type="rpm">',
    `  <name>${nevra.name}</name>`,
    `  <arch>${nevra.arch}</arch>`,
    versionLine(file),
    `  <checksum type="${facts.checksum.type}" pkgid="YES">${facts.checksum.hex}</checksum>`,
    `  <summary>${text(TAG.summary)}</summary>`,
    `  <description>${text(TAG.description)}</description>`,
    `  <packager>${text(TAG.packager)}</packager>`,
    `  <url>${text(TAG.url)}</url>`,
    `  <time file="${facts.fileTime}" build="${file.buildTime ?? 0}"/>`,
    `  <size package="${facts.size}" installed="${file.installedSize}" archive="${archive}"/>`,
    `  <location href="${inAttribute(facts.href)}"/>`,
    '  <format>',
    `    <rpm:license>${text(TAG.license)}</rpm:license>`,
    `    <rpm:vendor>${text(TAG.vendor)}</rpm:vendor>`,
    `    <rpm:group>${text(TAG.group)}</rpm:group>`,
    `    <rpm:buildhost>${text(TAG.buildHost)}</rpm:buildhost>`,
    `    <rpm:sourcerpm>${isSource ? '' : escapeText(file.sourceRpm ?? '')}</rpm:sourcerpm>`,
    `    <rpm:header-range start="${file.headerStart}" end="${file.headerEnd}"/>`,
    ...KINDS.flatMap((kind) => relationLines(kind, writtenRelations(header, kind, paths, at))),
    ...files.filter(({ path }) => isPrimaryFile(path)).map(fileLine('    ')),
    '  </format>',
    '</package>',
  ];
}

function sideLines({ file }: HeaderRpm, { checksum }: FileFacts, lines: readonly string[]): string[] {
  const { name, arch } = file.nevra;
  const head = `<package pkgid="${checksum.hex}" name="${name}" arch="${arch}">`;
  return [head, versionLine(file), ...lines, '</package>'];
}

function versionLine({ nevra }: OpenRpm['file']): string {
  const { epoch, version, release } = nevra.evr;
  return `  <version epoch="${epoch}" ver="${inAttribute(version)}" rel="${inAttribute(release)}"/>`;
}

function relationLines(kind: RelationKind, relations: readonly HeaderRelation[]): string[] {
  if (relations.length === 0) return [];
  const entries = relations.map((relation) => {
    const pre = kind === 'requires' && isPre(relation) ? ' pre="1"' : '';
    return `      <rpm:entry name="${inAttribute(relation.name)}"${range(relation)}${pre}/>`;
  });
  return [`    <rpm:${kind}>`, ...entries, `    </rpm:${kind}>`];
}

function range({ operator, evr }: HeaderRelation): string {
  if (operator === '') return '';
  if (evr === '') return ` flags="${operator}"`;
  const [, epoch = '0', version = '', release = ''] = /^(?:([^:]*):)?([^-]*)(?:-(.*))?$/s.exec(evr) ?? [];
  const attribute = (name: string, value: string) => (value === '' ? '' : ` ${name}="${inAttribute(value)}"`);
  return [
    ` flags="${operator}"`,
    attribute('epoch', epoch || '0'),
    attribute('ver', version),
    attribute('rel', release),
  ].join('');
}

interface HeaderFile {
  readonly path: string;
  readonly type: '' | 'dir' | 'ghost';
}

/** Of a source package: names without a folder. */
function filesOf(header: Blob, at: string): HeaderFile[] {
  const names = legibleTextsOf(header, TAG.baseNames, at);
  const folders = legibleTextsOf(header, TAG.directoryNames, at);
  const indexes = integersOf(header, TAG.directoryIndexes, 4, at);
  const modes = integersOf(header, TAG.fileModes, 2, at);
  const flags = integersOf(header, TAG.fileFlags, 4, at);
  if ([indexes, modes, flags].some(({ length }) => length !== names.length)) {
    throw invalid('its list of files has not as many folders, modes and flags as names', at);
  }
  return names.map((name, i) => {
    const folder = folders[indexes[i] ?? -1];
    if (folder === undefined) throw invalid(`its file ${i + 1} is in a folder that it does not name`, at);
    const isDirectory = ((modes[i] ?? 0) & FILE_TYPE) === DIRECTORY;
    const isGhost = ((flags[i] ?? 0) & GHOST) !== 0;
    return { path: folder + name, type: isDirectory ? 'dir' : isGhost ? 'ghost' : '' };
  });
}

function fileLine(indent: string): (file: HeaderFile) => string {
  return ({ path, type }) =>
    `${indent}<file${type === '' ? '' : ` type="${type}"`}>${escapeText(path)}</file>`;
}

/** The newest ten, oldest first; of entries of one day the later ones are seconds later, so that their order can be told. */
function changeLines(header: Blob, at: string): string[] {
  const times = integersOf(header, TAG.changelogTimes, 4, at).slice(0, MOST_CHANGES);
  const names = legibleTextsOf(header, TAG.changelogNames, at);
  const texts = legibleTextsOf(header, TAG.changelogTexts, at);
  const changes: { author: string; date: number; text: string }[] = [];
  let last = 0;
  for (const [i, date] of times.entries()) {
    const [author, text] = [names[i], texts[i]];
    if (author === undefined || text === undefined) break;
    if (date === last) {
      let same = date;
      for (const change of changes) {
        if (change.date !== same) break;
        same += 1;
        change.date = same;
      }
    }
    last = date;
    changes.unshift({ author: author.replace(/(?<=.) +$/s, ''), date, text });
  }
  return changes.map(
    ({ author, date, text }) =>
      `  <changelog author="${inAttribute(author)}" date="${date}">${escapeText(text)}</changelog>`,
  );
}

/** Of a text with translations: the one that is none. */
function one(header: Blob, tag: number, at: string): string {
  textsOf(header, tag, at);
  return legibleTextsOf(header, tag, at)[0] ?? '';
}

/** createrepo_c's libxml2 is told no encoding: in attributes, and only there, what is beyond ASCII is a reference. */
function inAttribute(text: string): string {
  return escapeAttribute(text).replace(
    /[^\0-\x7f]/gu,
    (c) => `&#x${(c.codePointAt(0) ?? 0).toString(16).toUpperCase()};`,
  );
}

/** XML 1.0, production 2; createrepo_c leaves such a package out. */
function checked(xml: string, at: string): string {
  if (/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|&#xFFF[EF];/.test(xml)) {
    throw invalid('its header has control characters, which no metadata can hold', at);
  }
  return xml;
}
