import { isUtf8 } from 'node:buffer';
import { Fault, quote } from '../base/fault.ts';
import { checkDeclaration, escapeAttribute, invalid, RPM_NAMESPACE, utf8Text, XmlReader } from './xml.ts';

export interface CutOptions {
  readonly at: string;
  /** Ceiling of one element in bytes; 32 MiB unless told. The largest filelists of Fedora stay below 4 MiB. */
  readonly maxElement?: number;
  /** Accept a root whose `packages="N"` is not the number of elements. Default false. */
  readonly anyCount?: boolean;
}

const BATCH = 1 << 18;
const LT = 0x3c;
const GT = 0x3e;
const SLASH = 0x2f;

/**
 * The bytes of each `<name …>…</name>` (or `<name …/>`) below the document's root, in batches, one chunk of the
 * document in memory. The document around them is checked: UTF-8, no DOCTYPE, nothing else below the root, complete,
 * and as many as `packages="N"` says. The elements themselves are only cut: XmlReader finds what is wrong inside.
 * Where the root binds unusual prefixes, the elements that use them are given the declarations, so that each one
 * means by itself what it meant there. METADATA_INVALID; TOO_LARGE for an element above the ceiling.
 */
export async function* cutElements(
  chunks: AsyncIterable<Buffer>,
  name: string,
  o: CutOptions,
): AsyncGenerator<Buffer[], void, undefined> {
  const cutter = new Cutter(name, o);
  let parts: Buffer[] = [];
  let gathered = 0;
  let wanted = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    gathered += chunk.length;
    if (gathered < wanted) continue;
    const buffer = parts.length === 1 ? chunk : Buffer.concat(parts);
    const batch = cutter.cut(buffer);
    if (batch.length > 0) yield batch;
    const rest = buffer.subarray(cutter.position);
    parts = [rest];
    gathered = rest.length;
    wanted = rest.length + Math.max(rest.length, BATCH); // twice as much before it is searched again: linear
  }
  const buffer = Buffer.concat(parts);
  const batch = cutter.cut(buffer);
  if (batch.length > 0) yield batch;
  cutter.finish(buffer);
}

class Cutter {
  /** How far the last buffer was consumed. */
  position = 0;
  private readonly name: string;
  private readonly o: CutOptions;
  private readonly maxElement: number;
  private state: 'prolog' | 'root' | 'epilog' = 'prolog';
  private atStart = true;
  private root = '';
  private declared: number | undefined;
  private count = 0;
  /** Prefixes that the root binds in its own way: `xmlns:p="…"`, ready to be put into an element. */
  private readonly prefixes = new Map<string, string>();
  private misc = -2;
  /** `</package`: kept, because a Buffer is searched for faster than a string. */
  private close = Buffer.alloc(0);
  private closes = '';

  constructor(name: string, o: CutOptions) {
    this.name = name;
    this.o = o;
    this.maxElement = o.maxElement ?? 32 << 20;
  }

  /** Everything that is complete in `bytes`, which begin where the last buffer was left. */
  cut(bytes: Buffer): Buffer[] {
    this.position = 0;
    this.misc = -2;
    const found: Buffer[] = [];
    let from = -1;
    for (;;) {
      const begin = this.betweenElements(bytes);
      if (begin < 0) break;
      const end = this.elementEnd(bytes, begin);
      if (end < 0) {
        if (bytes.length - begin > this.maxElement) throw this.tooLarge();
        break;
      }
      if (end - begin > this.maxElement) throw this.tooLarge();
      if (from < 0) from = begin;
      this.count += 1;
      found.push(this.selfContained(bytes.subarray(begin, end)));
      this.position = end;
    }
    if (from >= 0 && !isUtf8(bytes.subarray(from, this.position))) throw this.fault('it is not valid UTF-8');
    return found;
  }

