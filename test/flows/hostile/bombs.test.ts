import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { checkWorkTree } from '../../../src/flows/check-tree.ts';
import { verifyMirror } from '../../../src/flows/publish.ts';
import { ALL } from '../../fixtures/sample.ts';
import { tempDir } from '../../fixtures/tempDir.ts';
import { makeRepository, rpmOf } from '../../fixtures/upstreamRepository.ts';
import { expectRefused, GOOD, ID, later, makeTarget, NEWER, sharedTarget } from './attack.ts';

const target = sharedTarget();
const MINUTES = 240_000;

function withSide(type: string, text: string) {
  return later({}, { documents: { [type]: gzipSync(Buffer.from(text)) } });
}

const modulemd = (change: string) => `---
document: modulemd
version: 2
data:
  name: m
  stream: "1"
  version: 1
  context: abc
  arch: x86_64
  summary: s
  description: d
  license: { module: [MIT] }
${change}...
`;

describe('documents that are too much', () => {
  it.each([
    [
      'comps nested 100,000 deep',
      'group',
      `<comps>${'<group>'.repeat(100_000)}${'</group>'.repeat(100_000)}</comps>`,
    ],
    [
      'comps with a DOCTYPE of entities',
      'group',
      '<!DOCTYPE comps [<!ENTITY a "b">]><comps><group><id>&a;</id></group></comps>',
    ],
    ['comps that end in the middle', 'group', '<comps><group><packagelist><packagereq>gam'],
    [
      'modules with an alias bomb',
      'modules',
      modulemd(`  x: &a [lol, lol]\n  y: &b [${'*a,'.repeat(99)}]\n  z: [${'*b,'.repeat(99)}]\n`),
    ],
    ['modules with a tag', 'modules', modulemd('  x: !!js/function "x"\n')],
    ['modules nested 100,000 deep', 'modules', modulemd(`  x: ${'['.repeat(100_000)}\n`)],
    ['30,000 module documents', 'modules', modulemd('').repeat(30_000)],
    ['a module whose artifact climbs', 'modules', modulemd('  artifacts: { rpms: ["../../etc/passwd"] }\n')],
    ['modules that are XML', 'modules', '<modules/>'],
    [
      'an advisory of entities',
      'updateinfo',
      '<!DOCTYPE updates [<!ENTITY a "b">]><updates><update><id>&a;</id></update></updates>',
    ],
    ['advisories that end in the middle', 'updateinfo', '<updates><update><id>A</id>'],
    [
      'an advisory of 100 MB',
      'updateinfo',
      `<updates><update><id>A</id><description>${'x'.repeat(100 << 20)}</description></update></updates>`,
    ],
  ])(
    '%s',
    async (_what, type, text) => {
      await target().lay(withSide(type, text));
      await expectRefused(target(), target().sync, {
        code: ['METADATA_INVALID', 'UPSTREAM_INCONSISTENT', 'TOO_LARGE', 'MALFORMED'],
        at: new RegExp(`^${ID}: (?:${type}|comps)`),
      });
    },
    MINUTES,
  );
});

describe('documents that are much, and taken', () => {
  it(
    'an advisory of 10,000 packages (100,000 in test:all): named in the plan, shortened in the pull request',
    async () => {
      const { site, lay } = await makeTarget(await tempDir());
      const list = Array.from(
        { length: ALL ? 100_000 : 10_000 },
        (_, i) =>
          `<package name="p${i}" version="1" release="1" epoch="0" arch="x86_64"><filename>p${i}-1-1.x86_64.rpm</filename></package>`,
      );
      const gamma =
        '<package name="gamma" version="1.0" release="1.el9" epoch="3" arch="x86_64"><filename>gamma-3-1.0.rpm</filename></package>';
      await lay(
        withSide(
          'updateinfo',
          `<updates><update type="security"><id>A-1</id><title>much</title><severity>Critical</severity><pkglist><collection>${list.join('')}${gamma}</collection></pkglist></update></updates>`,
        ),
      );
      await site.sync(); // merges itself
      await site.merge(await site.promote('unstable'));
      await site.publish();
      expect(await verifyMirror(site.world())).toBe(true);
      expect(site.output()).toContain('A-1');
    },
    MINUTES,
  );

  it(
    'packages named as what every object of JavaScript has',
    async () => {
      const { site, lay } = await makeTarget(await tempDir());
      const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'prototype'];
      await lay(
        makeRepository({
          builds: [...GOOD, ...names.map((name) => ({ name, bytes: rpmOf(name) }))],
          timestamp: NEWER,
        }),
      );
      await site.sync(); // merges itself
      await site.merge(await site.promote('unstable'));
      site.days(2);
      await site.merge(await site.promote('stable'));
      await site.publish();
      expect(await verifyMirror(site.world())).toBe(true);
      const yaml = readFileSync(join(site.repoDir, `snapshots/infra/stable/${ID}.yaml`), 'utf8');
      for (const name of names) expect(yaml).toMatch(new RegExp(`^ {2}${name}\\S*: `, 'm'));
      expect(({} as Record<string, unknown>)['x86_64']).toBeUndefined();
    },
    MINUTES,
  );

  it(
    'two packages of one basename, and of one but for the case: each keeps a file of its own',
    async () => {
      const { site, lay } = await makeTarget(await tempDir());
      const builds = [
        ...GOOD,
        { name: 'gamma', href: 'a/same.rpm' },
        { name: 'delta', href: 'b/same.rpm' },
        { name: 'epsilon', href: 'c/SAME.rpm' },
      ];
      await lay(makeRepository({ builds, timestamp: NEWER }));
      await site.sync(); // merges itself
      await site.merge(await site.promote('unstable'));
      await site.publish();
      expect(await verifyMirror(site.world())).toBe(true);
    },
    MINUTES,
  );

  it(
    'a team and a tier called constructor',
    async () => {
      const { site } = await makeTarget(await tempDir(), {
        team: { tiers: { unstable: { from: 'live' }, constructor: { from: 'unstable' } } },
      });
      await site.merge(await site.promote('constructor'));
      await site.publish();
      expect(site.output()).toContain(`infra-constructor-${ID}`);
    },
    MINUTES,
  );
});

it(
  'a manifest of 3 MB (30 in test:all) whose lock has none of it is refused at its first line',
  async () => {
    const { site } = target();
    const file = join(site.repoDir, `snapshots/infra/unstable/${ID}.yaml`);
    const good = readFileSync(file, 'utf8');
    const lines = Array.from(
      { length: ALL ? 900_000 : 90_000 },
      (_, i) => `  p${String(i).padStart(7, '0')}.x86_64: "3:1.0-1.el9"\n\n`,
    );
    writeFileSync(file, good.replace(/packages:[\s\S]*/, `packages:\n\n${lines.join('')}`));
    const said: string[] = [];
    const { error } = console;
    console.error = (line: string) => void said.push(line.slice(0, 300));
    try {
      expect(await checkWorkTree(site.world())).toBe(false);
      expect(said[0]).toMatch(/^snapshots\/infra\/unstable\/\S+:8:20: LOCK_MISMATCH: /);
    } finally {
      console.error = error;
      writeFileSync(file, good);
    }
  },
  MINUTES,
);
