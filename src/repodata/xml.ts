import { isUtf8 } from 'node:buffer';
import { Fault, quote } from '../base/fault.ts';

/** The namespace that canonical elements bind to the prefix `rpm`. */
export const RPM_NAMESPACE = 'http://linux.duke.edu/metadata/rpm';
/** The default namespaces of primary, filelists, other and repomd, where elements need no prefix. */
export const DOCUMENT_NAMESPACES: readonly string[] = ['common', 'filelists', 'other', 'repo'].map(
  (name) => `http://linux.duke.edu/metadata/${name}`,
);
const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace';

const GT = 0x3e;
const SLASH = 0x2f;
const EQUALS = 0x3d;
const MAX_DEPTH = 64;
const MAX_ATTRIBUTES = 64;
// XML 1.0, production 2: what no document may hold, not even as a reference.
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;
const NAMED: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);

export type Token = 'open' | 'close' | 'text' | 'end';

/** METADATA_INVALID with a place. */
export function invalid(what: string, at: string, cause?: unknown): Fault {
  return new Fault('METADATA_INVALID', what, {
    hint: 'Fetch the metadata again; if it stays so, tell the upstream.',
    at,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Bytes that must be UTF-8; anything else would become U+FFFD in silence. */
export function utf8Text(bytes: Buffer, at: string): string {
  if (!isUtf8(bytes)) throw invalid('it is not valid UTF-8', at);
  return bytes.toString('utf8');
}

/**
 * A strict pull reader of XML 1.0 with namespaces, for one element or one small document: nesting, attributes,
 * references and characters are checked; DOCTYPE and entity declarations are refused, so that nothing expands.
 *
 * `name` is the canonical name: `rpm:entry` whatever prefix the document has, `package` for the document's own
 * namespace, `{uri}local` for a foreign one. The usual prefixes are bound from the start: an element cut out of its
 * document is read as it was there.
 */
export class XmlReader {
  readonly text: string;
  readonly at: string;
  /** Of the last token: where it begins, and where it ends (exclusive). */
  start = 0;
  end = 0;
  /** After `open` and `close`: the canonical name. */
  name = '';
  /** After `open`: the name as written. */
  written = '';
  /** After `open`: attribute names as written, and their values as written between the quotes. */
  readonly attributeNames: string[] = [];
  readonly attributeValues: string[] = [];
  /** True once a comment, a CDATA section or a processing instruction was read. */
  sawMisc = false;
  /** True once an element declared a namespace of its own. */
  sawDeclaration = false;
  private readonly open: string[] = [];
  private readonly names: string[] = [];
  private scopes: { depth: number; prefixes: Map<string, string> }[] = [{ depth: 0, prefixes: USUAL }];
  private known = new Map<string, string>();
  private declares = false;
  private pendingClose = false;
  /** Undefined: the text as it stands. */
  private value: string | undefined = '';
  private nextReference: number;
  /** No carriage return and no `]]>` anywhere. */
  private readonly simple: boolean;
  private roots = 0;

  constructor(text: string, at: string) {
    this.text = text;
    this.at = at;
    this.nextReference = text.indexOf('&');
    this.simple = !text.includes('\r') && !text.includes(']]>');
    const forbidden = FORBIDDEN.exec(text);
    if (forbidden) throw this.fault(`it has the character ${quote(forbidden[0])}, which XML does not allow`);
  }

  /** How many elements are open, the one just opened included. */
  get depth(): number {
    return this.open.length;
  }

  /** The next token; text between two tags may come in several pieces. */
  next(): Token {
    if (this.pendingClose) return this.close(this.end);
    const { text } = this;
    for (;;) {
      const from = this.end;
      if (from >= text.length) return this.finish();
      this.start = from;
      if (text.charCodeAt(from) !== 0x3c) return this.characters(from);
      const second = text.charCodeAt(from + 1);
      if (second === 0x2f) return this.endTag(from);
      if (second === 0x21) {
        if (this.declaration(from)) return 'text';
      } else if (second === 0x3f) this.instruction(from);
      else return this.startTag(from);
    }
  }

  /** After `text`: the characters, references resolved. */
  get characterData(): string {
    return this.value ?? this.text.slice(this.start, this.end);
  }

  /** After `open`: an attribute's value, references resolved; undefined where there is none. */
  attribute(name: string): string | undefined {
    const i = this.attributeNames.indexOf(name);
    const raw = i < 0 ? undefined : this.attributeValues[i];
    if (raw === undefined) return undefined;
    return this.resolve(/[\t\r\n]/.test(raw) ? raw.replace(/\r\n|[\t\r\n]/g, ' ') : raw);
  }

  /** After `open`: all text up to the matching `close`, which is consumed. Elements inside are a fault. */
  textContent(): string {
    const { name } = this;
    let content = '';
    for (;;) {
      const token = this.next();
      if (token === 'text') content += this.characterData;
      else if (token === 'close') return content;
      else throw this.fault(`<${name}> has elements inside`);
    }
  }

  /** After `open`: everything up to the matching `close`. */
  skip(): void {
    const depth = this.depth;
    while (this.depth >= depth) this.next();
  }

  /** First of all: opens the root, which must have this name. */
  root(name: string): void {
    let token = this.next();
    while (token === 'text') token = this.next();
    if (token !== 'open' || this.name !== name) throw this.fault(`it is not a <${name}>`);
  }

  fault(what: string): Fault {
    return invalid(what, this.at);
  }

  private characters(from: number): Token {
    const next = this.text.indexOf('<', from);
    this.end = next < 0 ? this.text.length : next;
    if (this.open.length === 0) {
      if (skipSpace(this.text, from) < this.end) {
        throw this.fault(`it has text outside of elements: ${quote(this.text.slice(from, this.end).trim())}`);
      }
      return this.next();
    }
    if (this.nextReference < from && this.nextReference >= 0)
      this.nextReference = this.text.indexOf('&', from);
    const plain = this.simple && (this.nextReference < 0 || this.nextReference >= this.end);
    this.value = plain ? undefined : this.checkedText(this.text.slice(from, this.end));
    return 'text';
  }

  private checkedText(raw: string): string {
    if (raw.includes(']]>')) throw this.fault('it has a stray ]]>');
    return this.resolve(raw.includes('\r') ? raw.replace(/\r\n?/g, '\n') : raw);
  }

  private startTag(from: number): Token {
    const { text } = this;
    let i = nameEnd(text, from + 1);
    if (i === from + 1)
      throw this.fault(`it has ${quote(text.slice(from, from + 20))} where a tag should be`);
    this.written = text.slice(from + 1, i);
    this.attributeNames.length = 0;
    this.attributeValues.length = 0;
    this.declares = false;
    for (;;) {
      const next = skipSpace(text, i);
      const code = text.charCodeAt(next);
      if (code === GT || code === SLASH) {
        i = next;
        break;
      }
      if (next === i) throw this.fault(`<${this.written}> is not well-formed`);
      i = this.readAttribute(next);
    }
    const empty = text.charCodeAt(i) === SLASH;
    if (empty && text.charCodeAt(i + 1) !== GT) throw this.fault(`<${this.written}> is not well-formed`);
    this.end = i + (empty ? 2 : 1);
    if (this.open.length === 0) this.roots += 1;
    if (this.roots > 1) throw this.fault('it has a second root element');
    this.open.push(this.written);
    if (this.open.length > MAX_DEPTH) throw this.fault(`its elements are nested more than ${MAX_DEPTH} deep`);
    if (this.declares) this.bindPrefixes();
    this.name = this.canonicalName(this.written);
    this.names.push(this.name);
    this.pendingClose = empty;
    return 'open';
  }

  private readAttribute(from: number): number {
    const { text } = this;
    const nameStop = nameEnd(text, from);
    if (nameStop === from) throw this.fault(`<${this.written}> has a malformed attribute`);
    const name = text.slice(from, nameStop);
    const equals = skipSpace(text, nameStop);
    if (text.charCodeAt(equals) !== EQUALS) throw this.fault(`<${this.written} ${name}> has no value`);
    const open = skipSpace(text, equals + 1);
    const mark = text.charCodeAt(open);
    const close = mark === 0x22 || mark === 0x27 ? text.indexOf(mark === 0x22 ? '"' : "'", open + 1) : -1;
    if (close < 0) throw this.fault(`<${this.written} ${name}=…> is not quoted`);
    const value = text.slice(open + 1, close);
    if (value.includes('<')) throw this.fault(`<${this.written} ${name}=…> has a < inside`);
    if (this.attributeNames.includes(name)) throw this.fault(`<${this.written}> has ${name} twice`);
    if (this.attributeNames.length === MAX_ATTRIBUTES)
      throw this.fault(`<${this.written}> has too many attributes`);
    if (value.includes('&')) this.resolve(value); // a bad reference is a fault even where nobody asks for the value
    if (name.startsWith('xmlns')) this.declares = true;
    this.attributeNames.push(name);
    this.attributeValues.push(value);
    return close + 1;
  }

  private endTag(from: number): Token {
    const { text } = this;
    const expected = this.open[this.open.length - 1];
    const nameStop = from + 2 + (expected?.length ?? 0);
    const close = skipSpace(text, nameStop);
    if (expected === undefined || !text.startsWith(expected, from + 2) || text.charCodeAt(close) !== GT) {
      const found = quote(text.slice(from, from + 40).replace(/(?<=>).*/s, ''));
      throw this.fault(`${found} stands where </${expected ?? ''}> should: mis-nested`);
    }
    return this.close(close + 1);
  }

  private close(end: number): Token {
    this.pendingClose = false;
    this.end = end;
    while (this.scopes.length > 1 && this.scopes[this.scopes.length - 1]?.depth === this.open.length) {
      this.scopes.pop();
      this.known = new Map();
    }
    this.open.pop();
    this.name = this.names.pop() ?? '';
    return 'close';
  }

  /** True when it was a CDATA section, whose text is then in `characterData`. */
  private declaration(from: number): boolean {
    const { text } = this;
    this.sawMisc = true;
    const cdata = text.startsWith('<![CDATA[', from);
    if (!cdata && !text.startsWith('<!--', from)) {
      throw this.fault(
        `it has ${quote(text.slice(from, from + 10))}: document types and entities are refused`,
      );
    }
    const close = text.indexOf(cdata ? ']]>' : '-->', from + (cdata ? 9 : 4));
    if (close < 0) throw this.fault('it ends inside a comment or CDATA section');
    this.end = close + 3;
    if (!cdata) return false;
    if (this.open.length === 0) throw this.fault('it has text outside of elements');
    this.value = text.slice(from + 9, close);
    return true;
  }

  private instruction(from: number): void {
    const close = this.text.indexOf('?>', from);
    if (close < 0) throw this.fault('it ends inside a processing instruction');
    if (from === 0 && /^<\?xml[ \t\r\n]/.test(this.text))
      checkDeclaration(this.text.slice(0, close), this.at);
    this.sawMisc = true;
    this.end = close + 2;
  }

  private finish(): Token {
    const unclosed = this.open[this.open.length - 1];
    if (unclosed !== undefined) throw this.fault(`it ends inside <${unclosed}>`);
    if (this.roots === 0) throw this.fault('it has no element');
    return 'end';
  }

  private bindPrefixes(): void {
    const current = this.scopes[this.scopes.length - 1]?.prefixes ?? USUAL;
    const prefixes = new Map(current);
    for (const name of this.attributeNames) {
      if (name === 'xmlns') prefixes.set('', this.attribute(name) ?? '');
      else if (name.startsWith('xmlns:')) prefixes.set(name.slice(6), this.attribute(name) ?? '');
    }
    this.scopes.push({ depth: this.open.length, prefixes });
    this.known = new Map();
    this.sawDeclaration = true;
  }

  private canonicalName(written: string): string {
    const known = this.known.get(written);
    if (known !== undefined) return known;
    const colon = written.indexOf(':');
    const local = written.slice(colon + 1);
    const prefix = colon < 0 ? '' : written.slice(0, colon);
    const uri = this.scopes[this.scopes.length - 1]?.prefixes.get(prefix);
    if (uri === undefined && prefix !== '') throw this.fault(`the prefix of <${written}> is not declared`);
    let name = `{${uri}}${local}`;
    if (uri === RPM_NAMESPACE) name = `rpm:${local}`;
    else if (uri === undefined || uri === '' || DOCUMENT_NAMESPACES.includes(uri)) name = local;
    this.known.set(written, name);
    return name;
  }

  private resolve(raw: string): string {
    if (!raw.includes('&')) return raw;
    return raw.replace(/&([^;&]{0,12});?/g, (whole: string, name: string) => {
      const named = NAMED.get(name);
      if (whole.endsWith(';') && named !== undefined) return named;
      const [, hex, decimal] =
        (whole.endsWith(';') && /^#(?:x([0-9A-Fa-f]{1,6})|([0-9]{1,7}))$/.exec(name)) || [];
      const code = hex ? Number.parseInt(hex, 16) : Number(decimal ?? Number.NaN);
      const legal = code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
      const character = legal ? String.fromCodePoint(code) : '';
      if (!legal || FORBIDDEN.test(character)) throw this.fault(`it has the reference ${quote(whole)}`);
      return character;
    });
  }
}

const USUAL: Map<string, string> = new Map([
  ['rpm', RPM_NAMESPACE],
  ['xml', XML_NAMESPACE],
]);

/** `<?xml …?>`: only UTF-8 (and its subset US-ASCII) is read, whatever else a document declares is refused. */
export function checkDeclaration(declaration: string, at: string): void {
  const encoding = /\bencoding[ \t\r\n]*=[ \t\r\n]*["']([^"']*)["']/.exec(declaration)?.[1];
  if (encoding !== undefined && !/^(?:utf-?8|us-ascii)$/i.test(encoding)) {
    throw invalid(`it declares the encoding ${quote(encoding)}; only UTF-8 is read`, at);
  }
  if (/\bversion[ \t\r\n]*=[ \t\r\n]*["'](?!1\.0["'])/.test(declaration))
    throw invalid('it is not XML 1.0', at);
}

export function escapeText(text: string): string {
  return text.replace(/[&<>\r]/g, (c) => ESCAPES[c] ?? c);
}

export function escapeAttribute(text: string): string {
  return text.replace(/[&<>"\t\r\n]/g, (c) => ESCAPES[c] ?? c);
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

/** Past the name at `from`; `from` itself when there is none. Every character beyond ASCII passes for a name's. */
function nameEnd(text: string, from: number): number {
  let i = from;
  while ((NAME_CHARACTER[Math.min(text.charCodeAt(i), 128)] ?? 0) > (i === from ? 1 : 0)) i += 1;
  return i;
}

/** 2: begins a name, 1: goes on with one, 0: neither. */
const NAME_CHARACTER: Uint8Array = Uint8Array.from({ length: 129 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (code === 128 || /[A-Za-z_:]/.test(character)) return 2;
  return /[-0-9.]/.test(character) ? 1 : 0;
});

function skipSpace(text: string, from: number): number {
  let i = from;
  for (;;) {
    const code = text.charCodeAt(i);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return i;
    i += 1;
  }
}
