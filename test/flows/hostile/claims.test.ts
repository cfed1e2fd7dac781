import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fill, promote } from '../../../src/flows/promote.ts';
import { checkPull, pullApprove, pullClose, pullMerge } from '../../../src/flows/pull.ts';
import { sync } from '../../../src/flows/sync.ts';
import type { Draft } from '../../../src/forge/forge.ts';
import { openLocalForge } from '../../../src/forge/local.ts';
import { openRepository } from '../../../src/forge/repository.ts';
import { sampled } from '../../fixtures/sample.ts';
import {
  expectFault,
  expectLine,
  expectRefused,
  faultOf,
  ID,
  later,
  photograph,
  type Refusal,
  sharedTarget,
} from './attack.ts';
import { git, plant } from './commits.ts';

const target = sharedTarget({
  team: { tiers: { unstable: { from: 'live' }, stable: { from: 'unstable' } } },
});
const STABLE = `snapshots/infra/stable/${ID}`;
const SET = 'test-9-x86_64';
type Trailer = readonly [string, string];

/** What the bot would propose: the same for every case, because none leaves a trace. */
let honest: Promise<Draft> | undefined;

async function honestDraft(): Promise<Draft> {
  const { site } = target();
  const bare = `${site.repoDir}.git`;
  const number = (await site.promote('stable')) ?? 0;
  const pull = await (await openLocalForge(bare)).get(number);
  const files = new Map<string, string>();
  for (const path of [`${STABLE}.yaml`, `${STABLE}.lock`]) {
    files.set(path, (await git(bare, ['show', `${pull.head}:${path}`])).toString());
  }
  await pullClose(site.world(), number, 'a copy with other trailers follows');
  const { base, title, body, trailers } = pull;
  return { branch: 'sluice/lie', base, title, body, trailers, files };
}

/** The promotion that the bot would propose, with trailers that say something else; then somebody wants it merged. */
async function lie(
  change: (trailers: readonly Trailer[]) => readonly Trailer[],
  wanted: Refusal,
): Promise<void> {
  const { site } = target();
  const forge = await openLocalForge(`${site.repoDir}.git`);
  honest ??= honestDraft();
  const draft = await honest;
  const { number } = await forge.propose({ ...draft, trailers: change(draft.trailers) }, { now: site.now });
  try {
    for (const approve of [false, true]) {
      if (approve) await pullApprove(site.world(), number);
      const before = await photograph(target());
      expectFault(await faultOf(() => pullMerge(site.world(), number)), wanted);
      expect(await photograph(target())).toEqual(before);
    }
  } finally {
    await pullClose(site.world(), number, 'no');
  }
}

function set(key: string, ...values: string[]) {
  return (trailers: readonly Trailer[]): readonly Trailer[] => [
    ...trailers.filter(([k]) => k !== key),
    ...values.map((value): Trailer => [key, value]),
  ];
}

/** The pull request, or what of the repository its trailers contradict. */
const PULL = /^#\d+$|^[0-9a-f]{40}$|^policies\/|^Sluice-Catalog$|^the list:\d+$|^infra-/;

