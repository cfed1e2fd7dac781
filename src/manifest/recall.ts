import { type Checksum, formatChecksum, parseChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import { formatNevra, parseNevra } from '../rpm/nevra.ts';
import { attempt, type PolicyFile, refuse } from './policy-reading.ts';
import schema from './schemas/recall.schema.json' with { type: 'json' };
import type { Pin } from './snapshot.ts';
import { compileSchema } from './validate.ts';

/** What was recalled, as it was asked for. */
export type RecallMatch =
  | { readonly nevra: string }
  | { readonly source: string }
  | { readonly checksum: string };

/** `policies/recalls/<id>.yaml`: builds that no tier of any team may have, and live neither, until it is withdrawn. */
export interface Recall {
  readonly id: string;
  readonly path: string;
  readonly reason: string;
  readonly by: string;
  readonly match: RecallMatch;
  /** What was meant then: known by name and bytes, so that a host without the catalog can tell. */
  readonly builds: readonly { readonly nevra: string; readonly checksum: Checksum }[];
  /** It is over; the file stays, so that the record does. */
  readonly withdrawn?: { readonly reason: string; readonly by: string };
}

export interface RecallData {
  readonly id: string;
  readonly reason: string;
  readonly by: string;
  readonly match: RecallMatch;
  readonly builds: readonly string[];
  readonly withdrawn?: { readonly reason: string; readonly by: string };
}

export const validRecall = compileSchema<RecallData>(schema);

export function recallPath(id: string): string {
  return `policies/recalls/${id}.yaml`;
}

export function readRecall(data: RecallData, file: PolicyFile): Recall {
  const { id, reason, by, match, withdrawn } = data;
  if (file.path !== recallPath(id)) {
    refuse(file, ['id'], `must be the file's name, not ${id}`, 'Correct the id, or rename the file.');
  }
  const builds = data.builds.flatMap((line, i) => {
    const [text = '', sum = ''] = line.split(' ');
    const read = attempt(file, ['builds', i], () => ({
      nevra: formatNevra(parseNevra(text)),
      checksum: parseChecksum(sum),
    }));
    return read ?? [];
  });
  if ('nevra' in match) attempt(file, ['match', 'nevra'], () => parseNevra(match.nevra));
  if ('checksum' in match) attempt(file, ['match', 'checksum'], () => parseChecksum(match.checksum));
  return { id, path: file.path, reason, by, match, builds, ...(withdrawn ? { withdrawn } : {}) };
}

/** The canonical text of a recall. */
export function renderRecall({ id, reason, by, match, builds, withdrawn }: Omit<Recall, 'path'>): string {
  const [[kind, value] = ['', '']] = Object.entries(match);
  const over = withdrawn
    ? `withdrawn:\n  reason: ${JSON.stringify(withdrawn.reason)}\n  by: ${JSON.stringify(withdrawn.by)}\n`
    : '';
  const lines = builds.map((b) => `  - "${b.nevra} ${formatChecksum(b.checksum)}"\n`).sort(byCodeUnit);
  return `apiVersion: sluice/v1
kind: Recall
id: ${JSON.stringify(id)}
reason: ${JSON.stringify(reason)}
by: ${JSON.stringify(by)}
match:
  ${kind}: ${JSON.stringify(value)}
builds:
${lines.join('')}${over}`;
}

/** Words that are looked for in a text one after the other: beyond these it is quicker to read it. */
const FEW = 200;

const known = new WeakMap<ReadonlyMap<string, Recall>, Recalls>();

/** Those of a state that stand. */
export function recallsOf({ recalls }: { readonly recalls: ReadonlyMap<string, Recall> }): Recalls {
  const standing = known.get(recalls) ?? new Recalls([...recalls.values()].filter((r) => !r.withdrawn));
  known.set(recalls, standing);
  return standing;
}

/** Which recall a build falls under. */
export class Recalls {
  readonly all: readonly Recall[];
  readonly #bySum = new Map<string, Recall>();
  readonly #byNevra = new Map<string, Recall>();
  readonly #bySource = new Map<string, Recall>();

  constructor(all: Iterable<Recall>) {
    this.all = [...all];
    for (const recall of this.all) {
      const { match, builds } = recall;
      for (const { nevra, checksum } of builds) {
        this.#bySum.set(formatChecksum(checksum), recall);
        if (!('checksum' in match)) this.#byNevra.set(nevra, recall); // whatever its bytes: a re-rolled one, too
      }
      if ('nevra' in match) this.#byNevra.set(match.nevra, recall);
      if ('checksum' in match) this.#bySum.set(match.checksum, recall);
      if ('source' in match) this.#bySource.set(match.source, recall);
    }
  }

  /** `built`: name and version of what it is built from, where that is known. */
  of(
    pin: Pick<Pin, 'nevra' | 'checksum'>,
    built?: { source: string; sourceVersion: string },
  ): Recall | undefined {
    if (this.all.length === 0) return undefined;
    const known = this.#bySum.get(formatChecksum(pin.checksum)) ?? this.#byNevra.get(formatNevra(pin.nevra));
    if (known || !built) return known;
    return this.#bySource.get(built.source) ?? this.#bySource.get(`${built.source}-${built.sourceVersion}`);
  }

  /** Whether a lock could have a recalled build: quicker than to read it. */
  mayBeIn(lock: string): boolean {
    if (this.#bySum.size > FEW) return true;
    for (const sum of this.#bySum.keys()) if (lock.includes(sum)) return true;
    for (const nevra of this.#byNevra.keys()) if (lock.includes(nevra)) return true;
    return false;
  }
}

const PREFIX = 'recalled: ';

/** As live's manifest gives the reason why a build that upstream lists is kept out. */
export function recallReason({ id, reason }: Pick<Recall, 'id' | 'reason'>): string {
  return `${PREFIX}${[...reason].slice(0, 1_700).join('')} (${id})`;
}

/** The id of the recall that such a reason names; undefined for another reason. */
export function recallOfReason(reason: string): string | undefined {
  return reason.startsWith(PREFIX) ? /\(([^()\s]+)\)$/.exec(reason)?.[1] : undefined;
}

/** A build that stands where it must not. */
export function recalledFault(build: string, recall: Recall, at: string): Fault {
  const message = `${build} is recalled: ${recall.reason} (${recall.id}, by ${recall.by})`;
  return new Fault('RECALLED', message, {
    hint: `Take it out (sluice recall plans that for every tier), or withdraw the recall: sluice recall --withdraw ${recall.id} --reason TEXT.`,
    at,
  });
}
