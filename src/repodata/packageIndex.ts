import type { Capability } from '../rpm/capability.ts';
import { type Nevra, nevra } from '../rpm/nevra.ts';
import { Head, type ScanSink, scanPackage } from './entryScanner.ts';
import { HASH_PRIME, HASH_START, hashOf, InternTable } from './internTable.ts';
import { Numbers } from './numbers.ts';
import { capability, RELATIONS, type Relation, readPackage } from './primary.ts';
import { Providers } from './providers.ts';
import { invalid, utf8Text, XmlReader } from './xml.ts';

/**
 * Builds in memory, as dependency questions need them: who is called so, who provides that, what does it require.
 * Filled from canonical `<package>` elements of primary.xml (canonicalElement has checked them) and kept as numbers:
 * builds and distinct capabilities are numbered from 0 in order of appearance.
 */
export class PackageIndex {
  private readonly nevras: Nevra[] = [];
  private readonly elements: Buffer[] = [];
  private readonly byName = new Map<string, number[]>();
  /** Distinct `rpm:entry` attributes, as bytes. */
  private readonly entries = new InternTable();
  /** Distinct paths, without references. */
  private readonly paths = new InternTable();
  private readonly read: Capability[] = [];
  /** Numbers of capabilities, build by build; and for each build and relation where its own begin and end. */
  private readonly refs = new Numbers();
  private readonly spans = new Numbers();
  private readonly files = new Numbers();
  private readonly fileSpans = new Numbers();
  private providerIndex: Providers | undefined;
  /** Numbers of the paths that addFiles was told, by build. */
  private readonly added = new Map<number, number[]>();

  /** How many builds there are. */
  get size(): number {
    return this.nevras.length;
  }

  /** Adds a build and returns its number. METADATA_INVALID, MALFORMED as readPackage. */
  add(element: Buffer, at = 'a package'): number {
    const refsBefore = this.refs.length;
    const filesBefore = this.files.length;
    const head = new Head();
    const sink = new Collector(this.refs, this.files, this.paths, element);
    const scanned = scanPackage(element, this.entries, head, sink) && sink.contiguous;
    let build: Nevra | undefined;
    if (scanned) {
      build = readHead(element, head, at);
      this.spans.pushAll(sink.bounds);
    } else {
      this.refs.truncate(refsBefore);
      this.files.truncate(filesBefore);
      build = this.addSlowly(element, at);
    }
    this.fileSpans.push(filesBefore);
    this.fileSpans.push(this.files.length);
    const number = this.nevras.push(build) - 1;
    this.elements.push(element);
    const named = this.byName.get(build.name);
    if (named) named.push(number);
    else this.byName.set(build.name, [number]);
    this.providerIndex = undefined;
    return number;
  }

  nevra(build: number): Nevra {
    return at(this.nevras, build);
  }

  element(build: number): Buffer {
    return at(this.elements, build);
  }

  /** All builds with this name, in order of their numbers. */
  named(name: string): readonly number[] {
    return this.byName.get(name) ?? [];
  }

  /** The numbers of the capabilities of one relation of a build, in the element's order. */
  relation(build: number, relation: Relation): Int32Array {
    const i = (build * RELATIONS.length + RELATIONS.indexOf(relation)) * 2;
    return this.refs.between(this.spans.at(i), this.spans.at(i + 1));
  }

  /** By number; equal numbers are equal capabilities (not always the other way round). */
  capability(number: number): Capability {
    const known = this.read[number];
    if (known) return known;
    const read = readEntry(utf8Text(this.entries.bytes(number), 'a capability'));
    this.read[number] = read;
    return read;
  }

  /** How many distinct capabilities there are: their numbers are below. */
  get capabilities(): number {
    return this.entries.size;
  }

  /** Whether a capability is a rich dependency: its name begins with `(`. */
  isRich(number: number): boolean {
    return this.firstLetter(number) === 0x28;
  }

  /** Whether a capability names a path. */
  isPath(number: number): boolean {
    return this.firstLetter(number) === 0x2f;
  }