describe('trailers that lie', () => {
  it.each(
    sampled([
      ['a Sluice-Now in the future', set('Sluice-Now', '2036-01-01T00:00:00.000Z'), 'HISTORY_REFUSED'],
      [
        'a Sluice-Now at the end of all dates',
        set('Sluice-Now', '+275760-09-13T00:00:00.000Z'),
        'HISTORY_REFUSED',
      ],
      [
        'a Sluice-Now before the commit it builds on',
        set('Sluice-Now', '1999-01-01T00:00:00.000Z'),
        'HISTORY_REFUSED',
      ],
      ['a Sluice-Now before all dates', set('Sluice-Now', '-271821-04-20T00:00:00.000Z'), 'HISTORY_REFUSED'],
      ['a Sluice-Now that is a number', set('Sluice-Now', '1e400'), 'PLAN_DIFFERS'],
      ['no Sluice-Now', set('Sluice-Now'), 'PLAN_DIFFERS'],
      ['another tier', set('Sluice-Scope', `infra/unstable ${SET}`), 'PLAN_DIFFERS'],
      ['another client set', set('Sluice-Scope', 'infra/stable other-9-x86_64'), 'PLAN_DIFFERS'],
      ['a team that is none', set('Sluice-Scope', `.../stable ${SET}`), ['NOT_FOUND', 'PLAN_DIFFERS']],
      [
        'a team called constructor',
        set('Sluice-Scope', `constructor/stable ${SET}`),
        ['NOT_FOUND', 'PLAN_DIFFERS'],
      ],
      [
        'a tier called constructor',
        set('Sluice-Scope', `infra/constructor ${SET}`),
        ['NOT_FOUND', 'PLAN_DIFFERS'],
      ],
      ['a scope with a path', set('Sluice-Scope', '../../etc/passwd x'), 'PLAN_DIFFERS'],
      ['no scope', set('Sluice-Scope'), 'PLAN_DIFFERS'],
      ['another verb', set('Sluice-Verb', 'sync'), 'PLAN_DIFFERS'],
      ['the verb init', set('Sluice-Verb', 'init'), ['PLAN_DIFFERS', 'USAGE']],
      ['a verb that is none', set('Sluice-Verb', 'constructor'), 'PLAN_DIFFERS'],
      ['another upstream state', set('Sluice-Catalog', `${ID} sha256:${'ab'.repeat(32)}`), 'PLAN_DIFFERS'],
      [
        'a checksum that is none',
        set('Sluice-Catalog', `${ID} sha256:../../x`),
        ['MALFORMED', 'PLAN_DIFFERS'],
      ],
      [
        'an upstream called __proto__',
        set('Sluice-Catalog', `__proto__ sha256:${'ab'.repeat(32)}`),
        'PLAN_DIFFERS',
      ],
      ['a package that nobody named', set('Sluice-Named', 'alpha', 'nobody'), 'PLAN_DIFFERS'],
      ['only one of the packages', set('Sluice-Named', 'alpha'), 'PLAN_DIFFERS'],
    ]),
  )('%s', async (_what, change, code) => {
    await lie(change, { code: [code].flat(), at: PULL });
  });

  it.each(
    sampled([
      ['a word', 'x'],
      ['open brackets', '['.repeat(290)],
      ['an unfinished object', '{"like":'],
      ['null', 'null'],
      ['a number', '1e999'],
      ['a list', '[]'],
      ['a source that is an object', '{"like":{"toString":1}}'],
      ['a team that is none', '{"like":"../x"}'],
      ['a date that is a number', '{"at":1e308}'],
      ['a date that is none', '{"at":"yesterday"}'],
      ['a list that is a word', '{"list":"abc"}'],
      ['a list of numbers', '{"list":[1,2,3]}'],
      ['a list of what is no build', '{"list":["../../etc/passwd"]}'],
      ['__proto__', '{"__proto__":{"list":["alpha-1.0-1.el9.x86_64"]},"like":"nobody"}'],
      ['an unknown key', '{"from":"x"}'],
    ]),
  )('a Sluice-Fill of %s', async (_what, json) => {
    const change = (trailers: readonly Trailer[]) =>
      set('Sluice-Fill', json)(set('Sluice-Verb', 'fill')(trailers));
    await lie(change, { code: ['PLAN_DIFFERS', 'NOT_FOUND', 'USAGE', 'MALFORMED'], at: PULL });
  });
});

it('a baseline of 20,000 lines, told as it is: the check makes the same plan from it', async () => {
  const { site } = target();
  const list = Array.from({ length: 20_000 }, (_, i) => `p${i}-1.0-1.el9.x86_64`);
  const request = {
    team: 'infra',
    tier: 'stable',
    list: [...list, 'alpha-1.0-1.el9.x86_64'],
    how: 'propose',
    all: false,
  } as const;
  const [done] = await fill(site.world(), request);
  const number = done?.pull?.number ?? 0;
  try {
    expect([...(done?.files.values() ?? [])][0]).toMatch(/^alpha-\S+ /m);
    const pull = await (await openLocalForge(`${site.repoDir}.git`)).get(number);
    const verdict = await checkPull(site.world(), await openRepository(site.repoDir), pull);
    expect(verdict).toMatchObject({ complaints: [], differences: [] });
  } finally {
    await pullClose(site.world(), number, 'it was only asked');
  }
});

