import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkWorkTree } from '../../src/flows/check-tree.ts';
import { fill } from '../../src/flows/promote.ts';
import { makeSigner, type Signer, signedRpm } from '../fixtures/signer.ts';
import { makeRepository, sha256 } from '../fixtures/upstreamRepository.ts';
import { makeSite, type Site } from './site.ts';

const MAIN = 'test-9-x86_64-main';
const OTHER = 'test-9-x86_64-other';
const lockOf = (place: string, id = MAIN) => `snapshots/${place}/${id}.lock`;
const TEAM = 'policies/teams/infra.yaml';
const RULE = 'provenance: { origins: ["test-9-x86_64-*"], signed: required }\n';

/** A site and its two upstreams, filled once: every test starts from a copy of its folder, in the same place. */
let vendor: Signer;
let next: Signer;
let folder: string;
let site: Site;
const START = new Date('2026-01-01T06:00:00Z');
const packages = new Map<string, Promise<Buffer>>(); // a signature has a salt: the same build must be the same bytes

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-provenance-'));
  [vendor, next] = await Promise.all([makeSigner('vendor'), makeSigner('next')]);
  const policy = (id: string) => ({
    baseurl: [`file://${folder}/site/vendor/${id}`],
    keys: [{ file: 'keys/vendor.asc', fingerprint: vendor.fingerprint }],
    packages: { signatures: 'required' },
    keep: 1,
  });
  site = await makeSite({
    dir: join(folder, 'site'),
    upstreams: { [MAIN]: policy(MAIN), [OTHER]: policy(OTHER) },
    files: { 'policies/keys/vendor.asc': vendor.publicKey, 'policies/keys/next.asc': next.publicKey },
  });
  await serve(MAIN, 1, ['alpha 1.0', 'beta 1.0']);
  await serve(OTHER, 1, ['gamma 1.0']);
  await site.merge(await site.sync());
  await site.merge(await site.promote('unstable'));
  site.days(2);
  await site.merge(await site.promote('stable'));
  cpSync(join(folder, 'site'), join(folder, 'saved'), { recursive: true, preserveTimestamps: true });
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeEach(() => {
  rmSync(join(folder, 'site'), { recursive: true });
  cpSync(join(folder, 'saved'), join(folder, 'site'), { recursive: true, preserveTimestamps: true });
  site.now = new Date(START.getTime() + 2 * 86_400_000);
  site.output();
});

/** What an upstream lists from some day on, signed by its vendor: `alpha 1.0`. */
async function serve(id: string, day: number, builds: readonly string[]): Promise<void> {
  const made = builds.map(async (text) => {
    const [name = '', version = ''] = text.split(' ');
    const known = packages.get(text) ?? signedRpm(name, version, vendor);
    packages.set(text, known);
    return { name, version, bytes: await known };
  });
  const root = join(folder, 'site/vendor', id);
  rmSync(root, { recursive: true, force: true });
  const timestamp = 1_700_000_000 + day * 86_400;
  for (const [path, bytes] of makeRepository({ builds: await Promise.all(made), timestamp })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), bytes);
  }
}

/** A sync, merged: by itself, or by us where it wants a person. */
async function takeIn(): Promise<void> {
  const number = await site.sync();
  if (!site.output().includes(`merged #${number}`)) await site.merge(number);
}

interface Checked {
  readonly good: boolean;
  readonly text: string;
  readonly complaints: readonly { code: string; message: string; at: string }[];
  readonly provenance: readonly Repository[];
}

interface Repository {
  readonly repository: string;
  readonly signatures: Readonly<Record<string, number>>;
  readonly signers: readonly string[];
  readonly foreign: readonly { build: string; at: string; origin: { why: string } }[];
  readonly pins: readonly {
    build: string;
    checksum: string;
    origin: { standing: string; repomd?: string };
    signed: { kind: string; by?: string[] };
  }[];
}

/** What `check` says, both ways: for people, and as JSON with every build. */
async function check(site: Site, o: { mirror?: boolean; full?: boolean } = {}): Promise<Checked> {
  vi.spyOn(console, 'error').mockImplementation(() => {});
  const world = { ...site.world(), ...(o.mirror === false ? { mirrorDir: undefined } : {}) };
  site.output();
  await checkWorkTree(world);
  const text = site.output();
  const good = await checkWorkTree({ ...world, json: true }, { provenance: o.full ?? false });
  const said = site.output();
  const { complaints, provenance } = JSON.parse(said.slice(said.indexOf('{'))) as Omit<
    Checked,
    'good' | 'text'
  >;
  return { good, text, complaints, provenance };
}

