import { type Checksum, checksum } from '../base/checksum.ts';
import { Fault, quote } from '../base/fault.ts';
import { formatNevra, type Nevra, nevra } from '../rpm/nevra.ts';
import { canonicalElement } from './canonical.ts';
import { cutElements } from './elements.ts';
import { cutText, type Span } from './span.ts';
import { utf8Text, XmlReader } from './xml.ts';

export type Severity = 'critical' | 'important' | 'moderate' | 'low' | 'none';

export interface Reference {
  /** `cve`, `bugzilla`, `self`, … */
  readonly type: string;
  readonly id?: string;
  /** As written: any text, any scheme. */
  readonly href?: string;
  readonly title?: string;
}

export interface AdvisoryPackage {
  readonly nevra: Nevra;
  /** The `<sum>`, where there is one. */
  readonly checksum?: Checksum;
  readonly filename?: string;
  readonly reboot?: boolean;
}

/** An `<update>`. All of its words are the upstream's: unescaped here, to be escaped wherever they are shown. */
export interface Advisory {
  readonly id: string;
  /** `security`, `bugfix`, `enhancement`, `newpackage`, …; empty where there is none. */
  readonly type: string;
  readonly severity: Severity;
  /** As written. */
  readonly severityText?: string;
  readonly title: string;
  readonly issued?: string;
  readonly updated?: string;
  readonly references: readonly Reference[];
  /** `CVE-2024-1234`, without repetition, in order of appearance. */
  readonly cves: readonly string[];
  readonly packages: readonly AdvisoryPackage[];
  /** The upstream's own bytes of the `<update>` element, canonical. */
  readonly bytes: Buffer;
}

const CVE = /CVE-[0-9]{4}-[0-9]{4,}/g;

/** Red Hat's four words, and SUSE's and Amazon's `medium`. */
const SEVERITIES: ReadonlyMap<string, Severity> = new Map([
  ['critical', 'critical'],
  ['important', 'important'],
  ['moderate', 'moderate'],
  ['medium', 'moderate'],
  ['low', 'low'],
]);

/** What a vendor got wrong, and what became of it. */
export interface AdvisoryRemark {
  readonly kind: 'repeated' | 'equal' | 'left out' | 'package left out';
  /** The advisory's id; its title where it has none that could be one. */
  readonly advisory: string;
  readonly why: string;
}

/** Vendors make ids of letters, digits and a few signs; openSUSE once took the package's name. */
const ID = /^[!-~]{1,200}$/;

/**
 * All advisories, in the document's order. Broken XML is METADATA_INVALID. What vendors do get wrong is told to
 * `report` and stops nothing: an id that occurs again (all stay: clients take the union), an advisory that has no id
 * or that cannot be read, a package whose NEVRA cannot be one (both left out).
 */
export async function readUpdateinfo(
  chunks: AsyncIterable<Buffer>,
  at: string,
  report: (remark: AdvisoryRemark) => void = () => {},
): Promise<Advisory[]> {
  const advisories: Advisory[] = [];
  const known = new Map<string, Advisory>();
  for await (const batch of cutElements(chunks, 'update', { at })) {
    for (const element of batch) {
      const advisory = readAdvisory(canonicalElement(element, at), at, report);
      const { id, title } = advisory;
      if (advisory.doubled !== undefined) {
        const why = `it has two <${advisory.doubled}>`;
        report({ kind: 'left out', advisory: id || title, why });
      } else if (!ID.test(id)) {
        report({ kind: 'left out', advisory: id || title, why: `its id is ${id ? quote(id) : 'absent'}` });
      } else {
        const before = known.get(id);
        if (before?.bytes.equals(advisory.bytes))
          report({ kind: 'equal', advisory: id, why: 'twice the same' });
        else if (before) report({ kind: 'repeated', advisory: id, why: 'its id occurs more than once' });
        known.set(id, advisory);
        advisories.push(advisory);
      }
    }
  }
  return advisories;
}

/**
 * An updateinfo.xml of the advisories that name a build which `has` knows, reduced to those builds; undefined when
 * none does. Every other byte of an advisory is the upstream's. Equal data, equal bytes.
 */
export function projectUpdateinfo(
  advisories: readonly Advisory[],
  has: (n: Nevra) => boolean,
): Buffer | undefined {
  const kept: Buffer[] = [];
  for (const advisory of advisories) {
    if (!advisory.packages.some((p) => has(p.nevra))) continue;
    const text = advisory.bytes.toString('utf8');
    const gone = packageSpans(text, advisory.id).filter(({ nevra: n }) => n === undefined || !has(n));
    kept.push(gone.length === 0 ? advisory.bytes : Buffer.from(cutText(text, gone)), NEWLINE);
  }
  if (kept.length === 0) return undefined;
  return Buffer.concat([HEAD, ...kept, TAIL]);
}

