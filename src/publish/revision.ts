import { Fault } from '../base/fault.ts';
import type { RepositoryName } from '../manifest/ids.ts';
import { type CommitReader, inputPaths } from './commit.ts';
import type { Content } from './content.ts';
import { isMissing } from './documents.ts';
import type { CommitHistory, Moment } from './history.ts';

/** Most content changed with the last commit or two that touched its files. */
const FIRST_LOOK = 8;

/** What an earlier run found out, and up to which commit it holds. */
export interface KnownRevision {
  /** The tip at which it was the answer. */
  readonly commit: string;
  readonly revision: Moment;
  readonly key: string;
  readonly inputs: string;
}

export interface FoundRevision extends Moment {
  /** False: the stay began there or earlier; the documents of the commits before it are gone. */
  readonly exact: boolean;
}

/** More commits than this between two runs are asked by path, not one by one. */
const FEW = 64;

/** The revision without reading any content: nothing that it is made from changed since it was known. */
export async function unchangedSince(
  known: KnownRevision,
  repository: RepositoryName,
  history: CommitHistory,
  reader: CommitReader,
): Promise<boolean> {
  const between = history.chain.findIndex(({ id }) => id === known.commit);
  if (between < 0 || between > FEW) return false;
  for (const { id } of history.chain.slice(0, Math.max(1, between))) {
    if ((await reader.inputs(repository, id)) !== known.inputs) return false;
  }
  return true;
}

/**
 * The first-parent commit at which the present, unbroken stay of this content began: its id is `<revision>`, its time
 * every timestamp. A commit that touches the files and leaves the content (live's advisories about other builds, a
 * mark in a lock, a comment in a policy) does not count, so that such a publication keeps every byte.
 *
 * The walk ends at what is known already, or where an older commit cannot be read any more because its documents were
 * freed or its format is not ours: the stay then counts from there.
 */
export async function revisionOf(
  repository: RepositoryName,
  content: Content,
  history: CommitHistory,
  reader: CommitReader,
  known?: KnownRevision,
): Promise<FoundRevision> {
  const paths = inputPaths(repository);
  const horizon = known ? history.chain.findIndex(({ id }) => id === known.commit) : -1;
  const older = new Set(horizon < 0 ? [] : history.chain.slice(horizon).map(({ id }) => id));
  let lock: string | undefined;
  let began: Moment | undefined;
  for (let limit: number | undefined = FIRST_LOOK; ; limit = undefined) {
    const changes = await history.pathChanges(paths, limit === undefined ? {} : { limit });
    for (const change of changes.slice(began ? FIRST_LOOK : 0)) {
      if (known && older.has(change.id)) {
        if (known.key === content.key) return { ...known.revision, exact: true };
        if (began) return { id: began.id, time: began.time, exact: true }; // it was other content there
      }
      // Nothing changed after the newest of them, so what it says is what the tip says.
      const same = began === undefined || (await hasContent(change.id));
      if (began && same !== true) return { id: began.id, time: began.time, exact: same === false };
      began = change;
    }
    if (limit === undefined || changes.length < limit) break;
  }
  if (began) return { id: began.id, time: began.time, exact: true };
  throw new Fault('HISTORY_REFUSED', 'no commit of the first-parent chain has these files', {
    hint: 'Fetch the whole history (git fetch --unshallow).',
    at: paths[0],
  });

  /** Undefined: what that commit said can no longer be read. */
  async function hasContent(commit: string): Promise<boolean | undefined> {
    const inputs = await reader.inputs(repository, commit);
    if (inputs === undefined) return false;
    lock ??= await reader.lockDigest(repository);
    if ((await reader.lockDigest(repository, commit)) !== lock) return false;
    if (inputs === (await reader.inputs(repository))) return true;
    try {
      return (await reader.content(repository, commit)).key === content.key;
    } catch (cause) {
      if (cause instanceof Fault) return isMissing(cause) ? undefined : false;
      throw cause;
    }
  }
}
