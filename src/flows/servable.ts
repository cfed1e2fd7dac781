import { type Checksum, formatChecksum } from '../base/checksum.ts';
import { formatDuration } from '../base/duration.ts';
import { Fault } from '../base/fault.ts';
import { upstreamId } from '../manifest/ids.ts';
import { recallReason, recallsOf } from '../manifest/recall.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Mirror } from './context.ts';
import { liveName, type State } from './state.ts';
import { treeinfoOf } from './trees.ts';

/** Why a mirror cannot publish what a former manifest says; a line for each build or document. Empty: it can. */
export async function unservable(
  state: State,
  mirror: Mirror,
  former: readonly Snapshot[],
): Promise<string[]> {
  const said: string[] = [];
  const recalls = recallsOf(state.policies);
  for (const { repository, pins, modules, kickstart } of former) {
    const id = upstreamId(repository);
    const upstream = state.policies.upstreams.get(id);
    if (!upstream) {
      said.push(`${id} is no upstream any more`);
      continue;
    }
    const records = await mirror.catalog.hasRecords(pins.map(({ record }) => record));
    const isThin = upstream.content === 'thin';
    const gone = isThin ? new Set<string>() : await mirror.pool.missing(pins.map(({ checksum }) => checksum));
    const live = state.snapshot(liveName(upstream))?.pins ?? [];
    const listed = new Set(live.filter((p) => !p.withdrawn).map((p) => formatChecksum(p.checksum)));
    for (const pin of pins) {
      const { nevra, checksum, record } = pin;
      const [build, sum] = [formatNevra(nevra), formatChecksum(checksum)];
      const recall = recalls.of(pin);
      if (recall) said.push(`${build}: ${recallReason(recall)}`);
      else if (records.has(record)) said.push(`${build}: gc freed its metadata`);
      else if (gone.has(sum)) said.push(`${build}: its package is not in the pool any more`);
      else if (isThin && !listed.has(sum)) said.push(`${build}: ${id} is thin, and upstream dropped it`);
    }
    for (const [nsvca, sum] of modules) {
      if (!(await mirror.catalog.hasDocument(sum))) said.push(`${nsvca}: gc freed its module document`);
    }
    if (kickstart) said.push(...(await unservableTree(mirror, kickstart, id)));
  }
  return said;
}

async function unservableTree({ catalog, pool }: Mirror, tree: Checksum, id: string): Promise<string[]> {
  if (!(await catalog.hasDocument(tree))) return [`${id}: gc freed its .treeinfo`];
  const { files } = await treeinfoOf(catalog, tree);
  const gone = await pool.missing(files.map(({ checksum }) => checksum));
  return files
    .filter(({ checksum }) => gone.has(formatChecksum(checksum)))
    .map(({ path }) => `${id}: ${path} of its installation tree is not in the pool any more`);
}

const MOST = 20;

/** A Fault that names what cannot be served, and what can be done about it. */
export async function refuseUnservable(
  state: State,
  mirror: Mirror,
  former: readonly Snapshot[],
  at: string,
): Promise<void> {
  const said = await unservable(state, mirror, former);
  if (said.length === 0) return;
  const more = said.length > MOST ? `; and ${said.length - MOST} more` : '';
  throw new Fault('POOL_MISSING', `the mirror cannot serve it: ${said.slice(0, MOST).join('; ')}${more}`, {
    hint: `Name a later state (gc keeps those of the last ${formatDuration(state.policies.site.retain)}: retain in policies/site.yaml), or bring the files back from a backup.`,
    at,
  });
}
