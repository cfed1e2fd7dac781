import { describe, expect, it } from 'vitest';
import { presets } from '../../src/flows/presets.ts';
import { lintPolicies } from '../../src/manifest/load.ts';
import { compileRegex, lintPattern } from '../../src/manifest/pattern.ts';
import { collectComplaints, loadPolicies, patternMatches } from '../../src/manifest/policy.ts';
import { PACKAGE_PRESETS, packagePreset, WAIT_PRESETS } from '../../src/manifest/presets.ts';
import { FILES, files, TEAM } from './policies.ts';

const DAY = 86_400_000;
const TEAM_FILE = 'policies/teams/infra.yaml';
const team = (tail: string) => new Map(Object.entries({ ...FILES, [TEAM_FILE]: `${TEAM}${tail}` }));
const inHolds = (hold: string) => files({ [TEAM_FILE]: TEAM.replace('holds:\n', `holds:\n  - ${hold}\n`) });
const REASON = 'reason: reboots, owner: ops';
const subject = (name: string) => ({
  name,
  source: name,
  repository: 'rocky-9-x86_64-baseos',
  tier: 'stable',
});

describe('presets', () => {
  // names as vendors have them: CentOS Stream 9, EL 6, ELRepo, NVIDIA, Whamcloud, SUSE, RPM Fusion, OpenZFS
  it.each([
    [
      'kernel-space',
      'kernel kernel-core kernel-modules-extra kernel-rt kernel-uek kernel-64k-core kernel-headers kernel-default',
    ],
    [
      'kernel-space',
      'kmod-kvdo kmod-nvidia-570.133.20-5.14.0-503.11.1 kmod-lustre-client kernel-module-openafs-2.6.9-89.0.9.EL',
    ],
    [
      'kernel-space',
      'akmods akmod-nvidia nvidia-kmod nvidia-kmod-common dkms zfs-dkms dkms-nvidia kpatch-patch-5_14_0-427_13_1',
    ],
    [
      'kernel-space',
      'zfs libzfs5 libzfs5-devel lustre-client lustre lustre-client-dkms mlnx-ofa_kernel nvidia-driver-libs cuda-drivers',
    ],
    [
      'kernel-space',
      'drbd-kmp-default gpfs.base gpfs.gplbin-5.14.0-503.11.1.el9_5.x86_64 iomemory-vsl-2.6.35.12-88.fc14.x86_64',
    ],
    [
      'services',
      'bind bind-libs bind9.18 httpd httpd-core mod_ssl mod_security nginx nginx-mod-stream mysql mysql8.4-server',
    ],
    [
      'services',
      'mariadb mariadb-server mariadb10.11-server postgresql postgresql16-server postgresql-server php-fpm php8.3-fpm',
    ],
  ])('%s means %s', (preset, names) => {
    for (const name of names.split(' ')) expect(packagePreset(preset).matches(name), name).toBe(true);
  });

  it.each([
    [
      'kernel-space',
      'kmod kmod-libs kernel-srpm-macros bash glibc glibc-kernheaders-x systemd zfs2 libzstd perf linux-firmware cuda-toolkit',
    ],
    [
      'services',
      'bash bindgen libpq libmodulemd python3-mod mysql-connector-java postgresql-jdbc module-build openssl php php-cli',
    ],
  ])('%s does not mean %s', (preset, names) => {
    for (const name of names.split(' ')) expect(packagePreset(preset).matches(name), name).toBe(false);
  });

  it('have patterns that are anchored at both ends, each with its meaning', () => {
    for (const { patterns, except } of PACKAGE_PRESETS) {
      for (const { match, why } of [...patterns, ...except]) {
        expect(match.startsWith('^') && lintPattern(compileRegex(match)) === undefined, match).toBe(true);
        expect(why.length, match).toBeGreaterThan(5);
      }
    }
  });

  it('are edited where they are named', () => {
    const hold = `{ preset: kernel-space, add: ["^our-driver$"], except: ["^kernel-headers$"], tier: stable, ${REASON} }`;
    const [own] = loadPolicies(inHolds(hold)).teams.get('infra')?.holds ?? [];
    const held = ['kernel-core', 'our-driver', 'kernel-headers', 'bash', 'kmod-libs'].filter(
      (name) => own && patternMatches(own, subject(name)),
    );
    expect(held).toEqual(['kernel-core', 'our-driver']);
    expect(own && patternMatches(own, { ...subject('kernel-core'), tier: 'unstable' })).toBe(false);
  });

  it('stand for a wait', () => {
    const files = team('').set(
      TEAM_FILE,
      TEAM.replace('wait: { seen: 2d }', 'wait: { preset: beattie-30, inParent: 1d }'),
    );
    expect(loadPolicies(files).teams.get('infra')?.tiers[0]?.wait).toEqual({ seen: 30 * DAY, inParent: DAY });
    expect(WAIT_PRESETS.map(({ name, seen }) => `${name} ${seen}`)).toEqual([
      'beattie-10 10d',
      'beattie-30 30d',
    ]);
  });

  it.each([
    [
      `{ preset: kernel, ${REASON} }`,
      'there is no preset "kernel" here',
      'Use one of: kernel-space, services.',
    ],
    [`{ preset: beattie-10, ${REASON} }`, 'there is no preset "beattie-10" here', 'Use one of: kernel-space'],
    [
      `{ preset: services, match: ^x$, ${REASON} }`,
      'holds[0].match must not stand beside preset',
      'under add',
    ],
    [`{ preset: services, glob: x, ${REASON} }`, 'holds[0].glob must not stand beside preset', 'under add'],
    [
      `{ match: ^x$, add: [^y$], ${REASON} }`,
      'holds[0].add adds to a preset, and none is named',
      'Name the preset',
    ],
    [`{ preset: services, except: ["(?=x)"], ${REASON} }`, 'holds[0].except[0]', 'without look-around'],
    [`{ preset: services, except: [], ${REASON} }`, 'holds[0].except must be a list of 1 to 200', 'Correct'],
    [`{ except: [^x$], ${REASON} }`, 'holds[0] must say what it matches', 'Add preset'],
  ])('are not %s', (hold, message, hint) => {
    const [fault] = collectComplaints(inHolds(hold));
    expect(fault?.message).toContain(message);
    expect(fault?.hint).toContain(hint);
    expect(fault?.at).toMatch(/^policies\/teams\/infra\.yaml:\d+:\d+$/);
  });

  it.each([
    ['{ preset: beattie-20 }', 'there is no preset "beattie-20" here', 'beattie-10, beattie-30'],
    ['{ preset: services }', 'there is no preset "services" here', 'beattie-10, beattie-30'],
    ['{ preset: beattie-10, seen: 1d }', 'tiers.unstable.wait.seen must not stand beside preset', 'Keep one'],
  ])('are no wait: %s', (wait, message, hint) => {
    const [fault] = collectComplaints(
      team('').set(TEAM_FILE, TEAM.replace('wait: { seen: 2d }', `wait: ${wait}`)),
    );
    expect(`${fault?.message} ${fault?.hint}`).toContain(message);
    expect(fault?.hint).toContain(hint);
  });

  it('are warned of where an edit matches more than it seems to', () => {
    const policies = loadPolicies(inHolds(`{ preset: services, except: ["^mod_"], ${REASON} }`));
    expect(lintPolicies(policies).map((f) => f.message)).toContainEqual(
      expect.stringContaining('"^mod_" has no $'),
    );
  });

  it('are shown in full', () => {
    const shown = (name?: string, json = false): string => {
      let text = '';
      presets({ json, print: (more) => (text += more) }, name);
      return text;
    };
    expect(
      shown()
        .split('\n')
        .map((line) => line.split(' ')[0]),
    ).toEqual(['kernel-space', 'services', 'beattie-10', 'beattie-30', '']);
    for (const { match } of PACKAGE_PRESETS[0]?.patterns ?? [])
      expect(shown('kernel-space')).toContain(match);
    expect(shown('beattie-10')).toContain('10d');
    expect(JSON.parse(shown('services', true))).toEqual([PACKAGE_PRESETS[1]]);
    expect(() => shown('nope')).toThrow(/there is no preset "nope"/);
  });
});
