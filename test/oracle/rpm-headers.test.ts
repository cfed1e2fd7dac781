import { execFileSync, spawnSync } from 'node:child_process';
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { readRpm } from '../../src/rpm/header.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import { rpmBytes } from '../fixtures/rpmFile.ts';
import { HOSTILE_RPMS } from '../rpm/hostileRpms.ts';

const SETS = ['rpms-al2023', 'pgdg-signed-series', 'rpms-rpm-tests', 'rpms-rpm-rs'];
const UNCHECKED = ['-qp', '--nosignature', '--nodigest'];
const QUESTION =
  '%{NAME}|%{EPOCHNUM}|%{VERSION}|%{RELEASE}|%{ARCH}|%{SOURCERPM}|%{PAYLOADFORMAT}|%{PAYLOADCOMPRESSOR}|%{LONGSIZE}|%{BUILDTIME}\\n';

const folder = mkdtempSync(join(tmpdir(), 'sluice-rpm-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Our reading of a file, in the form of QUESTION; a source package's arch is rpm's business: where it was built. */
async function ours(path: string, rpmArch: string): Promise<string> {
  const file = await readRpm(createReadStream(path), path);
  const { name, evr, arch } = file.nevra;
  if (file.isSource) expect(arch).toBe('src');
  if (file.claimedSize !== undefined) expect(file.headerStart + file.claimedSize).toBe(statSync(path).size);
  return [
    name,
    evr.epoch,
    evr.version,
    evr.release,
    file.isSource ? rpmArch : arch,
    file.sourceRpm ?? '(none)',
    file.payloadFormat ?? '(none)',
    file.payloadCompressor ?? '(none)',
    file.installedSize,
    file.buildTime ?? '(none)',
  ].join('|');
}

/** The RPM files of a set of the corpus. */
function rpmsOf(set: string): string[] {
  return readdirSync(join(CORPUS ?? '', set), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.rpm'))
    .map((entry) => join(entry.parentPath, entry.name));
}

describe.skipIf(!CORPUS || !oracle('rpm'))('rpm reads the same in every package of', () => {
  it.each(SETS)('%s', async (set) => {
    const files = rpmsOf(set);
    expect(files.length).toBeGreaterThan(15);
    const out = execFileSync('rpm', [...UNCHECKED, '--qf', QUESTION, ...files], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
    const theirs = out.trimEnd().split('\n');
    expect(theirs).toHaveLength(files.length);
    const answers = await Promise.all(files.map((path, i) => ours(path, theirs[i]?.split('|')[4] ?? '')));
    expect(answers).toEqual(theirs);
  });
});

describe.skipIf(!CORPUS || !oracle('createrepo_c'))(
  'createrepo_c writes the same of every package of',
  () => {
    it.each(SETS)('%s', { timeout: 60_000 }, async (set) => {
      const out = join(folder, set);
      mkdirSync(out);
      execFileSync('createrepo_c', ['-q', '--no-database', '-o', out, join(CORPUS ?? '', set)], {
        stdio: 'pipe',
      });
      const repodata = join(out, 'repodata');
      const primary = readdirSync(repodata).find((name) => name.endsWith('primary.xml.gz')) ?? '';
      const elements = gunzipSync(readFileSync(join(repodata, primary)))
        .toString()
        .split('<package ')
        .slice(1);
      expect(elements.length).toBeGreaterThan(15);
      for (const element of elements) {
        const [, href = ''] = /<location href="([^"]*)"/.exec(element) ?? [];
        const path = join(CORPUS ?? '', set, href.replaceAll('&amp;', '&'));
        const {
          nevra,
          installedSize,
          buildTime,
          sourceRpm = '',
          headerStart,
          headerEnd,
        } = await readRpm(createReadStream(path), path);
        const { epoch, version, release } = nevra.evr;
        const expected = [
          `<name>${nevra.name}</name>`,
          `<arch>${nevra.arch}</arch>`,
          `<version epoch="${epoch}" ver="${version}" rel="${release}"/>`,
          ` installed="${installedSize}"`,
          ` build="${buildTime}"`,
          `<rpm:sourcerpm>${sourceRpm}</rpm:sourcerpm>`,
          `<rpm:header-range start="${headerStart}" end="${headerEnd}"/>`,
        ];
        for (const text of expected) expect(element).toContain(text);
      }
    });
  },
);

describe.skipIf(!oracle('rpm'))('rpm itself', () => {
  function rpmReads(name: string, bytes: Buffer): boolean {
    const path = join(folder, `${name.replaceAll(/[^a-z0-9]+/gi, '-')}.rpm`);
    writeFileSync(path, bytes);
    const { status, stdout } = spawnSync('rpm', [...UNCHECKED, '--qf', 'read', path], { encoding: 'utf8' });
    return status === 0 && stdout === 'read';
  }

  it('reads the package that the hostile ones are made from', async () => {
    expect(rpmReads('sound', rpmBytes().bytes)).toBe(true);
    const out = execFileSync('rpm', [...UNCHECKED, '--qf', QUESTION, join(folder, 'sound.rpm')], {
      encoding: 'utf8',
    });
    expect(`${await ours(join(folder, 'sound.rpm'), '')}\n`).toBe(out);
  });

  it.each(HOSTILE_RPMS)('$rpm $name', ({ name, bytes, rpm }) => {
    expect(rpmReads(name, bytes)).toBe(rpm === 'reads');
  });
});
