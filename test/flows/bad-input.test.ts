import { createHash } from 'node:crypto';
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, normalize, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { main } from '../../src/flows/main.ts';
import { Args } from '../../src/flows/verb.ts';
import { VERBS } from '../../src/flows/verbs.ts';
import { primaryDocument } from '../../src/repodata/primary.ts';
import { joined, packageElement, writeRepository } from '../fixtures/repodata.ts';
import { sampled } from '../fixtures/sample.ts';
import { answerFile, startServer } from '../fixtures/server.ts';
import { makeSite, type Site } from './site.ts';

const SET = 'harbor-9-x86_64';
const TEAM = '--team infra';
const STABLE = `${TEAM} --tier stable`;
const HOLD = `${TEAM} --owner @acme/ops`;
const dir = mkdtempSync(join(tmpdir(), 'sluice-bad-input-'));
let site: Site;
let close: () => Promise<void>;

/** Both teams have the vendor's first state, live has its wave; a third repository has names that mean two things. */
beforeAll(async () => {
  const vendor = join(dir, 'vendor');
  await layDemoUpstream(vendor, 'before');
  await layOdd(join(vendor, 'odd'));
  const server = await startServer(async (request, response) => {
    const path = join(vendor, normalize(decodeURIComponent(request.url ?? '/')));
    const bytes = await readFile(path).catch(() => undefined);
    answerFile(
      request,
      response,
      bytes,
      bytes ? `"${createHash('sha256').update(bytes).digest('hex')}"` : '',
    );
  });
  ({ close } = server);
  const absent = Object.fromEntries(['filelists', 'other'].map((type) => [type, 'a test']));
  const upstreams = Object.fromEntries(
    ['base', 'apps', 'odd'].map((r) => [
      `${SET}-${r}`,
      { baseurl: [`${server.url}${r}`], content: 'thin', ...(r === 'odd' ? { absent } : {}) },
    ]),
  );
  const web = `apiVersion: sluice/v1\nkind: Team\nteam: web\nrepositories: [${Object.keys(upstreams).join(', ')}]\ntiers:\n  stable: { from: live }\nholds:\n  - { match: "^harbor-tls$", reason: "load test", owner: "@acme/web", until: 2027-01-01 }\n`;
  site = await makeSite({
    dir: join(dir, 'site'),
    upstreams,
    team: { tiers: { unstable: { from: 'live' }, stable: { from: 'unstable' } } },
    files: { 'policies/teams/web.yaml': web },
  });
  await site.merge(await site.sync());
  for (const tier of ['unstable', 'stable']) await site.merge(await site.promote(tier));
  const { fill } = await import('../../src/flows/promote.ts');
  const first = { team: 'web', tier: 'stable', how: 'propose', all: false } as const;
  await site.merge((await fill(site.world(), first))[0]?.pull?.number);
  await layDemoUpstream(vendor, 'after');
  site.days(1);
  await site.sync(); // merges itself
  await site.publish();
});
afterAll(async () => {
  await close();
  rmSync(dir, { recursive: true, force: true });
});
afterEach(() => {
  process.exitCode = 0;
});

/** As the shell would start it: exit code, and what is said on standard error. */
async function sluice(line: string, ...rest: string[]) {
  const [name, ...words] = [...line.split(' ').filter(Boolean), ...rest];
  const verb = VERBS.find((v) => v.name === name);
  if (!verb) throw new Error(`no verb ${name}`);
  const { values, positionals } = parseArgs({
    args: words,
    options: Object.fromEntries(
      Object.entries(verb.options).map(([key, { type, multiple = false }]) => [key, { type, multiple }]),
    ),
    allowPositionals: true,
  });
  const said = vi
    .spyOn(console, 'error')
    .mockClear()
    .mockImplementation(() => undefined);
  process.exitCode = 0;
  site.output();
  await main(() => verb.run(site.world(), new Args(positionals, values as Args['values'])));
  return { code: process.exitCode, error: said.mock.calls.map(([text]) => String(text)).join('\n') };
}