function edit(site: Site, path: string, change: (text: string) => string): void {
  const before = readFileSync(join(site.repoDir, path), 'utf8');
  const after = change(before);
  expect(after).not.toBe(before);
  writeFileSync(join(site.repoDir, path), after);
}

const provenanceOnly = (checked: Checked) => checked.complaints.filter((c) => c.code === 'PROVENANCE');

function repomd(site: Site, id = MAIN): string {
  return sha256(readFileSync(join(site.dir, 'vendor', id, 'repodata/repomd.xml')));
}

describe('check says of every tier', () => {
  it('from which upstreams it is, and who signed it', async () => {
    const checked = await check(site, { full: true });
    expect(checked.good).toBe(true);
    expect(checked.text).toContain(
      `infra/stable: 3 builds, all from ${MAIN}, ${OTHER}; signed by ${vendor.fingerprint}\n`,
    );
    const stable = checked.provenance.find((r) => r.repository === `infra-stable-${MAIN}`);
    expect(stable?.pins).toMatchObject([
      {
        build: 'alpha-3:1.0-1.el9.x86_64',
        checksum: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string,
        origin: { kind: 'upstream', standing: 'listed', repomd: `sha256:${repomd(site)}` },
        signed: { kind: 'signed', by: [vendor.fingerprint] },
      },
      { build: 'beta-3:1.0-1.el9.x86_64' },
    ]);
  });

  it('the same for an auditor, one line a build', async () => {
    site.output();
    await checkWorkTree(site.world(), { provenance: true });
    const lines = site.output().split('\n');
    const row =
      /^infra-stable-test-9-x86_64-other gamma-3:1\.0-1\.el9\.x86_64 (sha256:[0-9a-f]{64}) (\S+) (\S+) (\S+)$/;
    const [, checksum = '', ...rest] = row.exec(lines.find((line) => row.test(line)) ?? '') ?? [];
    expect(rest).toEqual([OTHER, `sha256:${repomd(site, OTHER)}`, vendor.fingerprint]);
    const file = readFileSync(
      join(site.mirrorDir, 'pool/sha256', checksum.slice(7, 9), `${checksum.slice(7)}.rpm`),
    );
    expect(`sha256:${sha256(file)}`).toBe(checksum);
  });

  it('what upstream pulled back or live has dropped since: it came from there all the same', async () => {
    const first = repomd(site);
    await serve(MAIN, 2, ['alpha 1.0']);
    await takeIn();
    const withdrawn = await check(site, { full: true });
    expect(withdrawn.text).toMatch(/infra\/stable: 3 builds, all from .*; 1 pulled back by upstream since\n/);
    const without = (text: string) => text.replaceAll(/.*beta.*\n\n?/g, '');
    await site.change({
      [lockOf('vendor/live')]: without,
      [`snapshots/vendor/live/${MAIN}.yaml`]: (text) => without(text).replace(/\nwithdrawn:\n\n/, '\n'),
    });
    expect(readFileSync(join(site.repoDir, lockOf('vendor/live')), 'utf8')).not.toMatch(/beta/);
    const dropped = await check(site, { full: true });
    expect(dropped.good).toBe(true);
    expect(dropped.text).toMatch(/infra\/stable: 3 builds, all from .*that live has no more\n/);
    const stable = dropped.provenance.find((r) => r.repository === `infra-stable-${MAIN}`);
    expect(stable?.pins[1]).toMatchObject({
      build: 'beta-3:1.0-1.el9.x86_64',
      origin: { standing: 'dropped', repomd: `sha256:${first}` },
      signed: { kind: 'signed' },
    });
  });

  it('what is foreign, where it stands and where it comes from', async () => {
    const gamma = readFileSync(join(site.repoDir, lockOf('infra/stable', OTHER)), 'utf8').trim();
    edit(
      site,
      lockOf('infra/stable'),
      (text) => `${text.replace(/sha256:[0-9a-f]{8}/, 'sha256:00000000')}${gamma}\n\n`,
    );
    edit(site, `snapshots/infra/stable/${MAIN}.yaml`, (text) => `${text}  gamma.x86_64: "3:1.0-1.el9"\n\n`);
    const { text, provenance } = await check(site);
    expect(text).toMatch(/infra\/stable: 4 builds, 2 from .*; 2 foreign; 2 signed by/);
    const stable = provenance.find((r) => r.repository === `infra-stable-${MAIN}`);
    expect(stable?.foreign).toMatchObject([
      {
        build: 'alpha-3:1.0-1.el9.x86_64',
        at: `${lockOf('infra/stable')}:1:1`,
        origin: {
          why: expect.stringMatching(/^test-9-x86_64-main has it as sha256:[0-9a-f]{64}, nor had/) as string,
        },
      },
      { build: 'gamma-3:1.0-1.el9.x86_64', origin: { why: `${MAIN} never had it, it is of ${OTHER}` } },
    ]);
  });

  it('nothing in a shallow clone, which cannot tell', async () => {
    const shallow = join(site.dir, 'shallow');
    execFileSync('git', ['clone', '-q', '--depth=1', `file://${site.repoDir}.git`, shallow]);
    await expect(checkWorkTree({ ...site.world(), repoDir: shallow })).rejects.toMatchObject({
      code: 'HISTORY_REFUSED',
    });
  });

  it('that nothing is signed where the policy asks for nothing, and why', async () => {
    for (const id of [MAIN, OTHER]) {
      edit(site, `policies/upstreams/${id}.yaml`, (text) =>
        text.replace('signatures: required', 'signatures: none\n  reason: built in house'),
      );
    }
    expect((await check(site)).text).toMatch(
      /infra\/stable: 3 builds, all from .*; 3 not signed by policy \(.*main: built in house; .*other: built in house\)\n/,
    );
  });
});

