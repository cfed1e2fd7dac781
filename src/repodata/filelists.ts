import { type Frame, frame } from './canonical.ts';
import { hashOf, InternTable } from './internTable.ts';
import { utf8Text, XmlReader } from './xml.ts';

/** The checksum digits, in lower case, that say whose list a `<package>` of filelists.xml or other.xml is. */
export function pkgidOf(element: Buffer, at = 'a <package>'): string {
  const plain = PLAIN.exec(element.toString('latin1', 0, 200))?.[1];
  if (plain !== undefined) return plain;
  const reader = new XmlReader(utf8Text(element, at), at);
  reader.root('package');
  const pkgid = reader.attribute('pkgid');
  if (pkgid === undefined || !/^[0-9a-fA-F]{32,128}$/.test(pkgid)) throw reader.fault('it has no pkgid');
  return pkgid.toLowerCase();
}

/** How createrepo_c writes it; everything else is read properly. */
const PLAIN = /^<package pkgid="([0-9a-f]{32,128})"/;

/** All files of a build: paths, directories included, ghosts included, as filelists.xml lists them. */
export function filesOf(element: Buffer, at = 'a <package>'): string[] {
  const reader = new XmlReader(utf8Text(element, at), at);
  const files: string[] = [];
  for (let token = reader.next(); token !== 'end'; token = reader.next()) {
    if (token === 'open' && reader.name === 'file' && reader.depth === 2) files.push(reader.textContent());
  }
  return files;
}

/**
 * As `filesOf`, without directories and ghosts, and some ten times as fast: for canonical elements, which are well-formed and in
 * which `<` begins a tag and nothing else.
 */
export function* plainFilesOf(element: Buffer): Iterable<string> {
  const text = element.toString('utf8');
  const open = /<file\b([^>]*)>([^<]*)</g;
  for (let found = open.exec(text); found; found = open.exec(text)) {
    if (/\btype\s*=/.test(found[1] ?? '')) continue;
    const path = found[2] ?? '';
    yield path.includes('&') ? decodeText(path) : path;
  }
}

/** A few paths, to be found among the files of many builds: no text is made of all the others, and most are not even read twice. */
export class PathSearch {
  private readonly wanted = new InternTable();
  /** By length and last byte: whether any of the paths is so. */
  private readonly ends = new Uint8Array(1 << 16);

  constructor(paths: Iterable<string>) {
    for (const path of paths) {
      const bytes = this.wanted.bytes(this.wanted.internText(path));
      this.ends[endOf(bytes, 0, bytes.length)] = 1;
    }
  }

  /** Those that the build has, directories and ghosts too. For canonical elements, as `plainFilesOf`. */
  in(element: Buffer): string[] {
    const found = new Set<number>();
    const { length } = element;
    const references = element.includes(AMPERSAND);
    for (let i = element.indexOf('<file'); i >= 0 && i < length; i += 1) {
      if (element[i] !== LT || !isFileTag(element, i)) continue;
      const from = element.indexOf(GT, i) + 1;
      if (from === 0) break;
      i = from;
      while (i < length && element[i] !== LT) i += 1;
      const id = references
        ? this.wanted.findText(decodeText(element.toString('utf8', from, i)))
        : this.find(element, from, i);
      if (id >= 0) found.add(id);
    }
    return [...found].map((id) => this.wanted.bytes(id).toString('utf8'));
  }

  private find(element: Buffer, from: number, to: number): number {
    if (this.ends[endOf(element, from, to)] === 0) return -1;
    return this.wanted.find(element, from, to, hashOf(element, from, to));
  }
}

function endOf(bytes: Buffer, from: number, to: number): number {
  return (((to - from) & 0xff) << 8) | (bytes[to - 1] as number);
}

const LT = 0x3c;
const GT = 0x3e;
const AMPERSAND = 0x26;

/** `<file>` or `<file type="dir">`. */
function isFileTag(b: Buffer, i: number): boolean {
  if (b[i + 1] !== 0x66 || b[i + 2] !== 0x69 || b[i + 3] !== 0x6c || b[i + 4] !== 0x65) return false;
  const next = b[i + 5] as number;
  return next === GT || next === 0x20 || next === 0x09 || next === 0x0a || next === 0x0d;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decodeText(text: string): string {
  return text.replace(
    /&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi,
    (all, hex?: string, digits?: string, name?: string) => {
      if (name !== undefined) return ENTITIES[name] ?? all;
      return String.fromCodePoint(hex === undefined ? Number(digits) : Number.parseInt(hex, 16));
    },
  );
}

/** createrepo_c's frame of filelists.xml. */
export function filelistsDocument(count: number): Frame {
  return frame('filelists', `xmlns="http://linux.duke.edu/metadata/filelists" packages="${count}"`);
}
