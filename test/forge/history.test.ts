import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type History, openHistory } from '../../src/forge/history.ts';
import { git, type MadeCommit, makeHistory } from '../fixtures/gitHistory.ts';
import { ALL } from '../fixtures/sample.ts';
import { tempDir } from '../fixtures/tempDir.ts';

const LOCK = 'snapshots/infra/stable/rocky-9-x86_64-baseos.lock';
const DAY = 86_400;
const START = 1_767_225_600; // 2026-01-01

/** `a` is build a; `a*` is marked withdrawn; `a'` has another record id. */
function lock(...builds: string[]): string {
  return builds
    .map((b) => {
      const record = b.includes("'") ? 'ffffffffffff' : '000000000000';
      return `${b[0]}-1-1.x86_64 ${sum(b)} 100 ${record}${b.includes('*') ? ' withdrawn' : ''}\n\n`;
    })
    .join('');
}

function sum(build: string): string {
  return `sha256:${(build[0] ?? '').charCodeAt(0).toString(16).padStart(64, '0')}`;
}

const at = (days: number): Date => new Date((START + days * DAY) * 1000);

async function history(versions: readonly (MadeCommit | string[] | null)[]): Promise<History> {
  const dir = await tempDir();
  const commits = versions.map((v, i): MadeCommit => {
    if (v !== null && !Array.isArray(v)) return v;
    return { time: START + i * DAY, files: { [LOCK]: v && lock(...v), other: String(i) } };
  });
  makeHistory(dir, commits);
  return openHistory(dir, 'main');
}

async function began(h: History, since?: Date): Promise<Record<string, string>> {
  const entries = [...(await h.stays(LOCK, since))].map(([checksum, stay]) => {
    const build = String.fromCharCode(Number.parseInt(checksum.slice(-2), 16));
    return [build, `${(stay.began.getTime() / 1000 - START) / DAY}${stay.exact ? '' : '-'}`] as const;
  });
  return Object.fromEntries(entries.sort());
}

