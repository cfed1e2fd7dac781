import { type Checksum, formatChecksum, isWeak, sameChecksum } from '../base/checksum.ts';
import { Fault, quote } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import type { Repomd, RepomdRecord } from '../repodata/repomd.ts';
import type { Skipped } from './types.ts';

/** Documents that Sluice reads. Any other is taken only if it is opaque. */
const READ = new Set(['primary', 'filelists', 'other', 'updateinfo', 'modules']);
/** Comps once, as the first of these that is listed: the others say the same in another compression. */
const COMPS = ['group', 'group_gz', 'group_xz', 'group_zst', 'group_bz2'];

/** yum, librepo and zypper prefer these to primary: published over a selection, every build would be back. */
const NEVER: readonly { readonly match: RegExp; readonly reason: string }[] = [
  { match: /_db$/, reason: 'databases are never carried' },
  { match: /_zck$/, reason: 'zchunk twins are never carried' },
  { match: /^(?:prestodelta|deltainfo)$/, reason: 'delta packages are never carried' },
  { match: /^susedata(?:\.|$)/, reason: 'susedata is never carried' },
];

/** Comps' entry among documents by type. */
export function compsOf<T>(documents: ReadonlyMap<string, T>): T | undefined {
  return COMPS.map((type) => documents.get(type)).find((found) => found !== undefined);
}

/** Whether Sluice knows what the document says; unknown ones are carried when they name no packages. */
export function isKnown(type: string): boolean {
  return READ.has(type) || COMPS.includes(type);
}

/** What to take of a repomd.xml, and what not to. */
export interface Choice {
  readonly wanted: readonly RepomdRecord[];
  readonly skipped: readonly Skipped[];
}

/** Faults METADATA_INVALID for weak checksums that the policy does not name, and for odd or doubled types. */
export function chooseDocuments(repomd: Repomd, policy: UpstreamPolicy, at: string): Choice {
  const skipped: Skipped[] = [];
  const wanted = new Map<string, RepomdRecord>();
  const comps = COMPS.find((type) => repomd.records.some((record) => record.type === type));
  for (const record of repomd.records) {
    const { type } = record;
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(type))
      throw invalid(`a document of type ${quote(type)}`, at);
    const never = NEVER.find(({ match }) => match.test(type))?.reason;
    const twin = COMPS.includes(type) && type !== comps ? `the same as ${comps}` : undefined;
    const reason = never ?? twin;
    if (reason !== undefined) {
      skipped.push({ type, reason });
      continue;
    }
    const known = wanted.get(type);
    if (known && !sameChecksum(known.checksum, record.checksum))
      throw invalid(`two documents of type ${type}`, at);
    checkStrength(record.checksum, policy, `the document ${type}`, at);
    wanted.set(type, known ?? record);
  }
  if (!wanted.has('primary')) throw invalid('no primary', at);
  return { wanted: [...wanted.values()].sort((a, b) => byCodeUnit(a.type, b.type)), skipped };
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
