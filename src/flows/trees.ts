import { type Checksum, formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import { type RepositoryName, snapshotPath } from '../manifest/ids.ts';
import type { Trees } from '../plan/kickstart.ts';
import type { Stays } from '../plan/promote.ts';
import type { Catalog } from '../pool/catalog.ts';
import { MAX_TREEINFO_BYTES, readTreeinfo, type Treeinfo } from '../repodata/treeinfo.ts';
import { whole } from './facts.ts';
import type { State } from './state.ts';

/** A pinned `.treeinfo`, from the catalog. */
export async function treeinfoOf(catalog: Catalog, sum: Checksum): Promise<Treeinfo> {
  const at = `.treeinfo ${formatChecksum(sum)}`;
  return readTreeinfo(await whole(catalog, sum, MAX_TREEINFO_BYTES, at), at);
}

/** Whether the catalog has a `.treeinfo` under this digest. */
export async function isTree(catalog: Catalog, sum: Checksum): Promise<boolean> {
  try {
    await treeinfoOf(catalog, sum);
    return true;
  } catch (error) {
    if (error instanceof Fault && error.code !== 'DISK') return false;
    throw error;
  }
}

/** Nothing is read, and nothing asked of git, where no manifest has a tree. */
export async function treesOf(
  state: State,
  catalog: Catalog,
  o: {
    readonly trees: readonly (Checksum | undefined)[];
    readonly live: RepositoryName;
    readonly parent: RepositoryName;
    readonly since: Date;
  },
): Promise<Trees | undefined> {
  const sums = o.trees.filter((sum) => sum !== undefined);
  if (sums.length === 0) return undefined;
  const words = await treeWords(catalog, sums);
  const stays = (name: RepositoryName): Promise<Stays> => state.history.stays(snapshotPath(name), o.since);
  return { seen: await stays(o.live), inParent: await stays(o.parent), words };
}

/** `Rocky Linux 9.4, 8 files`, of each of these trees that the catalog has. */
export async function treeWords(
  catalog: Catalog,
  sums: readonly Checksum[],
): Promise<(tree: Checksum) => string> {
  const known = new Map<string, string>();
  for (const sum of sums) {
    if (!(await catalog.hasDocument(sum))) continue; // what lost its document is said by its digest alone
    const { release, files } = await treeinfoOf(catalog, sum);
    known.set(formatChecksum(sum), `${release || 'a tree without a name'}, ${files.length} files`);
  }
  return (tree) => known.get(formatChecksum(tree)) ?? '';
}

/** Images run as root before anything else does, so a mirror must not give older ones than it gave before. */
export function refuseOlderTree(
  upstream: string,
  before: Treeinfo | undefined,
  now: Treeinfo,
  isOlder: boolean,
): void {
  if (!before || isOlder || now.timestamp >= before.timestamp) return;
  throw new Fault(
    'UPSTREAM_ROLLBACK',
    `the installation tree of ${upstream} (${now.timestamp}) is older than the accepted one (${before.timestamp})`,
    {
      hint: `Wait for the mirror; if the vendor really went back: sluice accept ${upstream} --older --reason "…".`,
      at: upstream,
    },
  );
}