  /** The same without `pre`, which says when it is required and not what; itself where no build has that. */
  withoutPre(number: number): number {
    const bytes = this.entries.bytes(number);
    const end = bytes.length - PRE.length;
    if (end <= 0 || bytes[end] !== PRE[0] || !bytes.subarray(end).equals(PRE)) return number;
    const plain = this.entries.find(bytes, 0, end, hashOf(bytes, 0, end));
    return plain < 0 ? number : plain;
  }

  /** Whether rpm itself provides a capability: `rpmlib(…)`. */
  isRpmlib(number: number): boolean {
    const bytes = this.entries.bytes(number);
    for (let i = 0; i < RPMLIB.length; i += 1) if (bytes[NAME_AT + i] !== RPMLIB[i]) return false;
    return true;
  }

  /** The numbers of the capabilities that any build has in this relation, ascending, none twice. */
  distinct(relation: Relation): Int32Array {
    const marked = new Uint8Array(this.entries.size);
    const place = RELATIONS.indexOf(relation);
    for (let build = 0; build < this.size; build += 1) {
      const i = (build * RELATIONS.length + place) * 2;
      const end = this.spans.at(i + 1);
      for (let ref = this.spans.at(i); ref < end; ref += 1) marked[this.refs.at(ref)] = 1;
    }
    const numbers = new Numbers();
    for (let number = 0; number < marked.length; number += 1) if (marked[number] === 1) numbers.push(number);
    return numbers.between(0, numbers.length);
  }

  /** The files that primary.xml lists for a build, and those that addFiles was told. */
  filesOf(build: number): string[] {
    return this.pathsOf(build).map((path) => this.paths.bytes(path).toString('utf8'));
  }

  /** Further files of a build, from filelists.xml: those that something requires are enough. */
  addFiles(build: number, paths: readonly string[]): void {
    const known = new Set(this.pathsOf(build));
    const fresh = new Set(
      paths.map((path) => this.paths.internText(path)).filter((path) => !known.has(path)),
    );
    this.added.set(build, [...(this.added.get(build) ?? []), ...fresh]);
    this.providerIndex?.forgetFiles();
  }

  /** Builds that provide this name in some version, or own this path; in order of their numbers, none twice. */
  providing(name: string): readonly number[] {
    return this.providers().providing(name);
  }

  /** Builds that satisfy a plain requirement (not a rich one): a provide that overlaps, or a file of that path. */
  satisfying(require: Capability): number[] {
    return this.providers().satisfying(require);
  }

  /** As `satisfying`, of the capability of that number: ascending, and worked out once. */
  satisfiersOf(number: number): Int32Array {
    return this.providers().satisfiersOf(number);
  }

  private providers(): Providers {
    this.providerIndex ??= new Providers({
      size: this.size,
      entries: this.entries,
      paths: this.paths,
      capability: (entry) => this.capability(entry),
      provides: (build) => this.relation(build, 'provides'),
      files: (build) => this.pathsOf(build),
    });
    return this.providerIndex;
  }

  private pathsOf(build: number): number[] {
    const listed = this.files.between(this.fileSpans.at(build * 2), this.fileSpans.at(build * 2 + 1));
    return [...listed, ...(this.added.get(build) ?? [])];
  }

  private firstLetter(number: number): number {
    const first = this.entries.bytes(number)[NAME_AT] ?? 0;
    return first === AMPERSAND ? this.capability(number).name.charCodeAt(0) : first;
  }

  /** For elements that are not written as createrepo_c does: read properly, then stored as if they were. */
  private addSlowly(element: Buffer, where: string): Nevra {
    const read = readPackage(element, where);
    for (const relation of RELATIONS) {
      this.spans.push(this.refs.length);
      for (const c of read[relation]) this.refs.push(this.entries.internText(entryText(c)));
      this.spans.push(this.refs.length);
    }
    for (const path of read.files) this.files.push(this.paths.internText(path));
    return read.nevra;
  }
}

