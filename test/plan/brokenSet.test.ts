import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BrokenSet, brokenSet, type SetContents, unmetNote } from '../../src/plan/brokenSet.ts';
import type { Closure } from '../../src/plan/closing.ts';
import { planPromotion } from '../../src/plan/promote.ts';
import { breakWords, mendWords, restWords } from '../../src/report/broken-set.ts';
import { compareEvr } from '../../src/rpm/evr.ts';
import { formatNevra, nameArch, parseNevra } from '../../src/rpm/nevra.ts';
import { type Given, inputOf, pin } from './world.ts';

/** What a change of a set by hand is: builds before and after, and those that could be had. */
interface Edit extends Pick<Given, 'requires' | 'provides' | 'also'> {
  readonly before?: readonly string[];
  readonly after: readonly string[];
  readonly parent?: readonly string[];
  readonly live?: readonly string[];
  readonly full?: number;
}

function closureFor({ before = [], after, parent = [], live = [], ...rest }: Edit): Closure {
  const all = [...before, ...after, ...parent, ...live];
  const given = { ...rest, now: '2026-03-10T00:00:00Z' };
  return inputOf({ ...given, parent: Object.fromEntries(all.map((b) => [b, '2026-01-01'])) }).closure;
}

function asked(edit: Edit, closure = closureFor(edit), closureBefore = closure): BrokenSet {
  const contents = (of: Closure, builds: readonly string[]): SetContents => ({
    closure: of,
    repositories: [
      { repository: 'harbor-9-x86_64-base', pins: builds.map((b) => pin(b)), modules: new Map() },
    ],
  });
  const before = edit.before && contents(closureBefore, edit.before);
  const supplies = [
    { name: 'unstable', pins: (edit.parent ?? []).map((b) => pin(b)) },
    { name: 'live', pins: (edit.live ?? []).map((b) => pin(b)) },
  ];
  return brokenSet(before, contents(closure, edit.after), { supplies, full: edit.full ?? 20 });
}

const WHERE = 'infra/stable harbor-9-x86_64';
const said = (found: BrokenSet): string[] =>
  found.added.map((added) => `${breakWords(added, WHERE)}. ${mendWords(added)}`);

describe('a change by hand', () => {
  it('that brings a build without what it needs is named, with what the parent and live have', () => {
    const edit = {
      before: ['nginx-1-1.x86_64', 'tls-1-1.x86_64'],
      after: ['nginx-2-1.x86_64', 'tls-1-1.x86_64'],
      requires: { 'nginx-1-1.x86_64': ['tls'], 'nginx-2-1.x86_64': ['tls >= 2'] },
      parent: ['tls-2-1.x86_64'],
      live: ['tls-2-1.x86_64', 'tls-3-1.x86_64'],
    };
    expect(said(asked(edit))).toEqual([
      `nginx-2-1.x86_64 needs tls >= 2, which nothing in ${WHERE} gives any client. Add tls-2-1.x86_64, which unstable has, or leave nginx at 1-1.`,
    ]);
    expect(said(asked({ ...edit, parent: [], live: [] }))[0]).toMatch(/ Leave nginx at 1-1\.$/);
    expect(said(asked({ ...edit, after: [...edit.after, 'tls-2-1.x86_64'] }))).toEqual([]);
  });

  it('that takes away what others need says what to keep', () => {
    const requires = { web: ['tls'], mail: ['tls = 1-1'] };
    const before = ['mail-1-1.x86_64', 'tls-1-1.x86_64', 'web-1-1.x86_64'];
    const gone = asked({ before, after: ['mail-1-1.x86_64', 'web-1-1.x86_64'], requires });
    expect(said(gone)).toEqual([
      `mail-1-1.x86_64 needs tls = 1-1, which nothing in ${WHERE} gives any client. Keep tls-1-1.x86_64.`,
      `web-1-1.x86_64 needs tls, which nothing in ${WHERE} gives any client. Keep tls-1-1.x86_64.`,
    ]);
    const newer = ['mail-1-1.x86_64', 'tls-2-1.x86_64', 'web-1-1.x86_64'];
    expect(said(asked({ before, after: newer, requires }))).toEqual([
      `mail-1-1.x86_64 needs tls = 1-1, which nothing in ${WHERE} gives any client. Leave tls at 1-1.`,
    ]);
  });

  it('may break only clients that take the newest', () => {
    const both = ['mail-1-1.x86_64', 'tls-1-1.x86_64', 'tls-2-1.x86_64'];
    const found = asked({ before: both.slice(0, 2), after: both, requires: { mail: ['tls = 1-1'] } });
    expect(found.added[0]).toMatchObject({ clients: ['newest, default streams'], every: false });
    expect(said(found)).toEqual([
      `mail-1-1.x86_64 needs tls = 1-1, which nothing in ${WHERE} gives clients that take the newest. Leave tls at 1-1.`,
    ]);
  });

  it('that needs what nobody has says so', () => {
    const requires = { web: ['oracle-client'] };
    expect(
      said(asked({ before: ['a-1-1.x86_64'], after: ['a-1-1.x86_64', 'web-1-1.x86_64'], requires })),
    ).toEqual([
      `web-1-1.x86_64 needs oracle-client, which nothing in ${WHERE} gives any client. Leave web-1-1.x86_64 out. Nothing that is pinned would do; name the repository below also: if clients have it from there.`,
    ]);
  });

  it('of the policy breaks too: what clients had from elsewhere is gone', () => {
    const edit = { before: ['web-1-1.x86_64'], after: ['web-1-1.x86_64'], requires: { web: ['epel'] } };
    const closure = closureFor({ ...edit, also: ['epel-1-1.x86_64'] });
    const without = { ...closure, also: new Uint8Array(closure.also.length) };
    expect(said(asked(edit, without, closure))).toEqual([
      `web-1-1.x86_64 needs epel, which nothing in ${WHERE} gives any client. Keep the repository below also: that has epel-1-1.x86_64.`,
    ]);
    expect(asked(edit, closure, without).addedCount.requirements).toBe(0);
  });

  it('is not blamed for what was unmet before, in whatever version', () => {
    const requires = { 'web-1-1.x86_64': ['lost >= 1'], 'web-2-1.x86_64': ['lost >= 2'] };
    const found = asked({ before: ['web-1-1.x86_64'], after: ['web-2-1.x86_64'], requires });
    expect(found).toMatchObject({ added: [], old: { requirements: 1, builds: 1 } });
  });

  it('mends of a rich dependency are those that make it true', () => {
    const after = ['a-1-1.x86_64', 'web-1-1.x86_64'];
    const requires = { web: ['(b with b >= 2)'], 'b-1-1.x86_64': [] };
    const found = asked({ before: [], after, live: ['b-1-1.x86_64', 'b-2-1.x86_64'], requires });
    expect(found.added[0]?.mends).toEqual([
      { kind: 'add', build: 'b-2-1.x86_64', from: 'live' },
      { kind: 'leaveOut', build: 'web-1-1.x86_64' },
    ]);
  });
});

