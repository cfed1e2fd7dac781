import type { RepositoryName } from '../manifest/ids.ts';
import type { CommitReader } from './commit.ts';
import type { Content } from './content.ts';
import type { CommitHistory, Moment } from './history.ts';
import type { Materialised, RepodataSink } from './materialise.ts';
import { revisionOf } from './revision.ts';

export type DifferenceCode =
  | 'SIGNATURE' // repomd.xml or the statement lacks a signature by a key of the site
  | 'STATEMENT' // `public/at/<commit>/statement.json` is not there, or says something else
  | 'KEY' // `public/keys/<file>` is not the key that the commit has
  | 'POINTER' // `public/<id>` or `public/at/<commit>/<id>` names another tree, or none
  | 'POINTER_EXTRA' // of a repository that the commit does not have
  | 'TREE_MISSING'
  | 'REPODATA' // repomd.xml, or a document that it names, is not what the commit gives
  | 'TREE' // a mirrorlist or link beside repodata
  | 'LINK_MISSING'
  | 'LINK_DIFFERS' // a package link that is not the pool's file, nor equal to it
  | 'POOL_MISSING'
  | 'POOL_CORRUPT'
  | 'UNPROVED' // what it would have to be made from is not served, so that nothing can be compared
  | 'UNREADABLE'; // what the commit says cannot be read, so that nothing can be compared

export interface Difference {
  readonly code: DifferenceCode;
  readonly path: string;
  /** What is wrong, as half a sentence. */
  readonly says: string;
}

export function byPath(a: Difference, b: Difference): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}

/** Names hold the digests, and repomd.xml the names: nothing need be written to be compared. */
export const NOWHERE: RepodataSink = {
  begin: async () => ({ write: async () => {}, finish: async () => {}, discard: async () => {} }),
};

/** Types that two lists of documents do not have alike. */
export function differingTypes(
  found: Materialised['records'],
  made: Materialised['records'],
  o: { onceOpened: boolean },
): string[] {
  const says = (records: Materialised['records']) =>
    new Map(records.map((r) => [r.type, (o.onceOpened && r.openChecksum?.hex) || r.checksum.hex]));
  const [published, wanted] = [says(found), says(made)];
  return [...new Set([...published.keys(), ...wanted.keys()])].filter(
    (type) => published.get(type) !== wanted.get(type),
  );
}

/**
 * The revision that a tree must have. Where the walk back ended for want of documents, an earlier commit with the same lock is
 * believed to be it, if that is what was published.
 */
export async function believedRevision(
  repository: RepositoryName,
  content: Content,
  published: string | undefined,
  history: CommitHistory,
  reader: CommitReader,
): Promise<Moment> {
  const found = await revisionOf(repository, content, history, reader);
  if (found.exact || published === undefined || published === found.id) return found;
  const place = history.chain.findIndex(({ id }) => id === published);
  const earlier =
    place > history.chain.findIndex(({ id }) => id === found.id) ? history.chain[place] : undefined;
  if (!earlier) return found;
  const same = (await reader.lockDigest(repository, published)) === (await reader.lockDigest(repository));
  return same ? earlier : found;
}
