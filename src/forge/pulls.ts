import { Fault } from '../base/fault.ts';
import { BOT } from './forge.ts';
import type { Git } from './git.ts';
import { listTree } from './list-tree.ts';
import { parseIdentity, readBlobs, writeCommit, writeTree } from './objects.ts';
import type { PullRecord } from './pull-record.ts';
import { type RefUpdate, readCommit, readRefs, updateRefs } from './refs.ts';

/** The record of all pull requests: one commit per event, so `git log refs/sluice/pulls` is the audit trail. */
const PULLS = 'refs/sluice/pulls';
/** The last event whose ref updates are all done. */
const APPLIED = 'refs/sluice/applied';
const REF_TRAILER = 'Sluice-Ref';

export interface Pulls {
  /** The newest event; `undefined` before the first. */
  readonly event: string | undefined;
  all(): Promise<PullRecord[]>;
  open(): Promise<PullRecord[]>;
  get(number: number): Promise<PullRecord>;
  /** The number that the next pull request gets. */
  next(): Promise<number>;
}

/** A pull request's file; open ones apart, so that the daily question does not read years. */
function pathOf(record: Pick<PullRecord, 'number' | 'state'>): string {
  const { number, state } = record;
  return state === 'open' ? `open/${number}.json` : `ended/${Math.floor(number / 100)}/${number}.json`;
}

/** Reads the record, after finishing what a killed process left half done. */
export async function readPulls(git: Git): Promise<Pulls> {
  const event = await recover(git);
  const read = async (folder: string): Promise<PullRecord[]> => {
    if (event === undefined) return [];
    const entries = [...(await listTree(git, event, [folder])).values()];
    const records: PullRecord[] = [];
    for await (const { bytes } of readBlobs(
      git,
      entries.map(({ id }) => id),
    )) {
      records.push(JSON.parse(bytes.toString('utf8')) as PullRecord); // ours: nobody else can write the ref
    }
    return records.sort((a, b) => b.number - a.number);
  };
  return {
    event,
    all: () => read(''),
    open: () => read('open'),
    async get(number) {
      if (Number.isSafeInteger(number) && number > 0) {
        for (const state of ['open', 'merged'] as const) {
          const [found] = await read(pathOf({ number, state }));
          if (found) return found;
        }
      }
      throw new Fault('NOT_FOUND', `there is no pull request ${number}`, { hint: 'Run `sluice pr list`.' });
    },
    async next() {
      if (event === undefined) return 1;
      const paths = [...(await listTree(git, event, [''])).keys()];
      return 1 + Math.max(0, ...paths.map((path) => Number(/(\d+)\.json$/.exec(path)?.[1] ?? 0)));
    },
  };
}

export interface PullEvent {
  readonly record: PullRecord;
  /** `#3 merged: …` */
  readonly title: string;
  readonly by: string;
  readonly now: Date;
  /** What moves with it: main, the branch, `refs/pull/<n>/head`. */
  readonly refs: readonly RefUpdate[];
}

/**
 * Writes an event and moves its refs, all or none. False: someone else was first; read again. The event commit names
 * its ref updates, so that whoever reads after a crash can finish them (`recover`).
 */
export async function writeEvent(git: Git, pulls: Pulls, event: PullEvent): Promise<boolean> {
  const { record, refs } = event;
  const files = new Map<string, string | null>([[pathOf(record), `${JSON.stringify(record, null, 2)}\n`]]);
  if (record.state !== 'open') files.set(pathOf({ ...record, state: 'open' }), null);
  const parent = pulls.event;
  const before = parent === undefined ? undefined : await readCommit(git, parent);
  const commit = await writeCommit(git, {
    tree: await writeTree(git, before?.tree, files),
    parents: parent === undefined ? [] : [parent],
    author: parseIdentity(event.by),
    committer: parseIdentity(BOT),
    authored: event.now,
    committed: event.now,
    message: `${event.title}\n\n${refs.map((r) => `${REF_TRAILER}: ${r.ref} ${r.from ?? '-'} ${r.to ?? '-'}\n`).join('')}`,
  });
  const updates: RefUpdate[] = [
    { ref: PULLS, from: parent, to: commit }, // first: from here on the event has happened
    ...refs,
  ];
  if (!(await updateRefs(git, updates, event.title))) return false;
  // Apart from them, because git deletes last: a kill between would leave a branch that nobody would finish deleting.
  await updateRefs(git, [{ ref: APPLIED, from: parent, to: commit }], event.title); // false: a reader has finished it
  return true;
}

/**
 * The newest event, with its refs where it says. A process that was killed between them has written the event: the
 * rest is done here, each ref only if it still is what the event found.
 */
async function recover(git: Git): Promise<string | undefined> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const refs = await readRefs(git, [PULLS, APPLIED]);
    const event = refs.get(PULLS);
    const applied = refs.get(APPLIED);
    if (event === applied) return event;
    if (event === undefined) break;
    const { message } = await readCommit(git, event);
    for (const [, ref = '', from = '', to = ''] of message.matchAll(/^Sluice-Ref: (\S+) (\S+) (\S+)$/gm)) {
      const known = (id: string): string | undefined => (id === '-' ? undefined : id);
      await updateRefs(git, [{ ref, from: known(from), to: known(to) }], 'finish what was cut off');
    }
    await updateRefs(git, [{ ref: APPLIED, from: applied, to: event }], 'finish what was cut off');
  }
  throw new Fault('GIT', `${PULLS} and ${APPLIED} do not belong together`, {
    hint: `Run \`git update-ref ${APPLIED} ${PULLS}\` if no other run is at work.`,
    at: git.dir,
  });
}
