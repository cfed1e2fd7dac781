import { isUtf8 } from 'node:buffer';
import { Fault, quote } from '../base/fault.ts';

/** The namespace that canonical elements bind to the prefix `rpm`. */
export const RPM_NAMESPACE = 'http://linux.duke.edu/metadata/rpm';
/** The default namespaces of primary, filelists, other and repomd, where elements need no prefix. */
export const DOCUMENT_NAMESPACES: readonly string[] = ['common', 'filelists', 'other', 'repo'].map(
  (name) => `http://linux.duke.edu/metadata/${name}`,
);
const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace';

const MAX_DEPTH = 64;
// XML 1.0, production 2: what no document may hold, not even as a reference.
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;
const NAME = /[A-Za-z_:\x80-\uffff][-A-Za-z0-9._:\x80-\uffff]*/y;
const SPACE = /[ \t\r\n]*/y;
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
  private pendingClose = false;
  private value = '';
  private roots = 0;

  constructor(text: string, at: string) {
    this.text = text;
    this.at = at;
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
    return this.value;
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

  fault(what: string): Fault {
    return invalid(what, this.at);
  }

  private characters(from: number): Token {
    const next = this.text.indexOf('<', from);
    this.end = next < 0 ? this.text.length : next;
    const raw = this.text.slice(from, this.end);
    if (this.open.length === 0) {
      if (/[^ \t\r\n]/.test(raw)) throw this.fault(`it has text outside of elements: ${quote(raw.trim())}`);
      return this.next();
    }
    if (raw.includes(']]>')) throw this.fault('it has a stray ]]>');
    this.value = this.resolve(raw.includes('\r') ? raw.replace(/\r\n?/g, '\n') : raw);
    return 'text';
  }

  private startTag(from: number): Token {
    const { text } = this;
    NAME.lastIndex = from + 1;
    if (!NAME.test(text))
      throw this.fault(`it has ${quote(text.slice(from, from + 20))} where a tag should be`);
    let i = NAME.lastIndex;
    this.written = text.slice(from + 1, i);
    this.attributeNames.length = 0;
    this.attributeValues.length = 0;
    let declares = false;
    for (;;) {
      const code = text.charCodeAt(i);
      if (code === 0x3e || code === 0x2f) break;
      SPACE.lastIndex = i;
      SPACE.test(text);
      if (SPACE.lastIndex === i) throw this.fault(`<${this.written}> is not well-formed`);
      i = SPACE.lastIndex;
      const first = text.charCodeAt(i);
      if (first === 0x3e || first === 0x2f) break;
      i = this.readAttribute(i);
      if (this.attributeNames[this.attributeNames.length - 1]?.startsWith('xmlns')) declares = true;
    }
    const empty = text.charCodeAt(i) === 0x2f;
    if (empty && text.charCodeAt(i + 1) !== 0x3e) throw this.fault(`<${this.written}> is not well-formed`);
    this.end = i + (empty ? 2 : 1);
    if (this.open.length === 0) this.roots += 1;
    if (this.roots > 1) throw this.fault('it has a second root element');
    this.open.push(this.written);
    if (this.open.length > MAX_DEPTH) throw this.fault(`its elements are nested more than ${MAX_DEPTH} deep`);
    if (declares) this.declare();
    this.name = this.canonicalName(this.written);
    this.names.push(this.name);
    this.pendingClose = empty;
    return 'open';
  }

  private readAttribute(from: number): number {
    const { text } = this;
    NAME.lastIndex = from;
    if (!NAME.test(text)) throw this.fault(`<${this.written}> has a malformed attribute`);
    const name = text.slice(from, NAME.lastIndex);
    let i = NAME.lastIndex;
    if (text.charCodeAt(i) !== 0x3d) {
      SPACE.lastIndex = i;
      SPACE.test(text);
      i = SPACE.lastIndex;
      if (text.charCodeAt(i) !== 0x3d) throw this.fault(`<${this.written} ${name}> has no value`);
    }
    let quoteAt = i + 1;
    if (text.charCodeAt(quoteAt) !== 0x22) {
      SPACE.lastIndex = quoteAt;
      SPACE.test(text);
      quoteAt = SPACE.lastIndex;
    }
    const mark = text.charCodeAt(quoteAt);
    const close =
      mark === 0x22 ? text.indexOf('"', quoteAt + 1) : mark === 0x27 ? text.indexOf("'", quoteAt + 1) : -1;
    if (close < 0) throw this.fault(`<${this.written} ${name}=…> is not quoted`);
    const value = text.slice(quoteAt + 1, close);
    if (value.includes('<')) throw this.fault(`<${this.written} ${name}=…> has a < inside`);
    if (this.attributeNames.includes(name)) throw this.fault(`<${this.written}> has ${name} twice`);
    this.attributeNames.push(name);
    this.attributeValues.push(value);
    return close + 1;
  }

  private endTag(from: number): Token {
    const close = this.text.indexOf('>', from);
    if (close < 0) throw this.fault('it ends inside a tag');
    const name = this.text.slice(from + 2, close).replace(/[ \t\r\n]+$/, '');
    const expected = this.open[this.open.length - 1];
    if (name !== expected) {
      throw this.fault(`</${quote(name).slice(1, -1)}> stands where </${expected ?? ''}> should: mis-nested`);
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

  private declare(): void {
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
