import { Fault, quote } from '../base/fault.ts';
import { readInstalled } from '../rpm/installed.ts';

export type PinsKind = 'versionlock' | 'excludes' | 'rpm-qa';

/** One thing that a client keeps by itself: builds that it stays on (`lock`), or that it never takes (`exclude`). */
export interface ClientPin {
  /** Of the file, from 1. */
  readonly line: number;
  readonly kind: 'lock' | 'exclude';
  /** As dnf reads it: `bash-0:5.1.8-6.el9.*`, `kernel*`. Of `rpm -qa` a whole NEVRA. */
  readonly pattern: string;
  /** Which forms of a pattern its reader tries first. */
  readonly order: 'versions' | 'names';
  /** Where it holds on the client, if not everywhere: the section of a `.repo` file. */
  readonly section?: string;
}

export interface ClientPins {
  readonly pins: readonly ClientPin[];
  /** Lines that say something that is not taken, and why; comments and empty lines are not among them. */
  readonly passed: readonly { readonly line: number; readonly text: string; readonly why: string }[];
}

const MAX_CHARS = 16 * 1024 * 1024;

/** Reads a file that clients have: a locklist of dnf's or yum's versionlock, a dnf.conf, yum.conf or `.repo` file, or `rpm -qa`. */
export function readClientPins(kind: PinsKind, text: string, file: string): ClientPins {
  if (text.length > MAX_CHARS) {
    const hint = 'Name the file of one host.';
    throw new Fault('TOO_LARGE', `it has more than ${MAX_CHARS} characters`, { hint, at: file });
  }
  switch (kind) {
    case 'versionlock':
      return readVersionlock(text, file);
    case 'excludes':
      return readExcludes(text);
    case 'rpm-qa': {
      const pins = readInstalled(text, file).map(({ nevra, epochKnown, at }): ClientPin => {
        const epoch = epochKnown ? `${nevra.evr.epoch}:` : '*:';
        const { version, release } = nevra.evr;
        const pattern = `${nevra.name}-${epoch}${version}-${release}.${nevra.arch}`;
        return { line: Number(at.slice(file.length + 1)), kind: 'lock', pattern, order: 'versions' };
      });
      return { pins, passed: [] };
    }
  }
}

function readVersionlock(text: string, file: string): ClientPins {
  if (/^\s*\[\[packages\]\]/m.test(text)) {
    const hint = 'Write what `dnf versionlock list` prints as one NEVRA a line.';
    throw new Fault('NOT_SUPPORTED', 'it is versionlock.toml of dnf 5', { hint, at: file });
  }
  const pins: ClientPin[] = [];
  text.split('\n').forEach((whole, i) => {
    const pattern = whole.trim();
    if (whole.startsWith('#') || pattern === '') return;
    const kind = pattern.startsWith('!') ? 'exclude' : 'lock';
    pins.push({ line: i + 1, kind, pattern: pattern.replace(/^!/, ''), order: 'versions' });
  });
  return { pins, passed: [] };
}

const EXCLUDE = /^(exclude|excludepkgs)$/;

function readExcludes(text: string): ClientPins {
  const pins: ClientPin[] = [];
  const passed: { line: number; text: string; why: string }[] = [];
  let section: string | undefined;
  let key = '';
  text.split('\n').forEach((whole, i) => {
    const line = i + 1;
    if (/^\s*([#;]|$)/.test(whole)) return;
    const [, head] = /^\[([^\]]+)\]\s*$/.exec(whole) ?? [];
    if (head !== undefined) {
      section = head;
      key = '';
      return;
    }
    const [, name, value] = /^([^\s=:][^=:]*?)\s*[=:]\s*(.*)$/.exec(whole) ?? [];
    const isContinued = /^\s/.test(whole) && key !== '';
    if (!isContinued) key = (name ?? '').toLowerCase();
    const patterns = isContinued ? whole : (value ?? '');
    if (EXCLUDE.test(key)) {
      for (const pattern of patterns.split(/[\s,]+/).filter((word) => word !== '')) {
        const where = section === undefined || section === 'main' ? {} : { section };
        pins.push({ line, kind: 'exclude', pattern, order: 'names', ...where });
      }
      return;
    }
    const why =
      key === 'includepkgs'
        ? 'a list of what may come in: that is allow: of the policy'
        : 'it excludes nothing';
    passed.push({ line, text: whole.trim(), why });
  });
  return { pins, passed };
}

/** What one pattern may mean: dnf tries these forms one after the other, and takes the first that matches anything. */
export interface Reading {
  readonly name: string;
  readonly epoch?: string;
  readonly version?: string;
  readonly release?: string;
  readonly arch?: string;
}

const [NAME, EPOCH, PART, ARCH] = [
  '([^:(/=<> ]+)',
  '(?:([0-9]+|\\*):)?',
  '([^-:(/=<> ]+)',
  '([^-:.(/=<> ]+)',
];
const NEVRA = new RegExp(`^${NAME}-${EPOCH}${PART}-${PART}\\.${ARCH}$`);
const NEVR = new RegExp(`^${NAME}-${EPOCH}${PART}-${PART}$`);
const NEV = new RegExp(`^${NAME}-${EPOCH}${PART}$`);
const NA = new RegExp(`^${NAME}\\.${ARCH}$`);
const ONLY_NAME = new RegExp(`^${NAME}$`);
/** yum's versionlock writes the epoch first. */
const ENVRA = new RegExp(`^([0-9]+):${NAME}-${PART}-${PART}\\.${ARCH}$`);

/** The readings of a pattern in dnf's order: versionlock's own (versions first), or that of `exclude=` (names first). */
export function readingsOf(pattern: string, order: ClientPin['order']): Reading[] {
  const of = (form: RegExp, ...keys: readonly (keyof Reading)[]): Reading[] => {
    const found = form.exec(pattern);
    if (!found) return [];
    const parts = keys.flatMap((key, i) =>
      found[i + 1] === undefined ? [] : [[key, found[i + 1]] as const],
    );
    return [Object.fromEntries(parts) as unknown as Reading];
  };
  const nevra = [
    ...of(ENVRA, 'epoch', 'name', 'version', 'release', 'arch'),
    ...of(NEVRA, 'name', 'epoch', 'version', 'release', 'arch'),
  ];
  const versions = [
    ...of(NEVR, 'name', 'epoch', 'version', 'release'),
    ...of(NEV, 'name', 'epoch', 'version'),
  ];
  const names = [...of(NA, 'name', 'arch'), ...of(ONLY_NAME, 'name')];
  return order === 'versions' ? [...nevra, ...versions, ...names] : [...nevra, ...names, ...versions];
}

/** For sentences: as people know it. */
export function pinText({ kind, pattern, section }: ClientPin): string {
  const where = section === undefined ? '' : ` of [${section}]`;
  return kind === 'lock' ? quote(pattern.replace('-*:', '-')) : `exclude ${quote(pattern)}${where}`;
}
