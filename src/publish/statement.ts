import { join } from 'node:path';
import { by } from '../base/order.ts';
import { formatRepositoryId, lockPath, type RepositoryName, snapshotPath } from '../manifest/ids.ts';
import { writeFileAtomic } from '../pool/disk.ts';
import { type Content, FORMAT } from './content.ts';
import { sha256Hex } from './documents.ts';
import { errataFiles, isErrata } from './errata-views.ts';
import type { Moment } from './history.ts';
import { TREEINFO } from './install-tree.ts';
import type { Layout } from './layout.ts';
import { readPlain } from './plain.ts';
import type { Signing } from './sign.ts';

/** What the predicate says; the project has no domain name of its own, so no URL. */
export const PREDICATE_TYPE = 'urn:sluice:publication:v1';

export const STATEMENT = 'statement.json';
export const STATEMENT_SIGNATURE = `${STATEMENT}.asc`;

/** One repository of a commit, as it is served. */
export interface Stated {
  readonly repository: RepositoryName;
  readonly revision: Moment;
  /** sha256 of its repomd.xml, in hex. */
  readonly repomd: string;
  /** sha256 of its `.treeinfo`, where hosts can be installed from it: nothing else of ours vouches for images. */
  readonly treeinfo?: string;
}

/**
 * What one commit is published as: an in-toto Statement (v1), whose subjects are the repomd.xml (and `.treeinfo`) of every repository, and whose
 * predicate says from which files of git each was made. No clock and no host is in it: equal commits give equal bytes anywhere.
 */
export function statementOf(
  commit: Moment,
  repositories: readonly Stated[],
  blobs: ReadonlyMap<string, string>,
): Buffer {
  const sorted = repositories
    .map((r) => ({ ...r, id: formatRepositoryId(r.repository) }))
    .sort(by((r) => r.id));
  const moment = ({ id, time }: Moment) => ({ digest: { gitCommit: id }, time: time.toISOString() });
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: sorted.flatMap(({ id, repomd, treeinfo }) => [
      { name: `${id}/repodata/repomd.xml`, digest: { sha256: repomd } },
      ...(treeinfo === undefined ? [] : [{ name: `${id}/${TREEINFO}`, digest: { sha256: treeinfo } }]),
    ]),
    predicateType: PREDICATE_TYPE,
    predicate: {
      format: FORMAT,
      commit: moment(commit),
      repositories: sorted.map(({ id, repository, revision }) => ({
        id,
        revision: moment(revision),
        files: filesOf(repository, blobs).map((name) => ({ name, digest: { gitBlob: blobs.get(name) } })),
      })),
    },
  };
  return Buffer.from(`${JSON.stringify(statement, null, 2)}\n`);
}

function filesOf(repository: RepositoryName, blobs: ReadonlyMap<string, string>): string[] {
  if (!isErrata(repository)) return [snapshotPath(repository), lockPath(repository)];
  return errataFiles(repository).filter((path) => blobs.has(path)); // a set need not have parts
}

/** What a statement says of an installation tree. */
export function treeStated({ tree }: Content): Pick<Stated, 'treeinfo'> {
  return tree ? { treeinfo: sha256Hex(tree.treeinfo) } : {};
}

/** `public/at/<commit>/statement.json`: goes with its view, and is found from the URL and the commit. */
export function statementPath(layout: Layout, commit: string): string {
  return join(layout.view({ kind: 'at', commit }), STATEMENT);
}

/**
 * Statement and signatures as they must be. `known` is what an earlier run found sound, so that one with nothing to do asks neither
 * git nor the signer. The signature is the later of the two: killed in between, the next run makes it.
 */
export async function placeStatement(
  layout: Layout,
  commit: string,
  statement: Buffer,
  known: string | undefined,
  signing: () => Promise<Signing | undefined>,
): Promise<string> {
  const path = statementPath(layout, commit);
  const there = await readPlain(path);
  if (there?.equals(statement) && known === (await sumOf(path))) return known;
  if (!there?.equals(statement)) {
    await writeFileAtomic(path, statement, { mirrorRoot: layout.root, mode: 0o444 });
  }
  await (await signing())?.sign(path, layout);
  return await sumOf(path);
}

/** Of a statement's signature; the empty word where there is none. */
async function sumOf(path: string): Promise<string> {
  const signature = await readPlain(`${path}.asc`);
  return signature ? sha256Hex(signature) : '';
}
