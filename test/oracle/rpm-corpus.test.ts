import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { formatNevra, type Nevra, nevra, parseNevra } from '../../src/rpm/nevra.ts';
import { CORPUS } from '../fixtures/oracle.ts';

const IDENTITY = /<name>([^<]*)<\/name>\s*<arch>([^<]*)<\/arch>\s*<version ([^>]*)\/>/g;

function filesBelow(folder: string, name: RegExp): string[] {
  return readdirSync(join(CORPUS ?? '', folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

function open(path: string): string {
  const bytes = readFileSync(path);
  if (path.endsWith('.gz')) return gunzipSync(bytes).toString();
  return (path.endsWith('.zst') ? zstdDecompressSync(bytes) : bytes).toString();
}

/** Every identity in a primary.xml, through the checks. */
function identities(path: string): Nevra[] {
  return [...open(path).matchAll(IDENTITY)].map(([, name = '', arch = '', version = '']) => {
    const value = (key: string): string | undefined => new RegExp(`\\b${key}="([^"]*)"`).exec(version)?.[1];
    return nevra(
      { name, arch, epoch: value('epoch'), version: value('ver') ?? '', release: value('rel') ?? '' },
      path,
    );
  });
}

describe.skipIf(!CORPUS)('real data passes the checks of names, and is read back as written:', () => {
  it('every package of every repository', { timeout: 60_000 }, () => {
    const builds = filesBelow('.', /primary\.xml(\.gz|\.zst)?$/).flatMap(identities);
    expect(builds.length).toBeGreaterThan(40_000);
    for (const build of builds) expect(parseNevra(formatNevra(build))).toEqual(build);
  });

  it('every package installed on the hosts of the fleet', () => {
    const rows = filesBelow('fleet', /\.tsv$/).flatMap((path) => {
      const [head = '', ...lines] = readFileSync(path, 'utf8').trimEnd().split('\n');
      const keys = head.split('\t');
      return lines.map((line) => Object.fromEntries(line.split('\t').map((value, i) => [keys[i], value])));
    });
    let builds = 0;
    for (const row of rows) {
      if (!row['version'] || !row['arch'] || row['name'] === 'gpg-pubkey') continue;
      const epoch = row['epoch'] === '(none)' ? undefined : row['epoch'];
      const build = nevra({
        ...(row as { name: string; version: string; release: string; arch: string }),
        epoch,
      });
      expect(parseNevra(formatNevra(build))).toEqual(build);
      builds += 1;
    }
    expect(builds).toBeGreaterThan(1_500);
  });

  it('every artifact of the module documents', () => {
    const artifacts = [
      ...filesBelow('modules', /\.yaml$/),
      ...filesBelow('centos-9-appstream-2025-01', /modules\.yaml/),
    ]
      .flatMap((path) => [...open(path).matchAll(/^ +- ([^ ]+-[0-9]+:[^ ]+\.[a-z0-9_]+)$/gm)])
      .map(([, text = '']) => text);
    expect(artifacts.length).toBeGreaterThan(1_000);
    for (const text of artifacts) expect(formatNevra(parseNevra(text))).toBe(text.replace(/-0:/, '-'));
  });
});