describe('what is hidden in a promotion', () => {
  const evil = async (files: Parameters<typeof plant>[1], wanted: Refusal) => {
    const { site } = target();
    const bare = `${site.repoDir}.git`;
    const forge = await openLocalForge(bare);
    honest ??= honestDraft();
    const draft = await honest;
    const { number } = await forge.propose(draft, { now: site.now });
    const head = await plant(bare, { ...Object.fromEntries(draft.files), ...files }, site.now);
    await git(bare, ['update-ref', `refs/heads/${draft.branch}`, head]);
    try {
      const before = await photograph(target());
      expectFault(await faultOf(() => pullMerge(site.world(), number)), wanted);
      expect(await photograph(target())).toEqual(before);
    } finally {
      await pullClose(site.world(), number, 'no');
    }
  };

  it.each([
    ['an edit of a policy', 'policies/teams/infra.yaml'],
    ['an edit of the site', 'policies/site.yaml'],
  ])('%s', async (_what, path) => {
    const text = readFileSync(join(target().site.repoDir, path), 'utf8');
    await evil(
      { [path]: `${text}# nothing to see\n` },
      { code: 'PLAN_DIFFERS', at: PULL, says: new RegExp(path) },
    );
  });

  it.each(['.github/workflows/release.yaml', 'CODEOWNERS', 'package.json', 'snapshots.yaml', 'README.md'])(
    'a file beside: %s',
    async (path) => {
      await evil(
        { [path]: 'x' },
        { code: 'PLAN_DIFFERS', at: PULL, says: new RegExp(`${path} \\(added\\)`) },
      );
    },
  );

  it.each(
    sampled([
      ['a link for the manifest', { [`${STABLE}.yaml`]: { mode: '120000', text: '/etc/shadow' } }],
      ['a link for a team', { 'policies/teams/x.yaml': { mode: '120000', text: 'infra.yaml' } }],
      ['a submodule', { 'snapshots/x': { mode: '160000', text: 'c0ffee'.padEnd(40, '0') } }],
      ['an exec bit', { 'policies/site.yaml': { mode: '100755', text: 'x' } }],
      ['a hook', { 'docs/.git/hooks/post-checkout': 'x' }],
    ]),
  )('%s', async (_what, files) => {
    await evil(files, {
      code: ['UNSAFE_PATH', 'MANIFEST_INVALID', 'MANIFEST_NOT_CANONICAL', 'POLICY_INVALID'],
      at: /./,
    });
  });

  it('a link beside the manifests is a change, too', async () => {
    await evil(
      { 'docs/x': { mode: '120000', text: '/etc/shadow' } },
      { code: 'PLAN_DIFFERS', at: PULL, says: /docs\/x \(added\)/ },
    );
  });
});

describe('words on the command line', () => {
  const wanted = (at: RegExp): Refusal => ({ code: ['MALFORMED', 'NOT_FOUND', 'USAGE'], at });

  it.each(
    sampled([
      ['a line feed', 'a\nSluice-Older: accepted'],
      ['a carriage return', 'a\rb'],
      ['an order to skip checks', 'fine [skip ci]'],
      ['a right-to-left override', 'a \u202e b'],
      ['301 characters', 'x'.repeat(301)],
      ['nothing but a space', ' '],
      ['half a surrogate pair', 'a\ud800'],
    ]),
  )('--reason with %s', async (_what, reason) => {
    await target().lay(later({}));
    for (const how of ['propose', 'write'] as const) {
      const work = () =>
        sync(target().site.world(), {
          upstreams: [ID],
          how,
          all: false,
          rerolled: ['gamma-3:1.0-1.el9.x86_64'],
          reason,
        });
      await expectRefused(target(), work, wanted(/^--reason$/));
    }
  });

  it.each(sampled(['../../etc/passwd', '..', '__proto__', 'constructor', '', '-x', 'a b', `${ID}/..`]))(
    'an upstream called %j',
    async (id) => {
      await expectRefused(
        target(),
        () => sync(target().site.world(), { upstreams: [id], how: 'propose', all: false }),
        wanted(/^$|./),
      );
    },
  );

  it.each(['../../etc', '..', '__proto__', 'constructor', 'vendor', ''])('a team called %j', async (team) => {
    const request = { packages: [], team, how: 'propose', all: false } as const;
    await expectRefused(target(), () => promote(target().site.world(), request), wanted(/^$|./));
    await expectRefused(
      target(),
      () => fill(target().site.world(), { team, tier: 'stable', how: 'propose', all: false }),
      wanted(/^$|./),
    );
  });

  it.each(
    sampled(['__proto__', 'constructor', '$(id)', '`id`', '--upload-pack=x', 'a\nb', 'x'.repeat(10_000)]),
  )('a package called %j', async (name) => {
    const request = { packages: [name], team: 'infra', to: 'stable', how: 'propose', all: false } as const;
    await expectRefused(target(), () => promote(target().site.world(), request), {
      code: 'NOT_FOUND',
      at: /^infra\/stable$/,
    });
  });

  it('as it is typed', async () => {
    await expectLine(
      target(),
      ['sync', '--now', 'yesterday'],
      /^sluice: USAGE: --now "yesterday" is not a time\. Write 2026/,
    );
    await expectLine(
      target(),
      ['accept', ID, '--older', '--propose', '--reason', 'a\nb'],
      /^--reason: MALFORMED: .*\. Correct it/,
    );
    await expectLine(
      target(),
      ['pr', 'merge', '../1'],
      /^sluice: USAGE: the number of the pull request is missing\. sluice pr list|^sluice: USAGE: /,
    );
    await expectLine(
      target(),
      ['promote', '--team', '__proto__'],
      /^sluice: NOT_FOUND: there is no team __proto__\. Name one of: infra\./,
    );
  });
});
