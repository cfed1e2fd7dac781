import { type Capability, overlaps } from '../rpm/capability.ts';
import { type Nevra, nevra } from '../rpm/nevra.ts';
import { Head, type ScanSink, scanPackage } from './entryScanner.ts';
import { HASH_PRIME, HASH_START, InternTable } from './internTable.ts';
import { capability, RELATIONS, type Relation, readPackage } from './primary.ts';
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
  private readonly paths = new InternTable();
  private readonly capabilities: Capability[] = [];
  /** Numbers of capabilities, build by build; and for each build and relation where its own begin and end. */
  private readonly refs = new Numbers();
  private readonly spans = new Numbers();
  private readonly files = new Numbers();
  private readonly fileSpans = new Numbers();
  private providerIndex: Providers | undefined;
  private readonly added = new Map<number, string[]>();

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
    const known = this.capabilities[number];
    if (known) return known;
    const attributes = utf8Text(this.entries.bytes(number), 'a capability');
    const reader = new XmlReader(`<rpm:entry${attributes}/>`, 'a capability');
    reader.root('rpm:entry');
    const read = capability((name) => reader.attribute(name), 'a capability');
    this.capabilities[number] = read;
    return read;
  }

  /** The files that primary.xml lists for a build, and those that addFiles was told. */
  filesOf(build: number): string[] {
    const listed = [...this.files.between(this.fileSpans.at(build * 2), this.fileSpans.at(build * 2 + 1))];
    return [...listed.map((path) => this.path(path)), ...(this.added.get(build) ?? [])];
  }

  /** Further files of a build, from filelists.xml: those that something requires are enough. */
  addFiles(build: number, paths: readonly string[]): void {
    this.added.set(build, [...(this.added.get(build) ?? []), ...paths]);
    this.providerIndex = undefined;
  }

  /** Builds that provide this name in some version, or own this path; in order of their numbers, none twice. */
  providing(name: string): readonly number[] {
    return this.providers().get(name) ?? [];
  }

  /** Builds that satisfy a plain requirement (not a rich one): a provide that overlaps, or a file of that path. */
  satisfying(require: Capability): number[] {
    return this.providing(require.name).filter((build) => {
      for (const number of this.relation(build, 'provides')) {
        const provide = this.capability(number);
        if (provide.name === require.name && overlaps(provide, require)) return true;
      }
      return require.name.startsWith('/') && this.filesOf(build).includes(require.name);
    });
  }

  private providers(): Providers {
    if (this.providerIndex) return this.providerIndex;
    const providers: Providers = new Map();
    const note = (name: string, build: number) => {
      const builds = providers.get(name);
      if (builds === undefined) providers.set(name, [build]);
      else if (builds[builds.length - 1] !== build) builds.push(build);
    };
    const names: (string | undefined)[] = new Array(this.entries.size);
    for (let build = 0; build < this.size; build += 1) {
      for (const number of this.relation(build, 'provides')) {
        const name = names[number] ?? this.entryName(number);
        names[number] = name;
        note(name, build);
      }
      for (const path of this.filesOf(build)) note(path, build);
    }
    this.providerIndex = providers;
    return providers;
  }

  /** Only the name, without reading the rest of the capability. */
  private entryName(number: number): string {
    const bytes = this.entries.bytes(number);
    const from = ' name="'.length;
    const name = bytes.toString('utf8', from, bytes.indexOf('"', from));
    return /[&\t\r\n]/.test(name) ? this.capability(number).name : name;
  }

  private path(number: number): string {
    return decoded(this.paths.bytes(number));
  }

  /** For elements that are not written as createrepo_c does: read properly, then stored as if they were. */
  private addSlowly(element: Buffer, where: string): Nevra {
    const read = readPackage(element, where);
    for (const relation of RELATIONS) {
      this.spans.push(this.refs.length);
      for (const c of read[relation]) this.refs.push(this.internText(this.entries, entryText(c)));
      this.spans.push(this.refs.length);
    }
    for (const path of read.files) this.files.push(this.internText(this.paths, escaped(path)));
    return read.nevra;
  }

  private internText(table: InternTable, text: string): number {
    const bytes = Buffer.from(text);
    return table.intern(bytes, 0, bytes.length, hashOf(bytes, 0, bytes.length));
  }
}

type Providers = Map<string, number[]>;

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
    this.files.push(this.paths.intern(this.element, from, to, hashOf(this.element, from, to)));
  }
}

/** A growing list of 32-bit numbers. */
class Numbers {
  length = 0;
  private values = new Int32Array(1 << 10);

  at(i: number): number {
    return i < this.length ? (this.values[i] as number) : 0;
  }

  push(value: number): void {
    if (this.length === this.values.length) this.grow(this.length + 1);
    this.values[this.length] = value;
    this.length += 1;
  }

  pushAll(values: Int32Array): void {
    if (this.length + values.length > this.values.length) this.grow(this.length + values.length);
    this.values.set(values, this.length);
    this.length += values.length;
  }

  between(from: number, to: number): Int32Array {
    return this.values.subarray(from, to);
  }

  truncate(length: number): void {
    this.length = length;
  }

  private grow(needed: number): void {
    const larger = new Int32Array(Math.max(this.values.length * 2, needed));
    larger.set(this.values);
    this.values = larger;
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

function decoded(bytes: Buffer): string {
  if (!bytes.includes(0x26)) return bytes.toString('utf8');
  const reader = new XmlReader(`<file>${utf8Text(bytes, 'a path')}</file>`, 'a path');
  reader.root('file');
  return reader.textContent();
}

function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = HASH_START;
  for (let i = from; i < to; i += 1) hash = Math.imul(hash ^ (bytes[i] as number), HASH_PRIME);
  return hash;
}

function at<T>(list: readonly T[], i: number): T {
  const item = list[i];
  if (item === undefined) throw invalid(`there is no build ${i}`, 'the index');
  return item;
}