describe('a stay', () => {
  it('begins with the commit that brought the build', async () => {
    const h = await history([['a'], ['a', 'b'], ['a', 'b'], ['a', 'b', 'c']]);
    expect(await began(h)).toEqual({ a: '0', b: '1', c: '3' });
  });

  it('begins anew when the build was gone in between', async () => {
    expect(await began(await history([['a'], [], ['a'], ['a', 'b']]))).toEqual({ a: '2', b: '3' });
  });

  it('begins anew when the file was gone in between', async () => {
    expect(await began(await history([['a'], null, ['a'], ['a', 'b']]))).toEqual({ a: '2', b: '3' });
  });

  it('is ended by `withdrawn` and begins anew after it', async () => {
    expect(
      await began(
        await history([
          ['a', 'b'],
          ['a*', 'b'],
          ['a', 'b*'],
        ]),
      ),
    ).toEqual({ a: '2' });
  });

  it('goes on when only the record id changes', async () => {
    expect(await began(await history([['a'], ["a'"], ['a']]))).toEqual({ a: '0' });
  });

  it('has other bytes when it has another checksum: the NEVRA does not count', async () => {
    const other = lock('a').replace('sha256:0', 'sha256:f');
    const h = await history([['a'], { time: START + DAY, files: { [LOCK]: other } }]);
    expect([...(await h.stays(LOCK, undefined)).values()]).toEqual([{ began: at(1), exact: true }]);
  });

  it('of a build that stands in the whole window began at the window or before, and is not read further', async () => {
    const h = await history([['a'], ['a', 'b'], ['a', 'b'], ['a', 'b', 'c'], ['a', 'b', 'c']]);
    expect(await began(h, at(2.5))).toEqual({ a: '2-', b: '2-', c: '3' });
    expect(await began(h, at(2))).toEqual({ a: '2-', b: '2-', c: '3' });
    expect(await began(h, at(9))).toEqual({ a: '4-', b: '4-', c: '4-' });
    expect(await began(h, at(-9))).toEqual({ a: '0', b: '1', c: '3' });
  });

  it('is asked at another commit than the tip', async () => {
    const h = await history([['a'], [], ['a'], ['b']]);
    const commit = h.commitAt(at(2.5));
    expect(commit?.time).toEqual(at(2));
    const stays = await h.stays(LOCK, undefined, { at: commit?.id ?? '' });
    expect([...stays]).toEqual([[sum('a'), { began: at(2), exact: true }]]);
    await expect(h.stays(LOCK, undefined, { at: '0'.repeat(40) })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  it('counts from the merge, not from what the author dates on the branch', async () => {
    const h = await history([
      ['a'],
      { time: START + 5 * DAY, side: START - 900 * DAY, files: { [LOCK]: lock('a', 'b') } },
    ]);
    expect(await began(h)).toEqual({ a: '0', b: '5' });
  });

  it('never counts from a date before an earlier commit of main: a date in the past is the latest so far', async () => {
    const h = await history([
      { time: START + 10 * DAY, files: { [LOCK]: lock('a') } },
      { time: START - 900 * DAY, files: { [LOCK]: lock('a', 'b') } },
      { time: START + 11 * DAY, files: { [LOCK]: lock('a', 'b', 'c') } },
    ]);
    expect(await began(h)).toEqual({ a: '10', b: '10', c: '11' });
    expect(h.chain.map(({ time }) => time)).toEqual([at(11), at(10), at(10)]);
  });

  it.each([
    ['no fields', 'a-1-1.x86_64\n\n'],
    ['a cut line', lock('a').slice(0, -8)],
    ['another mark', lock('a*').replace('withdrawn', 'withdrawm')],
    ['a fifth field', lock('a').replace(' 100 ', ' 100 x ')],
    ['a conflict marker', '<<<<<<< ours\n'],
  ])('a line that cannot be read is nobody’s stay: %s', async (_, text) => {
    const h = await history([
      { time: START, files: { [LOCK]: text } },
      { time: START + DAY, files: { [LOCK]: lock('b') + text } },
    ]);
    expect(Object.keys(await began(h))).toEqual(['b']);
  });

  it('is nothing where there is no lock, or a link in its place', async () => {
    const h = await history([['a']]);
    expect((await h.stays('snapshots/none.lock', undefined)).size).toBe(0);
    expect((await h.stays('snapshots/none.lock', at(0))).size).toBe(0);
  });
});

it('lastListed: which builds a lock ever listed by this name, and in which version last', async () => {
  const h = await history([['a', 'b'], ['b', 'c*'], null, ['d'], ['b*', 'd']]);
  const key = (b: string) => `${b}-1-1.x86_64 ${sum(b)}`;
  const wanted = ['a', 'b', 'c', 'd', 'e']
    .map(key)
    .concat(`z-1-1.x86_64 ${sum('a')}`, `a-1-1.x86_64 ${sum('z')}`);
  const found = [...(await h.lastListed(LOCK, new Set(wanted)))].map(([build, { time }]) => [build, time]);
  expect(found.sort()).toEqual([
    [key('a'), at(0)],
    [key('b'), at(1)], // what never stood there unmarked is nobody's: c
    [key('d'), at(4)],
  ]);
  expect(await h.lastListed('snapshots/none.lock', new Set(wanted))).toEqual(new Map());
});

it('withdrawals: since when a build is marked', async () => {
  const h = await history([
    ['a', 'b'],
    ['a*', 'b'],
    ['a*', 'b'],
    ['a*', 'b*'],
  ]);
  expect([...(await h.withdrawals(LOCK, undefined))]).toEqual([
    [sum('b'), { began: at(3), exact: true }],
    [sum('a'), { began: at(1), exact: true }],
  ]);
});

it('seenAt: every stay there ever was', async () => {
  const h = await history([['a'], ['b'], ['a', 'b'], ['a*'], null, ['b']]);
  const seen = await h.seenAt(LOCK);
  const days = (build: string) => seen.get(sum(build))?.map(({ from, until }) => [from.time, until?.time]);
  expect(days('a')).toEqual([
    [at(0), at(1)],
    [at(2), at(3)],
  ]);
  expect(days('b')).toEqual([
    [at(1), at(3)],
    [at(5), undefined],
  ]);
  expect(seen.get(sum('a'))?.[0]?.nevra).toBe('a-1-1.x86_64');
});

it('agrees with a slow reading by `git show` of every commit (random histories)', async () => {
  const build = fc.constantFrom('a', 'b', 'c', 'd', "a'", 'b*', 'c*');
  const versionOf = fc.oneof(
    { weight: 8, arbitrary: fc.uniqueArray(build, { selector: (b) => b[0] }) },
    { weight: 1, arbitrary: fc.constant(null) },
    { weight: 2, arbitrary: fc.constant('same' as const) },
  );
  const commit = fc.record({
    version: versionOf,
    step: fc.integer({ min: -3, max: 6 }),
    side: fc.option(fc.integer({ min: -100, max: 100 })),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(commit, { minLength: 1, maxLength: 14 }),
      fc.integer({ min: -2, max: 40 }),
      async (made, day) => {
        let time = 10;
        const h = await history(
          made.map(({ version, step, side }, i): MadeCommit => {
            time += step;
            const text = version === 'same' ? undefined : version && lock(...version);
            return {
              time: START + time * DAY,
              ...(side === null ? {} : { side: START + side * DAY }),
              files: { n: String(i), ...(text === undefined ? {} : { [LOCK]: text }) },
            };
          }),
        );
        for (const since of [undefined, at(day)]) {
          const found = [...(await h.stays(LOCK, since))].map(([k, s]) => [k, s.began.getTime(), s.exact]);
          expect(found.sort()).toEqual(slowStays(h, since).sort());
        }
        const open = [...(await h.seenAt(LOCK))].flatMap(([k, periods]) => {
          const last = periods.at(-1);
          return last && !last.until ? [[k, last.from.time.getTime(), true]] : [];
        });
        expect(open.sort()).toEqual(slowStays(h, undefined).sort());
      },
    ),
    { numRuns: ALL ? 60 : 15, interruptAfterTimeLimit: 40_000 },
  );
});

/** The definition in DESIGN 3, word for word, one `git show` a commit. */
function slowStays(h: History, since: Date | undefined): unknown[][] {
  const oldestFirst = git(h.dir, 'log', '--first-parent', '--reverse', '--format=%H %ct', h.commit).split(
    '\n',
  );
  let clock = 0;
  const states = oldestFirst.map((line) => {
    const [id = '', seconds = ''] = line.split(' ');
    clock = Math.max(clock, Number(seconds) * 1000);
    return { time: clock, lines: show(h.dir, id) };
  });
  const tip = states.at(-1)?.lines ?? [];
  return tip.flatMap((line) => {
    const [, checksum = '', , , mark] = line.split(' ');
    if (mark) return [];
    const there = (lines: string[]) => lines.some((l) => l.includes(checksum) && !l.endsWith('withdrawn'));
    let first = states.length - 1;
    while (first > 0 && there(states[first - 1]?.lines ?? [])) first--;
    const boundary = since ? states.findLastIndex(({ time }) => time <= since.getTime()) : -1;
    const from = Math.max(first, boundary);
    return [[checksum, states[from]?.time, boundary < 0 || first > boundary]];
  });
}

function show(dir: string, commit: string): string[] {
  try {
    const text = execFileSync('git', ['-C', dir, 'show', `${commit}:${LOCK}`], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
    return text.split('\n').filter((line) => line !== '');
  } catch {
    return [];
  }
}

describe('a history', () => {
  it('is refused from a shallow clone', async () => {
    const h = await history([['a'], ['b'], ['c']]);
    const clone = await tempDir();
    git(clone, 'clone', '-q', '--depth', '2', `file://${h.dir}`, 'c');
    await expect(openHistory(`${clone}/c`, 'HEAD')).rejects.toMatchObject({ code: 'HISTORY_REFUSED' });
    git(`${clone}/c`, 'fetch', '-q', '--unshallow');
    expect((await openHistory(`${clone}/c`, 'HEAD')).chain).toHaveLength(3);
  });

  it('is refused when it lost the tip that was accepted before', async () => {
    const h = await history([
      ['a'],
      ['b'],
      { time: START + 9 * DAY, side: START + 8 * DAY, files: { x: '1' } },
    ]);
    for (const { id } of h.chain) expect(() => h.acceptTip(id)).not.toThrow();
    const side = git(h.dir, 'rev-parse', 'refs/heads/side'); // in the history, but not on the chain
    expect(() => h.acceptTip(side)).toThrow(expect.objectContaining({ code: 'HISTORY_REFUSED' }));
    const older = await openHistory(h.dir, 'main~1');
    expect(() => older.acceptTip(h.commit)).toThrow(expect.objectContaining({ code: 'HISTORY_REFUSED' }));
  });

  it('is what was committed, whatever refs/replace and grafts say', async () => {
    const h = await history([['a'], ['b'], ['c']]);
    git(h.dir, 'replace', '--graft', h.commit);
    execFileSync('sh', ['-c', `mkdir -p ${h.dir}/info && echo ${h.commit} > ${h.dir}/info/grafts`]);
    expect(git(h.dir, 'rev-list', '--count', 'main')).toBe('1');
    expect((await openHistory(h.dir, 'main')).chain).toHaveLength(3);
  });

  it('reads files at a commit, never through a link, and says where one is not UTF-8', async () => {
    const h = await history([['a'], ['b']]);
    expect(await h.read(LOCK)).toBe(lock('b'));
    expect(await h.read(LOCK, 'main~1')).toBe(lock('a'));
    expect(await h.read('none')).toBeUndefined();
    expect(await h.read('snapshots')).toBeUndefined();
    expect(await h.list('snapshots')).toEqual([LOCK]);
    expect(await h.list('')).toEqual(['other', LOCK]);
    expect([...(await h.readMany(['other', LOCK, 'x']))]).toEqual([
      ['other', '1'],
      [LOCK, lock('b')],
    ]);
    const blob = git(h.dir, 'rev-parse', 'main:other');
    const latin = execFileSync('git', ['-C', h.dir, 'hash-object', '-w', '--stdin'], {
      input: Buffer.from([0xe4]),
    });
    const entries = `120000 blob ${blob}\tlink\n160000 commit ${h.commit}\tsub\n100644 blob ${latin.toString().trim()}\todd\n`;
    const tree = execFileSync('git', ['-C', h.dir, 'mktree'], { input: entries, encoding: 'utf8' }).trim();
    for (const path of ['link', 'sub', 'odd']) {
      await expect(h.read(path, tree)).rejects.toMatchObject({ code: 'MANIFEST_INVALID', at: path });
    }
    expect([...(await h.entries('', tree))].map(([path, { mode }]) => [path, mode])).toEqual([
      ['link', '120000'],
      ['odd', '100644'],
      ['sub', '160000'],
    ]);
  });

  it('names the commits that touched a path, with the blobs before and after', async () => {
    const h = await history([
      { time: START, files: { 'p/a': '1', 'p/b': '1', q: '1' } },
      { time: START + DAY, files: { q: '2' } },
      { time: START + 2 * DAY, side: START, files: { 'p/a': '2' } },
      { time: START + 3 * DAY, files: { 'p/b': null } },
    ]);
    const blob = (rev: string, path: string) => git(h.dir, 'rev-parse', `${rev}:${path}`);
    const changes = await h.pathChanges(['p']);
    expect(changes).toEqual([
      { ...h.chain[0], changed: [{ path: 'p/b', before: blob('main~1', 'p/b'), after: undefined }] },
      {
        ...h.chain[1],
        changed: [{ path: 'p/a', before: blob('main~2', 'p/a'), after: blob('main', 'p/a') }],
      },
      {
        ...h.chain[3],
        changed: [
          { path: 'p/a', before: undefined, after: blob('main~3', 'p/a') },
          { path: 'p/b', before: undefined, after: blob('main~3', 'p/b') },
        ],
      },
    ]);
    expect(await h.pathChanges(['p'], { limit: 1 })).toEqual(changes.slice(0, 1));
    expect(await h.pathChanges(['p'], { since: at(1) })).toEqual(changes.slice(0, 2));
    expect(await h.pathChanges(['p'], { at: h.chain[2]?.id ?? '' })).toEqual(changes.slice(2));
    expect(await h.pathChanges([])).toEqual([]);
    expect((await h.pathChanges([''])).length).toBe(4);
  });

  it.each([
    '--all',
    '-n1',
    '--upload-pack=x',
    'main..side',
    '^main',
    ':/x',
    'main:other',
    'a b',
    '',
    '\n',
    'main^{/x}',
    '$(id)',
    'ext::sh',
    'x'.repeat(300),
  ])('takes no revision that could be something else: %j', async (rev) => {
    const h = await history([['a']]);
    await expect(openHistory(h.dir, rev)).rejects.toMatchObject({ code: 'MALFORMED' });
  });

  it('says when there is no such commit or no repository', async () => {
    const h = await history([['a']]);
    await expect(openHistory(h.dir, 'nosuch')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(openHistory(h.dir, 'f'.repeat(40))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(openHistory('/', 'HEAD')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(openHistory('/nosuch', 'HEAD')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
