import { Fault, quote } from '../base/fault.ts';
import { isArch } from '../rpm/arches.ts';
import { type Installed, readInstalled } from '../rpm/installed.ts';
import { type Nevra, nameArch } from '../rpm/nevra.ts';
import { compileGlob, type Pattern } from './pattern.ts';

/** What was installed at deployment: the names that a tier of updates is about. */
export interface Baseline {
  /** `baselines/rocky-9.txt` */
  readonly file: string;
  /** The builds, where the list has builds and not only names. */
  readonly installed: readonly Installed[];
  /** Whether it has that name.arch, in whatever build. */
  hasBuild(build: Pick<Nevra, 'name' | 'arch'>): boolean;
  hasName(name: string): boolean;
}

/**
 * A list of installed packages as `readInstalled` takes it, or a kickstart file: the names, name.arches and globs of its `%packages`
 * sections. What a group of comps holds stands in no such file, so a line `@core` is refused.
 */
export function readBaseline(text: string, file: string): Baseline {
  if (/^%packages\b/m.test(text)) return kickstart(text, file);
  const installed = readInstalled(text, file);
  const builds = new Set(installed.map(({ nevra }) => nameArch(nevra)));
  const names = new Set(installed.map(({ nevra }) => nevra.name));
  return {
    file,
    installed,
    hasBuild: (build) => builds.has(`${build.name}.${build.arch}`),
    hasName: (name) => names.has(name),
  };
}

interface Wanted {
  readonly name: Pattern;
  readonly arch: string | undefined;
}

function kickstart(text: string, file: string): Baseline {
  const [wanted, unwanted]: [Wanted[], Wanted[]] = [[], []];
  let isInside = false;
  text.split('\n').forEach((whole, i) => {
    const at = `${file}:${i + 1}`;
    const line = whole.replace(/\s*#.*$/, '').trim();
    if (/^%packages\b/.test(line)) isInside = true;
    else if (/^%/.test(line)) isInside = false;
    else if (isInside && line.startsWith('-')) unwanted.push(wantedOf(line.slice(1).trim(), at));
    else if (isInside && line !== '') wanted.push(wantedOf(line, at));
  });
  const matches = (list: readonly Wanted[], name: string, arch: string | undefined) =>
    list.some((w) => w.name.matches(name) && (w.arch === undefined || arch === undefined || w.arch === arch));
  const has = (name: string, arch: string | undefined) =>
    matches(wanted, name, arch) && !matches(unwanted, name, arch);
  return {
    file,
    installed: [],
    hasBuild: (build) => has(build.name, build.arch),
    hasName: (name) => has(name, undefined),
  };
}

function wantedOf(word: string, at: string): Wanted {
  if (word.startsWith('@')) {
    const message = `${quote(word)} is a group: what it has stands elsewhere, and changes`;
    const hint = 'Install it once, and list what `rpm -qa` prints there.';
    throw new Fault('NOT_SUPPORTED', message, { hint, at });
  }
  if (/\s/.test(word)) {
    const hint = 'Write one package a line, with a # before remarks.';
    throw new Fault('MALFORMED', `${quote(word)} is not the name of a package`, { hint, at });
  }
  const dot = word.lastIndexOf('.');
  const arch = dot > 0 && isArch(word.slice(dot + 1)) ? word.slice(dot + 1) : undefined;
  return { name: compileGlob(arch === undefined ? word : word.slice(0, dot), at), arch };
}
