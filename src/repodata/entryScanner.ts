import { HASH_PRIME, HASH_START, type InternTable } from './internTable.ts';
import { RELATIONS } from './primary.ts';

/** What the scanner tells of one `<package>`, in the order of the bytes. */
export interface ScanSink {
  /** An `<rpm:entry>` of RELATIONS[relation]: the number of its attributes' bytes in the intern table. */
  entry(relation: number, id: number): void;
  /** A `<file>`: where its path stands. */
  file(from: number, to: number): void;
}

/** Offsets of what a build is called; -1 until found. */
export class Head {
  nameFrom = -1;
  nameTo = -1;
  archFrom = -1;
  archTo = -1;
  /** Behind `<version`. */
  version = -1;
}

const LT = 0x3c;
const GT = 0x3e;
const SLASH = 0x2f;
const QUOTE = 0x22;
const APOSTROPHE = 0x27;

const ENTRY = '<rpm:entry';
const DESCRIPTION_END = Buffer.from('</description>');
const ENDS: readonly string[] = RELATIONS.map((name) => `${name}>`); // behind `</rpm:`
const NAME_FIRST = ' name="';

/**
 * One pass over the bytes of a canonical `<package>`, looking only at what dependencies need. False when something is
 * not as createrepo_c writes it (a quote, an order, an element that is not empty): the caller then reads the element
 * properly. What was told to the sink before that is void.
 */
export function scanPackage(b: Buffer, entries: InternTable, head: Head, sink: ScanSink): boolean {
  const { length } = b;
  let relation = -1;
  let inFormat = false;
  for (let i = 1; i < length; i += 1) {
    if (b[i] !== LT) continue;
    const c = b[i + 1];
    if (c === 0x21 || c === 0x3f) return false; // comment, CDATA, instruction
    if (c === SLASH) {
      if (relation >= 0) {
        if (!matches(b, i + 6, ENDS[relation] ?? '')) return false;
        relation = -1;
      }
      continue;
    }
    if (c === 0x72 && b[i + 2] === 0x70 && b[i + 3] === 0x6d && b[i + 4] === 0x3a) {
      if (matches(b, i, ENTRY)) {
        if (relation < 0) return false;
        const end = entryEnd(b, i + ENTRY.length);
        if (end < 0) return false;
        sink.entry(relation, entries.intern(b, i + ENTRY.length, end, entryHash));
        i = end + 1;
      } else if (inFormat) {
        const found = relationAt(b, i + 5);
        if (found >= 0) {
          if (relation >= 0) return false;
          relation = found;
        } else if (relation >= 0) return false;
      }
      continue;
    }
    if (!inFormat) {
      if (matches(b, i, '<format>')) inFormat = true;
      else if (matches(b, i, '<name>')) {
        if (head.nameFrom >= 0) return false;
        head.nameFrom = i + 6;
        head.nameTo = b.indexOf(LT, i + 6);
      } else if (matches(b, i, '<arch>')) {
        if (head.archFrom >= 0) return false;
        head.archFrom = i + 6;
        head.archTo = b.indexOf(LT, i + 6);
      } else if (matches(b, i, '<version ')) {
        if (head.version >= 0) return false;
        head.version = i + 9;
      } else if (matches(b, i, '<description>')) {
        const end = b.indexOf(DESCRIPTION_END, i);
        if (end < 0) return false;
        i = end - 1;
      }
      continue;
    }
    if (
      matches(b, i, '<file>') ||
      matches(b, i, '<file type="dir">') ||
      matches(b, i, '<file type="ghost">')
    ) {
      const from = b.indexOf(GT, i) + 1;
      let to = from;
      while (to < length && b[to] !== LT) to += 1;
      if (b[to + 1] !== SLASH) return false;
      sink.file(from, to);
      i = to;
    } else return false;
  }
  return head.nameFrom >= 0 && head.archFrom >= 0 && head.version >= 0 && inFormat;
}

let entryHash = 0; // the second result of entryEnd: an object for each of a million entries would cost more than this

/** The slash that ends the empty element whose attributes begin at `from` with ` name="`; -1 for any other form. */
function entryEnd(b: Buffer, from: number): number {
  if (!matches(b, from, NAME_FIRST)) return -1;
  let hash = HASH_START;
  let quoted = false;
  for (let i = from; i < b.length; i += 1) {
    const byte = b[i] as number;
    if (byte === QUOTE) quoted = !quoted;
    else if (!quoted && byte < 0x40) {
      if (byte === SLASH && b[i + 1] === GT) {
        entryHash = hash;
        return i;
      }
      if (byte === GT || byte === SLASH || byte === APOSTROPHE) return -1;
    }
    hash = Math.imul(hash ^ byte, HASH_PRIME);
  }
  return -1;
}

function relationAt(b: Buffer, i: number): number {
  for (let relation = 0; relation < ENDS.length; relation += 1) {
    if (matches(b, i, ENDS[relation] as string)) return relation;
  }
  return -1;
}

function matches(b: Buffer, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i += 1) if (b[at + i] !== text.charCodeAt(i)) return false;
  return true;
}