  finish(bytes: Buffer): void {
    if (this.state !== 'epilog' || this.position < bytes.length) {
      throw this.fault(this.state === 'prolog' ? 'it has no complete root element' : 'it ends too early');
    }
    if (this.declared !== undefined && this.declared !== this.count && !this.o.anyCount) {
      throw this.fault(`its root declares packages="${this.declared}", but it has ${this.count}`);
    }
  }

  /** The offset of the next element; -1 when more bytes are needed or the document is over. */
  private betweenElements(bytes: Buffer): number {
    for (;;) {
      this.skipSpace(bytes);
      const i = this.position;
      if (i + 1 >= bytes.length) return this.incomplete(bytes, i);
      const second = bytes[i + 1];
      if (bytes[i] !== LT) throw this.fault(`it has ${excerpt(bytes, i)} where a tag should be`);
      if (second === 0x21 || second === 0x3f) {
        const end = this.miscEnd(bytes, i);
        if (end < 0) return this.incomplete(bytes, i);
        this.position = end;
        continue;
      }
      const end = tagEnd(bytes, i);
      if (end < 0) return this.incomplete(bytes, i);
      if (this.state === 'epilog') throw this.fault('it has a second root element');
      if (this.state === 'prolog') this.readRoot(utf8Text(bytes.subarray(i, end), this.o.at));
      else if (second === SLASH) this.readRootEnd(bytes.toString('utf8', i + 2, end - 1));
      else if (localName(bytes, i) === this.name) return i;
      else throw this.fault(`it has ${excerpt(bytes, i)} where a <${this.name}> should be`);
      this.position = end;
    }
  }

  private incomplete(bytes: Buffer, from: number): -1 {
    if (bytes.length - from > this.maxElement) throw this.tooLarge();
    return -1;
  }