describe('signatures are proved', () => {
  const STABLE = `infra-stable-${MAIN}`;
  const counts = (checked: Checked) => checked.provenance.find((r) => r.repository === STABLE)?.signatures;
  const loseVerdicts = (site: Site) => rmSync(join(site.mirrorDir, 'state/verdicts'), { recursive: true });
  const poolFile = (site: Site) => {
    const hex =
      /^alpha\S+ sha256:([0-9a-f]{64})/.exec(
        readFileSync(join(site.repoDir, lockOf('infra/stable')), 'utf8'),
      )?.[1] ?? '';
    return join(site.mirrorDir, 'pool/sha256', hex.slice(0, 2), `${hex}.rpm`);
  };

  it('from the files again where the verdicts are lost', async () => {
    edit(site, TEAM, (text) => text + RULE);
    loseVerdicts(site);
    const checked = await check(site);
    expect(checked).toMatchObject({ good: true, complaints: [] });
    expect(counts(checked)).toEqual({ signed: 2, refused: 0, unsigned: 0, unproved: 0 });
  });

  it('not without being asked for: that may be hours of reading', async () => {
    loseVerdicts(site);
    expect(counts(await check(site))).toMatchObject({ signed: 0, unproved: 2 });
    expect(counts(await check(site, { full: true }))).toMatchObject({ signed: 2, unproved: 0 });
  });

  it.each([
    ['is not there', (file: string) => rmSync(file), /its file is not in the pool/],
    [
      'has other bytes',
      (file: string) => {
        const bytes = readFileSync(file);
        rmSync(file);
        writeFileSync(file, Buffer.concat([bytes, Buffer.from('x')]));
      },
      /its file in the pool is damaged/,
    ],
  ])('by nothing where the verdict is lost and the file %s', async (_what, harm, why) => {
    edit(site, TEAM, (text) => text + RULE);
    loseVerdicts(site);
    harm(poolFile(site));
    const checked = await check(site);
    expect(checked.good).toBe(false);
    expect(checked.complaints).toMatchObject(
      ['stable', 'unstable'].map((tier) => ({
        code: 'PROVENANCE',
        message: expect.stringMatching(why) as string,
        at: `${lockOf(`infra/${tier}`)}:1:1`,
      })),
    );
  });

  it('not without a mirror, which is said and is no error', async () => {
    edit(site, TEAM, (text) => text + RULE);
    const checked = await check(site, { mirror: false });
    expect(checked.good).toBe(true);
    expect(checked.text).toMatch(/3 whose signature is not proved here \(no mirror is named\)/);
    expect(counts(checked)).toMatchObject({ signed: 0, unproved: 2 });
  });

  it('by the keys of now: a key that is gone proves nothing any more, and its removal is not merged', async () => {
    await site.change({ [TEAM]: (text) => text + RULE });
    const upstream = `policies/upstreams/${MAIN}.yaml`;
    const rotate = (text: string) =>
      text.replace('keys/vendor.asc', 'keys/next.asc').replace(vendor.fingerprint, next.fingerprint);
    await expect(site.change({ [upstream]: rotate })).rejects.toMatchObject({
      code: 'PROVENANCE',
      message: expect.stringMatching(/alpha-3:1\.0-1\.el9\.x86_64 is not signed as infra\/stable wants it/),
      at: `${lockOf('infra/stable')}:1:1`,
    });
    const both = `keys: [{ file: keys/vendor.asc, fingerprint: "${vendor.fingerprint}" }, { file: keys/next.asc, fingerprint: "${next.fingerprint}" }]`;
    await site.change({ [upstream]: (text) => text.replace(/keys:\n(?: .*\n)+/, `${both}\n`) });
    const checked = await check(site);
    expect(checked).toMatchObject({ good: true });
    expect(counts(checked)).toMatchObject({ signed: 2 });
  });
});

