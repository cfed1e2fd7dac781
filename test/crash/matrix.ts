import { type Call, formatPoint, type Outcome, type Point, tryPoint } from './points.ts';
import type { CrashSite, Operation } from './site.ts';

/** What sluice's own calls are cut with. A kill before `mkdir` differs from one before the call after it by an empty folder. */
const OWN: Readonly<Record<Point['what'], readonly Call[]>> = {
  KILL: ['rename', 'link', 'symlink', 'fsync', 'unlink', 'rmdir'],
  ENOSPC: ['rename', 'link', 'symlink', 'mkdir', 'pwrite'],
  EXDEV: ['rename', 'link'],
  EIO: ['fsync'],
  EROFS: ['mkdir', 'unlink'],
};
const GIT: Readonly<Partial<Record<Point['what'], readonly Call[]>>> = {
  KILL: ['rename', 'link', 'fsync', 'unlink'],
  ENOSPC: ['rename', 'link'],
};

/** One point of one operation. The last of its kind is beyond the calls that were counted: it should not be reached. */
export interface Task {
  readonly operation: Operation;
  readonly point: Point;
  readonly last: boolean;
}

/** `publish  KILL   sluice rename`: the line of the report that a task counts for. */
export function rowOf({ operation, point: { what, git, call } }: Task): string {
  return `${operation.name.padEnd(17)} ${what.padEnd(6)} ${git === undefined ? 'sluice' : 'git   '} ${call}`;
}

/** Every call of every process, in order; `counts` as `countCalls` gives them. */
export function tasksOf(
  operation: Operation,
  counts: ReadonlyMap<string, number>,
  kinds: readonly Point['what'][],
): Task[] {
  const tasks: Task[] = [];
  const add = (count: number, point: Omit<Point, 'when'>) => {
    for (let when = 1; when <= count + 1; when += 1) {
      tasks.push({ operation, point: { ...point, when }, last: when > count });
    }
  };
  for (const what of kinds) {
    for (const call of OWN[what]) if (counts.has(call)) add(counts.get(call) ?? 0, { call, what });
    for (const [key, count] of counts) {
      const [, call, git] = /^(\w+) of git (\d+)$/.exec(key) ?? [];
      const known = GIT[what]?.find((c) => c === call);
      if (known && git) add(count, { call: known, what, git: Number(git) });
    }
  }
  return tasks;
}

/** What the points of one row came to. */
export interface Row {
  readonly reached: number;
  /** Times that the client read everything. */
  readonly rounds: number;
  readonly wrong: readonly string[];
}

/** Works through the tasks, on as many sites at once as there are; `tell` hears of what is wrong, and how far it is. */
export async function runMatrix(
  lanes: readonly { readonly site: CrashSite; readonly expected: readonly string[] }[],
  tasks: readonly Task[],
  tell: (line: string) => void,
): Promise<Map<string, Row>> {
  const rows = new Map<string, Row>();
  const waiting = [...tasks];
  let tried = 0;
  const note = (task: Task, { point, reached, wrong, rounds }: Outcome) => {
    const row = rows.get(rowOf(task)) ?? { reached: 0, rounds: 0, wrong: [] };
    const where = `${task.operation.name}, ${formatPoint(point)}`;
    for (const line of wrong) tell(`${where}: ${line}`);
    rows.set(rowOf(task), {
      reached: row.reached + (reached ? 1 : 0),
      rounds: row.rounds + rounds,
      wrong: wrong.length > 0 ? [...row.wrong, where] : row.wrong,
    });
    tried += 1;
    if (tried % 25 === 0) tell(`${task.operation.name}: ${tried} of ${tried + waiting.length} tried`);
  };
  await Promise.all(
    lanes.map(async ({ site, expected }) => {
      for (let task = waiting.shift(); task; task = waiting.shift()) {
        const outcome = await tryPoint(site, task.operation, task.point, expected);
        note(task, outcome);
        if (!task.last || !outcome.reached) continue;
        waiting.unshift({ ...task, point: { ...task.point, when: task.point.when + 1 } }); // more than were counted
      }
    }),
  );
  return rows;
}