  private skipSpace(bytes: Buffer): void {
    let i = this.position;
    if (this.atStart && bytes.length >= 3) {
      if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) i = 3; // the byte order mark of UTF-8
      this.atStart = false;
    }
    while (isSpace(bytes[i])) i += 1;
    this.position = i;
  }

  private readRoot(tag: string): void {
    const empty = tag.endsWith('/>');
    const written = /^<([^\s/>]+)/.exec(tag)?.[1] ?? '';
    const reader = new XmlReader(empty ? tag : `${tag}</${written}>`, this.o.at);
    if (reader.next() !== 'open') throw this.fault('it has no root element');
    const declared = reader.attribute('packages');
    if (declared !== undefined) {
      if (!/^[0-9]{1,9}$/.test(declared)) throw this.fault(`its root declares packages=${quote(declared)}`);
      this.declared = Number(declared);
    }
    if (reader.attributeNames.includes('xml:base')) throw this.fault('its root has an xml:base');
    for (const name of reader.attributeNames) {
      const uri = reader.attribute(name) ?? '';
      if (!name.startsWith('xmlns:') || (name === 'xmlns:rpm' && uri === RPM_NAMESPACE)) continue;
      this.prefixes.set(name.slice(6), ` ${name}="${escapeAttribute(uri)}"`);
    }
    this.root = written;
    this.state = empty ? 'epilog' : 'root';
  }

  private readRootEnd(name: string): void {
    if (name.trimEnd() !== this.root) throw this.fault(`it ends </${this.root}> with ${quote(`</${name}>`)}`);
    this.state = 'epilog';
  }

  private elementEnd(bytes: Buffer, begin: number): number {
    const opened = tagEnd(bytes, begin);
    if (opened < 0) return -1;
    if (bytes[opened - 2] === SLASH) return opened;
    const name = qualifiedName(bytes, begin);
    if (name !== this.closes) [this.closes, this.close] = [name, Buffer.from(`</${name}`)];
    const { close } = this;
    let i = opened;
    for (;;) {
      const candidate = bytes.indexOf(close, i);
      if (candidate < 0) return -1;
      const misc = this.nextMisc(bytes, i);
      if (misc >= 0 && misc < candidate) {
        i = this.miscEnd(bytes, misc); // a comment or CDATA section may hold anything, end tags too
        if (i < 0) return -1;
        continue;
      }
      let after = candidate + close.length;
      while (isSpace(bytes[after])) after += 1;
      if (after >= bytes.length) return -1;
      if (bytes[after] === GT) return after + 1;
      i = candidate + 1; // </packager>
    }
  }

  /** The next `<!` or `<?`; looked for once, then remembered until it is passed. */
  private nextMisc(bytes: Buffer, from: number): number {
    if (this.misc === -1 || this.misc >= from) return this.misc;
    const a = nextMarkup(bytes, 0x21, from);
    const b = nextMarkup(bytes, 0x3f, from);
    this.misc = a < 0 || b < 0 ? Math.max(a, b) : Math.min(a, b);
    return this.misc;
  }

  /** The end of the comment, CDATA section or instruction at `begin`; -1 when it is not complete. */
  private miscEnd(bytes: Buffer, begin: number): number {
    const opening = bytes.toString('latin1', begin, begin + 9);
    for (const [open, close] of MISC) {
      if (opening.startsWith(open)) {
        const end = bytes.indexOf(close, begin + open.length);
        if (end >= 0 && open === '<?') this.checkInstruction(bytes.toString('latin1', begin, end));
        return end < 0 ? -1 : end + close.length;
      }
      if (open.startsWith(opening)) return -1;
    }
    throw this.fault(`it has ${excerpt(bytes, begin)}: document types and entities are refused`);
  }

  private checkInstruction(text: string): void {
    if (this.state === 'prolog' && /^<\?xml\s/.test(text)) checkDeclaration(text, this.o.at);
  }

  private selfContained(element: Buffer): Buffer {
    if (this.prefixes.size === 0) return element;
    const used = [...this.prefixes].filter(([p]) => element.includes(`<${p}:`) || element.includes(` ${p}:`));
    const own = element.toString('utf8', 0, tagEnd(element, 0));
    const missing = used.filter(([p]) => !new RegExp(`\\sxmlns:${RegExp.escape(p)}\\s*=`).test(own));
    if (missing.length === 0) return element;
    const split = 1 + Buffer.byteLength(qualifiedName(element, 0));
    const declarations = Buffer.from(missing.map(([, text]) => text).join(''));
    return Buffer.concat([element.subarray(0, split), declarations, element.subarray(split)]);
  }

  private fault(what: string): Fault {
    return invalid(what, this.o.at);
  }

  private tooLarge(): Fault {
    return new Fault('TOO_LARGE', `it has a <${this.name}> of more than ${this.maxElement} bytes`, {
      hint: 'Check that the document is genuine.',
      at: this.o.at,
    });
  }
}

const MISC = [
  ['<!--', '-->'],
  ['<![CDATA[', ']]>'],
  ['<?', '?>'],
] as const;

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** Past the `>` of the tag at `begin`, which may stand inside quotes before; -1 when the tag is not complete. */
function tagEnd(bytes: Buffer, begin: number): number {
  let i = begin + 1;
  while (i < bytes.length) {
    const byte = bytes[i];
    if (byte === GT) return i + 1;
    if (byte === 0x22 || byte === 0x27) {
      i = bytes.indexOf(byte, i + 1);
      if (i < 0) return -1;
    }
    i += 1;
  }
  return -1;
}

function qualifiedName(bytes: Buffer, begin: number): string {
  let i = begin + 1;
  while (i < bytes.length && !isSpace(bytes[i]) && bytes[i] !== GT && bytes[i] !== SLASH) i += 1;
  return bytes.toString('utf8', begin + 1, i);
}

function localName(bytes: Buffer, begin: number): string {
  const name = qualifiedName(bytes, begin);
  return name.slice(name.indexOf(':') + 1);
}

function nextMarkup(bytes: Buffer, second: number, from: number): number {
  for (let i = bytes.indexOf(second, from); i >= 0; i = bytes.indexOf(second, i + 1)) {
    if (i > from && bytes[i - 1] === LT) return i - 1;
  }
  return -1;
}

function excerpt(bytes: Buffer, from: number): string {
  return quote(bytes.toString('utf8', from, from + 24));
}
