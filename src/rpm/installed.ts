import { Fault, malformed, quote } from '../base/fault.ts';
import { formatNevra, type Nevra, nevra, parseNevra } from './nevra.ts';

/** A package that a host says it has. `rpm -qa` prints no epoch: then `nevra` says 0, and any may be meant. */
export interface Installed {
  readonly nevra: Nevra;
  readonly epochKnown: boolean;
  /** `profiles/web.txt:12` */
  readonly at: string;
}

/** Far above any host: Fedora has some 80,000 packages in all. */
const MAX_LINES = 200_000;

/**
 * A list of installed packages, one a line, each build once: `name-[epoch:]version-release.arch` as `rpm -qa` prints it; five words
 * `name epoch version release arch`; or columns between tabs under a first line that names them. Empty lines, those that begin
 * with `#` and the keys that rpm keeps among its packages (`gpg-pubkey`) are passed over. MALFORMED with `file:line` of a line that
 * cannot be read; TOO_LARGE.
 */
export function readInstalled(text: string, file: string): Installed[] {
  const lines = text.split('\n');
  if (lines.length > MAX_LINES) {
    const hint = 'List one host: a profile is what rpm -qa prints there.';
    throw new Fault('TOO_LARGE', `it has more than ${MAX_LINES} lines`, { hint, at: file });
  }
  const found = new Map<string, Installed>();
  let columns: Columns | undefined;
  let first = true;
  lines.forEach((line, i) => {
    const at = `${file}:${i + 1}`;
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) return;
    const isFirst = first;
    first = false;
    if (isFirst && /^name\t/.test(line)) {
      columns = readColumns(line, at);
      return;
    }
    if (/^gpg-pubkey[-\s]/.test(trimmed)) return;
    const installed = columns ? readRow(line, columns, at) : readLine(trimmed, at);
    const key = `${formatNevra(installed.nevra)} ${installed.epochKnown}`;
    if (!found.has(key)) found.set(key, installed);
  });
  return [...found.values()];
}

/** Whether a build may be one of those; only the epoch may be unsaid. */
export function installedKeys(list: readonly Installed[]): (build: Nevra) => boolean {
  const exact = new Set<string>();
  const anyEpoch = new Set<string>();
  for (const { nevra: build, epochKnown } of list) {
    (epochKnown ? exact : anyEpoch).add(formatNevra(build));
  }
  return (build) => exact.has(formatNevra(build)) || anyEpoch.has(withoutEpoch(build));
}

/** As `rpm -qa` prints it. */
export function withoutEpoch({ name, evr, arch }: Nevra): string {
  return formatNevra({ name, evr: { ...evr, epoch: 0 }, arch });
}

function readLine(line: string, at: string): Installed {
  const words = line.split(/\s+/);
  const [name = '', epoch = '', version = '', release = '', arch = ''] = words;
  if (words.length === 5) {
    return {
      nevra: nevra({ name, epoch: epochOf(epoch), version, release, arch }, at),
      epochKnown: true,
      at,
    };
  }
  if (words.length !== 1) throw malformed(`package (${FORMS})`, line, at);
  const text = name.replace(/\.rpm$/, '');
  return { nevra: parseNevra(text, at), epochKnown: /-[0-9]+:[^-:]*-[^-:]*$/.test(text), at };
}

const FORMS = 'name-version-release.arch, or name epoch version release arch';

interface Columns {
  readonly count: number;
  readonly name: number;
  /** -1: not said. */
  readonly epoch: number;
  readonly version: number;
  readonly release: number;
  readonly arch: number;
}

function readColumns(line: string, at: string): Columns {
  const names = line.trimEnd().split('\t');
  const place = (name: string): number => names.indexOf(name);
  const lacking = ['name', 'version', 'release', 'arch'].find((name) => place(name) < 0);
  if (lacking !== undefined) {
    throw new Fault('MALFORMED', `the first line names no column ${quote(lacking)}`, {
      hint: 'Name at least name, version, release and arch, and epoch if it is there.',
      at,
    });
  }
  return {
    count: names.length,
    name: place('name'),
    epoch: place('epoch'),
    version: place('version'),
    release: place('release'),
    arch: place('arch'),
  };
}

function readRow(line: string, columns: Columns, at: string): Installed {
  const cells = line.replace(/\r$/, '').split('\t');
  if (cells.length !== columns.count) {
    throw malformed(`row of ${columns.count} columns`, line, at);
  }
  const cell = (place: number): string => (cells[place] ?? '').trim();
  const epochKnown = columns.epoch >= 0;
  const fields = {
    name: cell(columns.name),
    epoch: epochKnown ? epochOf(cell(columns.epoch)) : undefined,
    version: cell(columns.version),
    release: cell(columns.release),
    arch: cell(columns.arch),
  };
  return { nevra: nevra(fields, at), epochKnown, at };
}

/** rpm prints `(none)` for a tag that is not there. */
function epochOf(text: string): string {
  return text === '(none)' ? '0' : text;
}
