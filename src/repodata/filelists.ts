import { type Frame, frame } from './canonical.ts';
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