/** Every file and link of the site: git, work tree, mirror, what is published; and when each one was last touched. */
function photograph(): Map<string, string> {
  const seen = new Map<string, string>();
  for (const entry of readdirSync(site.dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const { ino, size, mtimeNs, ctimeNs } = lstatSync(path, { bigint: true });
    if (!entry.isDirectory()) seen.set(relative(site.dir, path), `${ino} ${size} ${mtimeNs} ${ctimeNs}`);
  }
  return seen;
}

/** C0 but for the line end, C1, and what turns text around. */
const UNSEEN = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/;
const WHY = '--reason because';
const CASES: readonly (readonly [what: string, line: string, rest: readonly string[], said: RegExp])[] = [
  // [what, the line, further words, what is said: code, what and where, next step]
  ['hotfix: an unknown CVE', `hotfix CVE-2026-99999 ${TEAM} --to stable ${WHY}`, [], /NOT_FOUND: .*no advisory that names.*CVE-2026-99999/],
  ['hotfix: an unknown CVE in odd case', `hotfix cVe-2026-99999 ${TEAM} --to stable ${WHY}`, [], /NOT_FOUND: .*CVE-2026-99999/],
  ['hotfix: no CVE at all', `hotfix CVE-26-1 ${TEAM} --to stable ${WHY}`, [], /NOT_FOUND/],
  ['hotfix: a name of two things', `hotfix tools ${TEAM} --to stable ${WHY}`, [], /USAGE: tools is two things: .*\. .*(?:Name|name)/],
  ['hotfix: one of two unknown', `hotfix harbor-tls harbor-nix ${TEAM} --to stable ${WHY}`, [], /NOT_FOUND: .*harbor-nix/],
  ['hotfix: held in the second of two teams', `hotfix harbor-tls --all-teams --to stable ${WHY}`, [], /HELD: .*--override-hold/],
  ['hotfix: a pattern', `hotfix .* ${TEAM} --to stable ${WHY}`, [], /NOT_FOUND/],
  ['hotfix: no team', `hotfix harbor-tls --to stable ${WHY}`, [], /USAGE: .*--all-teams/],
  ['hotfix: a reason that would skip checks', `hotfix harbor-tls ${TEAM} --to stable --reason`, ['now [skip ci]'], /MALFORMED: .*skip its checks/],
  ['hotfix: a reason with an escape', `hotfix harbor-tls ${TEAM} --to stable --reason`, ['now\u001b[2J'], /MALFORMED: .*one visible line/],
  ['remove: an unknown name', `remove harbor-teapot ${STABLE} ${WHY}`, [], /NOT_FOUND: .*harbor-teapot.*sluice explain/],
  ['remove: one of two unknown', `remove harbor-edit harbor-teapot ${STABLE} ${WHY}`, [], /NOT_FOUND: .*harbor-teapot/],
  ['remove: a pattern', `remove * ${STABLE} ${WHY}`, [], /NOT_FOUND/],
  ['remove: what others need', `remove harbor-tls-libs ${STABLE} ${WHY}`, [], /BROKEN_SET: .*--cascade/],
  ['remove: a reason of two lines', `remove harbor-edit ${STABLE} --reason`, ['a\nSluice-Verb: recall'], /MALFORMED: .*one visible line/],
  ['remove: no reason', `remove harbor-edit ${STABLE}`, [], /USAGE: --reason is missing/],
  ['recall: an unknown build', `recall harbor-tls-3.0.7-99.h9 ${WHY}`, [], /NOT_FOUND: .*Did you mean harbor-tls/],
  ['recall: a package', `recall harbor-tls-libs ${WHY}`, [], /USAGE: .*harbor-tls-libs.* is a package.*Name one/],
  ['recall: a build of two epochs', `recall twin-1-1.noarch ${WHY}`, [], /USAGE: .* could be .*twin.* or .*twin/],
  ['recall: what a kernel’s family needs', `recall kernel-core-6.1.0-12.h9.x86_64 ${WHY}`, [], /BROKEN_SET: .*kernel.*--cascade/],
  ['recall: a pattern', `recall ^.*$ ${WHY}`, [], /NOT_FOUND/],
  ['recall: a very long reason', `recall harbor-tls-3.0.7-24.h9 --cascade --reason`, ['x'.repeat(5_000)], /MALFORMED: .*at most 300 characters/],
  ['recall: text that runs backwards', `recall harbor-tls-3.0.7-24.h9 --cascade --reason`, ['\u202eevil'], /MALFORMED/],
  ['hold: without an end', `hold harbor-tls ${HOLD} ${WHY}`, [], /USAGE: .*--until/],
  ['hold: a name that nobody has', `hold harbor-tsl ${HOLD} ${WHY} --until 90d`, [], /NOT_FOUND: .*harbor-tls/],
  ['hold: nothing', `hold ${HOLD} ${WHY} --until 90d`, [], /USAGE/],
  ['hold: an empty word', `hold ${HOLD} ${WHY} --until 90d`, [''], /(?:USAGE|MALFORMED|NOT_FOUND|POLICY_INVALID): /],
  ['hold: an empty pattern', `hold ^$ ${HOLD} ${WHY} --until 90d`, [], /(?:NOT_FOUND|POLICY_INVALID): /],
  ['hold: an owner of two lines', `hold harbor-tls ${TEAM} ${WHY} --until 90d --owner`, ['@a\nreason: x'], /MALFORMED/],
  ['hold: a pattern that cannot be read', `hold ^(?=x) ${HOLD} ${WHY} --until 90d`, [], /POLICY_INVALID/],
  ['unhold: what is not held', `unhold harbor-shell ${TEAM} ${WHY}`, [], /NOT_FOUND/],
  ['rollback: no commit', `rollback infra stable --to nonsense ${WHY}`, [], /NOT_FOUND/],
  ['rollback: an option of git', `rollback infra stable --to=--all ${WHY}`, [], /(?:MALFORMED|NOT_FOUND): /],
  ['rollback: before there was anything', `rollback infra stable --to 2020-01-01 ${WHY}`, [], /NOT_FOUND/],
  ['rollback: no such tier', `rollback infra prod --to 2026-01-01 ${WHY}`, [], /NOT_FOUND: .*stable/],
  ['promote: an unknown name', `promote harbor-teapot ${TEAM} --to stable`, [], /NOT_FOUND/],
  ['promote: one of two unknown', `promote harbor-edit harbor-teapot ${TEAM} --to stable`, [], /NOT_FOUND: .*harbor-teapot/],
  ['promote: no such tier', `promote ${TEAM} --to prod`, [], /NOT_FOUND/],
  ['good: no such commit', `good infra stable --at 00000000 ${WHY}`, [], /NOT_FOUND/],
  ['errata: no day', `errata --as-of 2026-02-30`, [], /USAGE: .*calendar/],
]; // biome-ignore format: a table

it.each([['--propose'], ['--write']])(
  'bad input, %s: a clear error, a next step, exit code 1, and nothing is changed',
  async (how) => {
    const complaints: string[] = [];
    for (const [what, line, rest, said] of how === '--write' ? sampled(CASES, 8) : CASES) {
      const before = photograph();
      const { code, error } = await sluice(
        line.startsWith('errata') ? line : `${line.replace(/^\w+/, `$& ${how}`)}`,
        ...rest,
      );
      if (code !== 1) complaints.push(`${what}: exit ${code}: ${error.slice(0, 300)}`);
      else if (!said.test(error)) complaints.push(`${what}: ${error}`);
      const after = photograph();
      const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
        (p) => before.get(p) !== after.get(p),
      );
      if (changed.length > 0) complaints.push(`${what}: changed ${changed.slice(0, 5).join(', ')}`);
      if (UNSEEN.test(error)) complaints.push(`${what}: unseen characters: ${JSON.stringify(error)}`);
      if (error.length > 2_000) complaints.push(`${what}: ${error.length} characters`);
    }
    expect(complaints).toEqual([]);
  },
);