/** Puts what the scanner finds into the index; each relation must be in one piece to be a span. */
class Collector implements ScanSink {
  /** For each relation: where its numbers begin and end. */
  readonly bounds = new Int32Array(RELATIONS.length * 2);
  contiguous = true;
  private readonly refs: Numbers;
  private readonly files: Numbers;
  private readonly paths: InternTable;
  private readonly element: Buffer;

  constructor(refs: Numbers, files: Numbers, paths: InternTable, element: Buffer) {
    this.refs = refs;
    this.files = files;
    this.paths = paths;
    this.element = element;
    this.bounds.fill(refs.length);
  }

  entry(relation: number, id: number): void {
    const { bounds, refs } = this;
    const end = relation * 2 + 1;
    if (bounds[end] === bounds[end - 1]) bounds[end - 1] = refs.length;
    else if (bounds[end] !== refs.length) this.contiguous = false;
    refs.push(id);
    bounds[end] = refs.length;
  }

  file(from: number, to: number): void {
    const { element, paths } = this;
    let hash = HASH_START;
    let plain = true;
    for (let i = from; i < to; i += 1) {
      const byte = element[i] as number;
      if (byte === AMPERSAND) plain = false;
      hash = Math.imul(hash ^ byte, HASH_PRIME);
    }
    this.files.push(
      plain ? paths.intern(element, from, to, hash) : paths.internText(decoded(element.subarray(from, to))),
    );
  }
}

function readHead(element: Buffer, head: Head, where: string): Nevra {
  const name = element.toString('utf8', head.nameFrom, head.nameTo);
  const arch = element.toString('utf8', head.archFrom, head.archTo);
  const tag = `<version ${element.toString('utf8', head.version, element.indexOf(0x3e, head.version))}`;
  const plain = PLAIN_VERSION.exec(tag);
  if (plain) {
    const [, epoch, version = '', release = ''] = plain;
    return nevra({ name, epoch, version, release, arch }, where);
  }
  return readPackage(element, where).nevra;
}

const AMPERSAND = 0x26;
const PRE = Buffer.from(' pre="1"');
const RPMLIB = Buffer.from('rpmlib(');
const NAME_AT = ' name="'.length;

const PLAIN_VERSION = /^<version epoch="([^"&]*)" ver="([^"&]*)" rel="([^"&]*)"\/?$/;

function entryText(c: Capability): string {
  const attribute = (name: string, value: string | undefined): string =>
    value === undefined ? '' : ` ${name}="${escaped(value)}"`;
  return [
    attribute('name', c.name),
    attribute('flags', c.flags),
    attribute('epoch', c.epoch === undefined ? undefined : String(c.epoch)),
    attribute('ver', c.version),
    attribute('rel', c.release),
    attribute('pre', c.pre ? '1' : undefined),
  ].join('');
}

function escaped(text: string): string {
  return text.replace(/[&<>"\t\r\n]/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** How createrepo_c writes the attributes, and nothing in them that stands for something else. */
const PLAIN_ENTRY =
  /^ name="([^"&\t\r\n]+)"(?: flags="([A-Z]*)")?(?: epoch="([^"&\s]*)")?(?: ver="([^"&\s]*)")?(?: rel="([^"&\s]*)")?(?: pre="([^"&\s]*)")?$/;

function readEntry(attributes: string): Capability {
  const plain = PLAIN_ENTRY.exec(attributes);
  if (plain) {
    const [, name, flags, epoch, ver, rel, pre] = plain;
    const values: Readonly<Record<string, string | undefined>> = { name, flags, epoch, ver, rel, pre };
    return capability((attribute) => values[attribute], 'a capability');
  }
  const reader = new XmlReader(`<rpm:entry${attributes}/>`, 'a capability');
  reader.root('rpm:entry');
  return capability((name) => reader.attribute(name), 'a capability');
}

function decoded(bytes: Buffer): string {
  const reader = new XmlReader(`<file>${utf8Text(bytes, 'a path')}</file>`, 'a path');
  reader.root('file');
  return reader.textContent();
}

function at<T>(list: readonly T[], i: number): T {
  const item = list[i];
  if (item === undefined) throw invalid(`there is no build ${i}`, 'the index');
  return item;
}
