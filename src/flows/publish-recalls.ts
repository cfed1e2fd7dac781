import { Fault } from '../base/fault.ts';
import type { History } from '../forge/history.ts';
import { errataOf, errataPath } from '../manifest/errata.ts';
import { readLock } from '../manifest/lock.ts';
import { loadPolicies } from '../manifest/policy.ts';
import { type Recall, type Recalls, recallsOf } from '../manifest/recall.ts';
import type { Pin } from '../manifest/snapshot.ts';
import { formatNevra, parseNevra } from '../rpm/nevra.ts';
import { errataOfCommits } from './errata-views.ts';

/** Why a build must not be published whatever was merged. */
export type Refuse = (id: string, pin: Pin) => string | undefined;

/**
 * What main recalls now, asked of the commit that is to be published. Undefined where that has none of it, which is quick to know;
 * an earlier commit that has one is a Fault, because nothing that is merged can mend it.
 */
export async function refuseRecalled(main: History, published: History): Promise<Refuse | undefined> {
  const paths = [...(await main.entries('policies/recalls')).keys()].filter((path) => path.endsWith('.yaml'));
  if (paths.length === 0) return undefined;
  const recalls = recallsOf(loadPolicies(new Map(await main.readMany(paths))));
  const found = await firstRecalled(recalls, published);
  if (!found) return undefined;
  if (published.commit !== main.commit) {
    const { build, recall, path } = found;
    const message = `${published.commit.slice(0, 12)} has ${build}, which is recalled: ${recall.reason} (${recall.id})`;
    throw new Fault('RECALLED', message, {
      hint: `Name a commit without it, or withdraw the recall: sluice recall --withdraw ${recall.id} --reason TEXT.`,
      at: path,
    });
  }
  return (_, pin) => {
    const recall = recalls.of(pin);
    return recall && `it is recalled: ${recall.reason} (${recall.id})`;
  };
}

async function firstRecalled(
  recalls: Recalls,
  history: History,
): Promise<{ build: string; recall: Recall; path: string } | undefined> {
  if (recalls.all.length === 0) return undefined;
  const locks = [...(await history.entries('snapshots')).keys()].filter((path) => path.endsWith('.lock'));
  for (const [path, text] of await history.readMany(locks)) {
    if (!recalls.mayBeIn(text)) continue;
    for (const { nevra, checksum } of readLock(text, path).values()) {
      const recall = recalls.of({ nevra: parseNevra(nevra, path), checksum });
      if (recall) return { build: nevra, recall, path };
    }
  }
  for await (const { repository, pins } of errataOfCommits([history.commit], history)) {
    for (const pin of pins) {
      const recall = recalls.of(pin);
      const name = errataOf(repository);
      if (recall && name) return { build: formatNevra(pin.nevra), recall, path: errataPath(name) };
    }
  }
  return undefined;
}