describe("a team's rule", () => {
  it('makes foreign builds errors, at the line of the lock', async () => {
    edit(site, TEAM, (text) => text + RULE);
    expect(await check(site)).toMatchObject({ good: true, complaints: [] });
    edit(site, lockOf('infra/stable'), (text) => text.replace(/(beta\S+ sha256:)[0-9a-f]{8}/, '$100000000'));
    const checked = await check(site);
    expect(checked.good).toBe(false);
    expect(provenanceOnly(checked)).toMatchObject([
      {
        message: expect.stringMatching(/^beta-3:1\.0-1\.el9\.x86_64 is foreign to infra\/stable/) as string,
        at: `${lockOf('infra/stable')}:3:1`,
      },
    ]);
  });

  it('refuses the bytes of one build under the name of another, which every other rule lets pass', async () => {
    await site.change({ [TEAM]: (text) => text + RULE });
    const renamed = (text: string) => text.replace('beta-3:1.0-1.el9', 'delta-3:1.0-1.el9');
    await expect(
      site.change({
        [lockOf('infra/stable')]: renamed,
        [`snapshots/infra/stable/${MAIN}.yaml`]: (text) => text.replace('beta.x86_64', 'delta.x86_64'),
      }),
    ).rejects.toMatchObject({
      code: 'PROVENANCE',
      message: expect.stringMatching(/delta-\S+ is foreign to infra\/stable/),
    });
  });

  it('lets nobody write a build into live, from where it would be an upstream’s for ever', async () => {
    await expect(
      site.change({
        [lockOf('vendor/live')]: (text) => text.replace(/(beta\S+ sha256:)[0-9a-f]{8}/, '$100000000'),
      }),
    ).rejects.toMatchObject({
      code: 'PROVENANCE',
      message: expect.stringMatching(/without a sync that found it upstream/),
    });
  });

  it('is asked of what a pull request changes: a debt of one tier does not stop live', async () => {
    await site.change({ [TEAM]: (text) => text + RULE });
    rmSync(join(site.mirrorDir, 'state/verdicts'), { recursive: true });
    rmSync(join(site.mirrorDir, 'pool'), { recursive: true });
    expect((await check(site)).good).toBe(false);
    await serve(OTHER, 2, ['gamma 1.0', 'delta 1.0']);
    await takeIn();
    expect(readFileSync(join(site.repoDir, lockOf('vendor/live', OTHER)), 'utf8')).toMatch(/delta/);
  });

  it('of one tier keeps candidates of other origins where they are, and says so', async () => {
    const vendorTier =
      '  vendor:\n    from: stable\n    provenance: { origins: ["*-main"], signed: required }\n';
    await site.change({ [TEAM]: (text) => text.replace(/^tiers:\n/m, `tiers:\n${vendorTier}`) });
    await site.merge(await site.promote('vendor'));
    expect((await check(site)).text).toMatch(`infra/vendor: 2 builds, all from ${MAIN}; signed by`);
    await site.promote('vendor');
    expect(site.output()).toMatch(/never {2}vendor takes only builds of \*-main, not of test-9-x86_64-other/);
    await site.change({
      [TEAM]: (text) => text.replace(vendorTier, vendorTier + vendorTier.replace('vendor:', 'audited:')),
    });
    await fill(site.world(), { team: 'infra', tier: 'audited', how: 'show', all: true });
    expect(site.output()).toMatch(
      /with 2 builds.*audited takes only builds of \*-main, not of test-9-x86_64-other/s,
    );
  });

  it('that is new is not merged before the tiers keep it', async () => {
    const team = (rule: string) => ({
      'policies/teams/infra.yaml': (text: string) => `${text}provenance: ${rule}\n`,
    });
    await site.change(team(`{ origins: ["*"], signed: required }`));
    await expect(
      site.change({
        'policies/teams/infra.yaml': (text) =>
          text.replace(/ {2}stable:\n/, `  stable:\n    provenance: { origins: [${MAIN}] }\n`),
      }),
    ).rejects.toMatchObject({
      code: 'PROVENANCE',
      message: expect.stringMatching(
        /^#\d+ is not green: gamma-\S+ of test-9-x86_64-other, and infra\/stable takes only builds of/,
      ),
      at: `${lockOf('infra/stable', OTHER)}:1:1`,
    });
  });
});