const HEAD = Buffer.from('<?xml version="1.0" encoding="UTF-8"?>\n<updates>\n');
const NEWLINE = Buffer.from('\n');
const TAIL = Buffer.from('</updates>\n');

/** `doubled`: an element that may be there once is there twice, and nobody can tell which one counts. */
function readAdvisory(
  bytes: Buffer,
  at: string,
  report: (remark: AdvisoryRemark) => void,
): Advisory & { readonly doubled?: string } {
  const reader = new XmlReader(utf8Text(bytes, at), at);
  reader.root('update');
  const type = reader.attribute('type') ?? '';
  const fields = new Map<string, string>();
  const references: Reference[] = [];
  const packages: AdvisoryPackage[] = [];
  let doubled: string | undefined;
  for (let token = reader.next(); token !== 'end'; token = reader.next()) {
    if (token !== 'open') continue;
    const { name } = reader;
    if (name === 'package') {
      const found = readAdvisoryPackage(reader);
      const advisory = fields.get('id') ?? '';
      if (found instanceof Fault) report({ kind: 'package left out', advisory, why: found.message });
      else packages.push(found);
    } else if (name === 'reference') references.push(readReference(reader));
    else if (reader.depth === 2 && (name === 'issued' || name === 'updated')) {
      fields.set(name, reader.attribute('date') ?? '');
    } else if (reader.depth === 2 && (name === 'id' || name === 'title' || name === 'severity')) {
      if (fields.has(name)) doubled = name;
      fields.set(name, reader.textContent().trim());
    }
  }
  const severityText = fields.get('severity');
  const issued = fields.get('issued');
  const updated = fields.get('updated');
  return {
    id: fields.get('id') ?? '',
    type,
    severity: SEVERITIES.get(severityText?.toLowerCase() ?? '') ?? 'none',
    ...(severityText ? { severityText } : {}),
    title: fields.get('title') ?? '',
    ...(issued ? { issued } : {}),
    ...(updated ? { updated } : {}),
    references,
    cves: [...new Set(references.flatMap(cvesOf))],
    packages,
    bytes,
    ...(doubled === undefined ? {} : { doubled }),
  };
}

function cvesOf({ type, id = '', title = '' }: Reference): string[] {
  return (type === 'cve' ? `${id} ${title}` : id).match(CVE) ?? [];
}

function readReference(reader: XmlReader): Reference {
  const [id, href, title] = ['id', 'href', 'title'].map((name) => reader.attribute(name));
  return {
    type: reader.attribute('type') ?? '',
    ...(id ? { id } : {}),
    ...(href ? { href } : {}),
    ...(title ? { title } : {}),
  };
}

/** The reader stands behind the package's end tag afterwards, whatever comes out. */
function readAdvisoryPackage(reader: XmlReader): AdvisoryPackage | Fault {
  const build = advisoryNevra(reader);
  const depth = reader.depth;
  let filename: string | undefined;
  let reboot = false;
  let sum: { type: string; hex: string } | undefined;
  while (reader.depth >= depth) {
    if (reader.next() !== 'open') continue;
    if (reader.name === 'filename') filename = reader.textContent().trim();
    else if (reader.name === 'sum') {
      const type = reader.attribute('type') ?? '';
      sum = { type, hex: reader.textContent().trim() };
    } else if (reader.name === 'reboot_suggested')
      reboot = !/^\s*(?:0|false)\s*$/i.test(reader.textContent());
  }
  if (build instanceof Fault) return build;
  try {
    return {
      nevra: build,
      ...(sum ? { checksum: checksum(sum.type, sum.hex, reader.at) } : {}),
      ...(filename ? { filename } : {}),
      ...(reboot ? { reboot: true } : {}),
    };
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
}

function advisoryNevra(reader: XmlReader): Nevra | Fault {
  const [name = '', version = '', release = '', arch = ''] = ['name', 'version', 'release', 'arch'].map(
    (field) => reader.attribute(field),
  );
  try {
    return nevra({ name, epoch: reader.attribute('epoch'), version, release, arch }, reader.at);
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
}

function packageSpans(text: string, at: string): (Span & { readonly nevra: Nevra | undefined })[] {
  const reader = new XmlReader(text, at);
  const spans: (Span & { nevra: Nevra | undefined })[] = [];
  for (let token = reader.next(); token !== 'end'; token = reader.next()) {
    if (token !== 'open' || reader.name !== 'package') continue;
    const { start } = reader;
    const found = readAdvisoryPackage(reader);
    spans.push({ start, end: reader.end, nevra: found instanceof Fault ? undefined : found.nevra });
  }
  return spans;
}

/** `RHSA-2024:1234 (important): openssl-1:3.0.7-28.el9.x86_64, …`: for messages and tests. */
export function formatAdvisory(advisory: Advisory): string {
  return `${advisory.id} (${advisory.severity}): ${advisory.packages.map((p) => formatNevra(p.nevra)).join(', ')}`;
}
