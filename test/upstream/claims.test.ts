import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readChunks } from '../../src/pool/disk.ts';
import { identify } from '../../src/repodata/primary.ts';
import { openRpm } from '../../src/rpm/header.ts';
import { unfoundedClaims } from '../../src/upstream/claims.ts';
import { CORPUS } from '../fixtures/oracle.ts';
import { document, elementsOf, repomdOf } from '../fixtures/repodata.ts';

async function packagesOf(path: string) {
  const folder = join(CORPUS ?? '', path);
  const elements = await elementsOf(
    document(folder, repomdOf(folder), 'primary') ?? Buffer.alloc(0),
    'package',
    path,
  );
  const found = elements.map((element) => ({ element, file: join(folder, identify(element, path).href) }));
  return found.filter(({ file }) => existsSync(file));
}

async function claimsOf(element: Buffer, file: string): Promise<string | undefined> {
  const rpm = await openRpm(readChunks(file), file);
  await rpm.close();
  return unfoundedClaims(element, rpm.header, file);
}

describe.skipIf(!CORPUS)('what metadata says of packages', () => {
  it.each([
    ['pgdg-signed-series/v3', 118],
    ['rpms-al2023', 18],
  ])('%s: createrepo_c says nothing that the packages do not', async (path, packages) => {
    const all = await packagesOf(path);
    expect(all).toHaveLength(packages);
    for (const { element, file } of all)
      expect([file, await claimsOf(element, file)]).toEqual([file, undefined]);
  });

  it.each([
    ['provides', 'glibc', 'provides "glibc"'],
    ['requires', 'trojan', 'requires "trojan"'],
    ['obsoletes', 'openssl', 'obsoletes "openssl"'],
    ['conflicts', 'sudo', 'conflicts with "sudo"'],
  ])('%s that are only in the metadata are found', async (kind, name, says) => {
    for (const { element, file } of (await packagesOf('pgdg-signed-series/v1')).slice(0, 10)) {
      const text = element.toString();
      const entry = `<rpm:entry name="${name}" flags="EQ" epoch="0" ver="1" rel="1"/>`;
      const close = `</rpm:${kind}>`;
      const forged = text.includes(close)
        ? text.replace(close, `${entry}${close}`)
        : text.replace('</format>', `<rpm:${kind}>${entry}${close}</format>`);
      expect(await claimsOf(Buffer.from(forged), file)).toBe(
        `the metadata says that it ${says}, and the package itself does not`,
      );
    }
  });

  it('another version of what is there is found', async () => {
    const [one] = (await packagesOf('pgdg-signed-series/v1')).filter(({ element }) =>
      /flags="GE"/.test(element.toString()),
    );
    const forged = one?.element
      .toString()
      .replace(/flags="GE" epoch="0" ver="[^"]*"/, 'flags="GE" epoch="0" ver="9999"');
    expect(await claimsOf(Buffer.from(forged ?? ''), one?.file ?? '')).toMatch(
      /^the metadata says that it (requires|provides) /,
    );
  });
});
