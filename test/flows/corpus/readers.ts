import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tempDir } from '../../fixtures/tempDir.ts';

const run = promisify(execFile);
const OPTIONS = { maxBuffer: 1 << 28 } as const;

/** What a reader sees: `<repository id> <name>-<epoch>:<version>-<release>.<arch> <checksum in hex>`, sorted. */
export type Reader = (publicDir: string, ids: readonly string[]) => Promise<string[]>;

/** Every build that dnf sees in these repositories, by one question. */
export async function dnfSees(publicDir: string, ids: readonly string[]): Promise<string[]> {
  const root = await tempDir();
  const { stdout } = await run(
    'dnf',
    [
      '-q',
      `--installroot=${root}`,
      '--setopt=reposdir=/nowhere',
      `--setopt=cachedir=${root}/cache`,
      '--setopt=module_platform_id=platform:el9',
      '--releasever=9',
      '--forcearch=x86_64',
      '--disableplugin=*',
      ...ids.flatMap((id) => [`--repofrompath=${id},file://${publicDir}/${id}`, `--repo=${id}`]),
      'repoquery',
      '--disable-modular-filtering',
      '--show-duplicates',
      '--qf',
      '%{repoid} %{name}-%{epoch}:%{version}-%{release}.%{arch} %{chksum}',
    ],
    OPTIONS,
  );
  const lines = stdout.split('\n').filter(Boolean);
  return lines
    .map((line) => line.replace(/\(\d+, b(['"])(.*)\1\)$/, (_, _quote, text) => hexOf(text)))
    .sort();
}

const ESCAPED: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r' };

/** dnf prints checksums as Python writes bytes: `\xe9\x93D\x12`. */
function hexOf(text: string): string {
  const bytes = text.replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex?: string, letter = '') =>
    hex === undefined ? (ESCAPED[letter] ?? letter) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1').toString('hex');
}

/** The same by libsolv alone, which takes every arch. */
export async function libsolvSees(publicDir: string, ids: readonly string[]): Promise<string[]> {
  const seen: string[] = [];
  for (const id of ids) {
    const repodata = join(publicDir, id, 'repodata');
    const primary = readdirSync(repodata).find((name) => name.includes('primary.xml')) ?? 'no primary';
    const unpack = primary.endsWith('.zst') ? 'zstdcat' : 'zcat';
    const pipe = `set -o pipefail; ${unpack} "$1" | rpmmd2solv | dumpsolv`;
    const { stdout } = await run('bash', ['-c', pipe, '-', join(repodata, primary)], OPTIONS);
    for (const solvable of stdout.split(/^solvable \d+/m).slice(1)) {
      const field = (name: string) => new RegExp(`^solvable:${name}: (.*)$`, 'm').exec(solvable)?.[1] ?? '';
      const evr = field('evr');
      const hex = field('checksum').split(' ')[0];
      seen.push(`${id} ${field('name')}-${/^\d+:/.test(evr) ? evr : `0:${evr}`}.${field('arch')} ${hex}`);
    }
  }
  return seen.sort();
}