/** Names that mean two things: a package of another source, and two epochs of one version. */
async function layOdd(folder: string): Promise<void> {
  const element = (name: string, epoch: number, source: string) =>
    packageElement({
      name: `<name>${name}</name>`,
      arch: '<arch>noarch</arch>',
      version: `<version epoch="${epoch}" ver="1" rel="1"/>`,
      checksum: `<checksum type="sha256" pkgid="YES">${createHash('sha256').update(`${name}${epoch}`).digest('hex')}</checksum>`,
      location: `<location href="${epoch}/${name}-1-1.noarch.rpm"/>`,
      format: `<rpm:license>MIT</rpm:license>\n    <rpm:sourcerpm>${source}-1-1.src.rpm</rpm:sourcerpm>\n    <rpm:provides>\n      <rpm:entry name="${name}" flags="EQ" epoch="${epoch}" ver="1" rel="1"/>\n    </rpm:provides>`,
    });
  const elements = [
    element('tools', 0, 'big'),
    element('tools-libs', 0, 'tools'),
    element('twin', 2, 'twin'),
    element('twin', 1, 'twin'),
  ];
  const documents = new Map([['primary', joined(primaryDocument(elements.length), elements)]]);
  const repomd = { tags: { content: [], repo: [], distro: [] }, records: [], revision: '1' };
  await writeRepository(folder, repomd, documents, 'gzip');
}