it('clients are named by what they choose', () => {
  const words = (every: boolean, ...clients: string[]) => {
    const added = { build: 0, nevra: 'a-1-1.noarch', needs: 'b', mends: [], clients, every };
    return breakWords(added, WHERE).split(' gives ')[1];
  };
  const [all, newest, with18, with20] = [
    'every build',
    'newest, default streams',
    'newest, with nodejs:18',
    'newest, with nodejs:20',
  ];
  expect(words(true, all, newest, with18)).toBe('any client');
  expect(words(false, all)).toBe('clients that choose among all builds');
  expect(words(false, newest, with18)).toBe('clients that take the newest');
  expect(words(false, with18)).toBe('clients with nodejs:18 enabled');
  expect(words(false, all, with18, with20)).toBe(
    'clients that choose among all builds and clients with nodejs:18, nodejs:20 enabled',
  );
  const streams = [1, 2, 3, 4, 5].map((n) => `newest, with s:${n}`);
  expect(words(false, ...streams)).toBe('clients with s:1, s:2, s:3 or 2 more enabled');
});

describe('hostile sets', () => {
  it('a dependency that does not parse is met by nobody, and is shown on one line', () => {
    const requires = { web: [`(a if ${'x'.repeat(5_000)} or)`] };
    const [line] = said(asked({ before: ['a-1-1.x86_64'], after: ['web-1-1.x86_64'], requires }));
    expect(line).toMatch(/^web-1-1\.x86_64 needs \(a if x+…, which nothing/);
    expect(line?.length).toBeLessThan(700);
  });

  it('a set in which everything is broken: one of each requirement, and the rest is counted', () => {
    const builds = Array.from({ length: 3_000 }, (_, i) => `p${i}-1-1.x86_64`);
    const after = builds.slice(1);
    const requires = Object.fromEntries(
      after.map((b) => [b, ['p0', `p${(Number.parseInt(b.slice(1), 10) % 30) + 3_000}`]]),
    );
    const found = asked({ before: builds, after, requires });
    expect(new Set(found.added.map(({ needs }) => needs))).toEqual(new Set(['p0']));
    expect(found).toMatchObject({ addedCount: { requirements: 2_999 }, old: { requirements: 2_999 } });
    const newly = asked({ before: ['z-1-1.x86_64'], after, requires });
    expect(newly.added).toHaveLength(20);
    expect(new Set(newly.added.map(({ needs }) => needs)).size).toBe(20);
    expect(restWords(newly, WHERE)).toBe(
      `${WHERE} would break 5,998 requirements of 2,999 builds; 5,978 of them are not listed`,
    );
  });
});

it('a first content breaks nothing; what it lacks is said', () => {
  const found = asked({ after: ['web-1-1.x86_64', 'b-1-1.x86_64'], requires: { web: ['x', 'y'], b: ['x'] } });
  expect(found).toMatchObject({ added: [], addedCount: { requirements: 0, builds: 0 } });
  expect(unmetNote(found)).toBe(
    'nothing in the client set meets 3 requirements of 2 builds: x, y; if clients have other repositories, name them below also:',
  );
  expect(unmetNote(asked({ after: ['b-1-1.x86_64'] }))).toBeUndefined();
});

const NAMES = ['ada', 'bob', 'cyd', 'dan'];
const requirement = fc
  .tuple(fc.constantFrom(...NAMES, 'nobody'), fc.constantFrom('', '=', '>=', '<'), fc.constantFrom(1, 2, 3))
  .map(([name, operator, version]) => (operator === '' ? name : `${name} ${operator} ${version}-1`));
const build = fc
  .tuple(fc.constantFrom(...NAMES), fc.constantFrom(1, 2, 3))
  .map(([name, version]) => `${name}-${version}-1.noarch`);
const edit: fc.Arbitrary<Edit & { before: string[] }> = fc.record({
  before: fc.uniqueArray(build, { minLength: 1, maxLength: 8 }),
  after: fc.uniqueArray(build, { minLength: 1, maxLength: 8 }),
  live: fc.uniqueArray(build, { maxLength: 8 }),
  also: fc.uniqueArray(build, { maxLength: 1 }),
  requires: fc.dictionary(build, fc.array(requirement, { maxLength: 3 }), { maxKeys: 12 }),
});

/** By its own reading: what is unmet in a set, as `nevra`, `name.arch` and the requirement. */
function unmet({ requires = {}, also = [] }: Edit, builds: readonly string[], newestOnly: boolean) {
  const all = [...new Set([...builds, ...also])].map((text) => parseNevra(text));
  const seen = all.filter(
    (n) => !newestOnly || !all.some((o) => nameArch(o) === nameArch(n) && compareEvr(o.evr, n.evr) > 0),
  );
  return seen.flatMap((nevra) =>
    (requires[formatNevra(nevra)] ?? []).flatMap((text) => {
      const [name = '', operator = '', version = ''] = text.split(' ');
      const wanted = Number(version.split('-')[0]);
      const meets = (has: number) =>
        operator === '' ||
        (operator === '=' ? has === wanted : operator === '<' ? has < wanted : has >= wanted);
      const isMet = seen.some((o) => o.name === name && meets(Number(o.evr.version)));
      return isMet ? [] : [{ nevra: formatNevra(nevra), key: `${nameArch(nevra)} ${name}`, text }];
    }),
  );
}

const line = ({ nevra, needs }: { nevra: string; needs: string }): string => `${nevra} ${needs}`;

describe('of any change by hand', () => {
  it('the breaks are those that a reading of its own finds', () => {
    fc.assert(
      fc.property(edit, (e) => {
        const expected = new Set<string>();
        const all = new Set<string>();
        for (const newestOnly of [false, true]) {
          const before = new Set(unmet(e, e.before, newestOnly).map(({ key }) => key));
          for (const { nevra, key, text } of unmet(e, e.after, newestOnly)) {
            all.add(`${nevra} ${text}`);
            if (!before.has(key)) expected.add(`${nevra} ${text}`);
          }
        }
        const found = asked({ ...e, full: 100 });
        expect(new Set(found.added.map(line))).toEqual(expected);
        expect(found.addedCount.requirements).toBe(expected.size);
        expect(found.old.requirements).toBe(all.size - expected.size);
      }),
      { numRuns: 400 },
    );
  });

  it('what is to be added mends that break for the client it was looked for', () => {
    fc.assert(
      fc.property(edit, (e) => {
        for (const added of asked({ ...e, full: 100 }).added) {
          for (const mend of added.mends) {
            if (mend.kind !== 'add') continue;
            const newestOnly = !added.clients.includes('every build');
            const then = unmet(e, [...e.after, mend.build], newestOnly);
            const isThere = then.some(({ nevra, text }) => line({ nevra, needs: text }) === line(added));
            expect(isThere, `${mend.build} for ${line(added)}`).toBe(false);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('a promotion that the bot plans breaks nothing', () => {
    fc.assert(
      fc.property(edit, (e) => {
        const days = Object.fromEntries([...(e.live ?? []), ...e.after].map((b) => [b, '2026-01-01']));
        const { requires, also } = e;
        const given = {
          now: '2026-03-10T00:00:00Z',
          parent: days,
          target: e.before,
          requires,
          also,
        } as Given;
        const input = inputOf(given);
        const plan = planPromotion(input);
        const then = plan.repositories.flatMap((r) => r.after.pins.map((p) => formatNevra(p.nevra)));
        expect(asked({ ...e, after: then }, input.closure).added).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});
