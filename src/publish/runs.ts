import { createHash } from 'node:crypto';
import type { SitePolicy } from '../manifest/policy.ts';
import type { Pin } from '../manifest/snapshot.ts';
import { nameArch } from '../rpm/nevra.ts';
import type { Content, Locations } from './content.ts';

export const LISTS = ['primary', 'filelists', 'other'] as const;
/** The documents that list packages. */
export type List = (typeof LISTS)[number];

/** Pins `start` up to, not including, `end`: one compressed frame of each list. */
export interface Run {
  readonly start: number;
  readonly end: number;
  /** By list: what the frame's bytes depend on, as a sha256 in hex. */
  readonly keys: Readonly<Record<List, string>>;
}

/** One name.arch in so many begins a run, on average: AppStream has some 180 runs of 0.3 MB. */
const NAMES_PER_RUN = 32;

/**
 * Cuts the ordered pins where the names say so, not where they happen to stand: a changed, new or removed build
 * changes the run that it is in and no other, and teams with the same builds share the frames.
 */
export function cutRuns(
  pins: readonly Pin[],
  locations: Locations,
  how: SitePolicy['compression'],
): readonly Run[] {
  const known = cut.get(pins);
  if (known?.how === how && isSamePlace(known.locations, locations)) return known.runs;
  const runs = cutAnew(pins, locations, how);
  cut.set(pins, { locations, how, runs });
  return runs;
}

/** Of lists that several tiers share. */
const cut = new WeakMap<
  readonly Pin[],
  { readonly locations: Locations; readonly how: SitePolicy['compression']; readonly runs: readonly Run[] }
>();

function isSamePlace(a: Locations, b: Locations): boolean {
  if (a.kind === 'full' || b.kind === 'full')
    return a.kind === 'full' && b.kind === 'full' && a.names === b.names;
  return a.baseurl === b.baseurl && a.parentHref === b.parentHref;
}

function cutAnew(pins: readonly Pin[], locations: Locations, how: SitePolicy['compression']): Run[] {
  const runs: Run[] = [];
  const codec = codecOf(how);
  let start = 0;
  let before = '';
  for (let i = 0; i <= pins.length; i++) {
    const pin = pins[i];
    const name = pin ? nameArch(pin.nevra) : '';
    if (pin && (name === before || i === 0 || fnv1a(name) % NAMES_PER_RUN !== 0)) {
      before = name;
      continue;
    }
    if (i > start) runs.push({ start, end: i, keys: keysOf(pins, start, i, locations, codec) });
    start = i;
    before = name;
  }
  return runs;
}

/** Who compresses, and how: other versions of the library give other bytes for the same text. */
export function codecOf(how: SitePolicy['compression']): string {
  return how === 'zstd' ? `zstd ${process.versions['zstd']}` : `gzip ${process.versions.zlib}`;
}

function keysOf(
  pins: readonly Pin[],
  start: number,
  end: number,
  locations: Locations,
  codec: string,
): Record<List, string> {
  let records = '';
  let located = locations.kind === 'full' ? 'full\n' : `thin ${locations.baseurl} ${locations.parentHref}\n`;
  for (let i = start; i < end; i++) {
    const line = `${pins[i]?.record}\n`;
    records += line;
    located += locations.kind === 'full' ? `${locations.names[i]} ${line}` : line;
  }
  const key = (list: List, text: string) =>
    createHash('sha256').update(`sluice-frame-v1 ${list} ${codec}\n${text}`).digest('hex');
  return {
    primary: key('primary', located),
    filelists: key('filelists', records),
    other: key('other', records),
  };
}

/** 32-bit FNV-1a over the code units: stable, quick, and nobody's security hangs on where a run ends. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15; // the low bits alone mix badly
  return hash >>> 0;
}

/** What the open text of a document depends on. */
export function documentKey(
  { compression, pins }: Pick<Content, 'compression' | 'pins'>,
  runs: readonly Run[],
  list: List,
): string {
  return `${list} ${compression} ${pins.length}\n${runs.map((run) => run.keys[list]).join('\n')}`;
}
