import { type Checksum, formatChecksum, isWeak, sameChecksum } from '../base/checksum.ts';
import { Fault, quote } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import type { Repomd, RepomdRecord } from '../repodata/repomd.ts';
import type { Skipped } from './types.ts';

/** Documents that Sluice reads. Any other is taken only if it is opaque. */
const READ = new Set(['primary', 'filelists', 'other', 'updateinfo', 'modules']);
/** Comps in several compressions, best first: one is taken, and called `group`. */
const COMPS = ['group_zst', 'group_xz', 'group_gz', 'group_bz2', 'group'];
/** The name of comps among the documents of a state. */
export const GROUP = 'group';

/** yum, librepo and zypper prefer these to primary: published over a selection, every build would be back. */
const NEVER: readonly { readonly match: RegExp; readonly reason: string }[] = [
  { match: /_db$/, reason: 'databases are never carried' },
  { match: /_zck$/, reason: 'zchunk twins are never carried' },
  { match: /^(?:prestodelta|deltainfo)$/, reason: 'delta packages are never carried' },
  { match: /^susedata(?:\.|$)/, reason: 'susedata is never carried' },
];

/** Whether Sluice knows what the document says; unknown ones are carried when they name no packages. */
export function isKnown(type: string): boolean {
  return READ.has(type) || type === GROUP;
}

/** What to take of a repomd.xml, and what not to. */
export interface Choice {
  /** Comps apart, by type. */
  readonly wanted: readonly RepomdRecord[];
  /** The same comps in several compressions: the first that is there will do. */
  readonly comps: readonly RepomdRecord[];
  readonly skipped: readonly Skipped[];
}

/** Faults METADATA_INVALID for weak checksums that the policy does not name, and for odd or doubled types. */
export function chooseDocuments(repomd: Repomd, policy: UpstreamPolicy, at: string): Choice {
  const skipped: Skipped[] = [];
  const wanted = new Map<string, RepomdRecord>();
  const comps: RepomdRecord[] = [];
  for (const record of repomd.records) {
    const { type } = record;
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(type))
      throw invalid(`a document of type ${quote(type)}`, at);
    const never = NEVER.find(({ match }) => match.test(type));
    if (never) {
      skipped.push({ type, reason: never.reason });
      continue;
    }
    const known = wanted.get(type);
    if (known && !sameChecksum(known.checksum, record.checksum))
      throw invalid(`two documents of type ${type}`, at);
    checkStrength(record.checksum, policy, `the document ${type}`, at);
    if (!COMPS.includes(type)) wanted.set(type, known ?? record);
    else if (!comps.some((other) => other.type === type)) comps.push(record);
  }
  if (!wanted.has('primary')) throw invalid('no primary', at);
  return {
    wanted: [...wanted.values()].sort((a, b) => byCodeUnit(a.type, b.type)),
    comps: comps.sort((a, b) => COMPS.indexOf(a.type) - COMPS.indexOf(b.type)),
    skipped,
  };
}

/** md5 and sha1 only where the policy names them. */
export function checkStrength(sum: Checksum, policy: UpstreamPolicy, what: string, at: string): void {
  if (!isWeak(sum.type) || policy.weakChecksums.some((type) => type === sum.type)) return;
  throw new Fault('METADATA_INVALID', `${what} has a ${sum.type} checksum, which can be forged`, {
    hint: `Write "weakChecksums: [${sum.type}]" into ${policy.path} if this upstream has nothing better.`,
    at,
  });
}

function invalid(what: string, at: string): Fault {
  return new Fault('METADATA_INVALID', `repomd.xml lists ${what}`, {
    hint: 'Ask whoever runs this upstream.',
    at,
  });
}

/** `primary (sha256:4f0c…)`, for messages. */
export function nameOf(record: RepomdRecord): string {
  return `${record.type} (${formatChecksum(record.checksum).slice(0, 19)}…)`;
}
