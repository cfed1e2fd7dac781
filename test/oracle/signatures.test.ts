import { spawnSync } from 'node:child_process';
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fault } from '../../src/base/fault.ts';
import { judgeDetached } from '../../src/openpgp/detached.ts';
import { judge } from '../../src/openpgp/judge.ts';
import { readKeys, type SigningKey } from '../../src/openpgp/keys.ts';
import { examinePackage } from '../../src/openpgp/package.ts';
import { evidenceOf } from '../../src/rpm/evidence.ts';
import { openRpm } from '../../src/rpm/header.ts';
import { CORPUS } from '../fixtures/oracle.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { chooser } from '../fixtures/versions.ts';

type Word = 'signed' | 'unsigned' | 'refused';

/** Everything that only a policy refuses is let pass: rpm 4.18 has no opinion on hashes, ends and revocations. */
const LENIENT = { allow: new Set(['md5', 'sha1', 'expired'] as const), now: new Date('2026-01-01') };

function filesBelow(folder: string, name: RegExp): string[] {
  return readdirSync(join(CORPUS ?? '', folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function short(path: string): string {
  return relative(CORPUS ?? '/', path);
}

async function ours(path: string, keys: readonly SigningKey[]): Promise<{ word: Word; why: string }> {
  try {
    const source = createReadStream(path) as AsyncIterable<Buffer>;
    const verdict = judge(await examinePackage(source, keys, path), LENIENT);
    if (verdict.kind === 'signed') return { word: 'signed', why: '' };
    return { word: verdict.why === 'it is not signed' ? 'unsigned' : 'refused', why: verdict.why };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { word: 'refused', why: error.message };
  }
}

/** A private database with these keys, and what rpmkeys says of files by it. */
function rpmkeys(dir: string, keyFiles: readonly string[]) {
  mkdirSync(dir, { recursive: true });
  const imported = keyFiles.filter(
    (file) => spawnSync('rpmkeys', ['--dbpath', dir, '--import', file]).status === 0,
  );
  const check = (files: readonly string[]): Map<string, Word> => {
    const { stdout } = spawnSync('rpmkeys', ['--dbpath', dir, '--checksig', ...files], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
      maxBuffer: 1 << 28,
    });
    const said = new Map<string, Word>(files.map((file) => [file, 'refused'])); // not an RPM file: said on stderr
    for (const line of stdout.split('\n')) {
      // Of a file with a broken header it says the name alone, without an end of line.
      const [, file = '', words = ''] =
        /(\/[^:]*): ((?:digests|DIGESTS|signatures|SIGNATURES).*)$/.exec(line) ?? [];
      if (file)
        said.set(file, /NOT OK/.test(words) ? 'refused' : /signatures/.test(words) ? 'signed' : 'unsigned');
    }
    return said;
  };
  return { imported, check };
}

/** Whether gpg, with one key file, takes the signatures of the header. */
async function gpgTakes(dir: string, keyFile: string, path: string): Promise<boolean> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  gpg(dir, '--import', keyFile);
  const rpm = await openRpm(createReadStream(path) as AsyncIterable<Buffer>, path);
  await rpm.close();
  const signature = evidenceOf(rpm, path).signatures.find(({ over }) => over === 'header');
  if (!signature) return false;
  writeFileSync(join(dir, 'header'), rpm.headerBytes);
  writeFileSync(join(dir, 'header.sig'), signature.packets);
  return gpg(dir, '--verify', join(dir, 'header.sig'), join(dir, 'header')).status === 0;
}

/** What was made to be odd is tried with every key; what vendors made, with two sets. */
const ODD = CORPUS
  ? [...filesBelow('rpms-rpm-tests', /\.rpm(-v3)?$/), ...filesBelow('rpms-rpm-rs', /\.rpm$/)]
  : [];
const USUAL = CORPUS
  ? [...filesBelow('rpms-al2023', /\.rpm$/), ...filesBelow('pgdg-signed-series', /\.rpm$/)]
  : [];
const FOR_USUAL = new Set(['rpms-al2023/RPM-GPG-KEY', 'keys/postgresql']);

function keySets(): Map<string, string[]> {
  const single = [
    ...filesBelow('rpms-rpm-tests/keys', /\.(asc|pub)$/),
    ...filesBelow('rpms-rpm-rs', /\.asc$|KEY-pmanager$/),
    ...filesBelow('rpms-al2023', /^RPM-GPG-KEY$/),
  ];
  return new Map([
    ...single.map((file): [string, string[]] => [short(file), [file]]),
    ['keys/postgresql', filesBelow('keys/postgresql', /./)],
    ['no key', []],
  ]);
}

/** Where we differ on purpose: test/oracle/signatures.md. */
const DEVIATIONS = {
  'header without a region': (o: Asked) => /region/.test(o.why) && o.path.endsWith('.rpm-v3'),
  'signatures of rpm 6': (o: Asked) => o.path.includes('/v6/signed/') && o.rpm === 'unsigned',
  'key that rpm cannot import': (o: Asked) => !o.imported && o.rpm === 'refused' && o.ours === 'signed',
};

interface Asked {
  readonly path: string;
  readonly keyFile: string | undefined;
  readonly imported: boolean;
  readonly rpm: Word;
  readonly ours: Word;
  readonly why: string;
}

async function readAll(files: readonly string[]): Promise<SigningKey[]> {
  const keys: SigningKey[] = [];
  for (const file of files) {
    try {
      keys.push(...(await readKeys(readFileSync(file), file)));
    } catch (error) {
      if (!(error instanceof Fault)) throw error; // ML-DSA keys, and collisions' sources that are no keys
    }
  }
  return keys;
}

describe.skipIf(!CORPUS)('rpmkeys and Sluice say the same', () => {
  it('of every RPM file of the corpus, with every key of the corpus', { timeout: 300_000 }, async () => {
    const dir = await tempDir();
    expect([ODD.length, USUAL.length]).toEqual([62, 254]);
    const asked: Asked[] = [];
    for (const [name, keyFiles] of keySets()) {
      const peer = rpmkeys(join(dir, name), keyFiles);
      const files = FOR_USUAL.has(name) ? [...ODD, ...USUAL] : ODD;
      const theirs = peer.check(files);
      const keys = await readAll(keyFiles);
      for (const path of files) {
        const { word, why } = await ours(path, keys);
        const imported = peer.imported.length === keyFiles.length;
        asked.push({ path, keyFile: keyFiles[0], imported, rpm: theirs.get(path) as Word, ours: word, why });
      }
    }
    const differing = asked.filter((o) => o.rpm !== o.ours);
    const reasons = Object.entries(DEVIATIONS);
    const unexplained = differing.filter((o) => !reasons.some(([, explains]) => explains(o)));
    expect(unexplained).toEqual([]);
    for (const [reason, explains] of reasons)
      expect(differing.filter(explains).length, reason).toBeGreaterThan(0);
    expect(asked.filter((o) => o.rpm === 'signed' && o.ours === 'signed').length).toBeGreaterThan(100);

    const settled = differing.filter(DEVIATIONS['key that rpm cannot import']);
    for (const [n, { keyFile = '', path }] of settled.entries()) {
      if (OF_NO_GPG.test(keyFile)) continue;
      expect(await gpgTakes(join(dir, `gpg-${n}`), keyFile, path), `${short(keyFile)} ${short(path)}`).toBe(
        true,
      );
    }
  });
});

/** gpg 2.2 does not take what a subkey that has expired since has signed; whether Sluice does is for the policy to say. */
const OF_NO_GPG = /alice-expired-subkey/;

/** Files whose every byte is covered by something, and the key that signed them. */
const FLIPPED = [
  ['rpms-rpm-tests/RPMS/hello-2.0-1.x86_64-signed.rpm', 'rpms-rpm-tests/keys/rpm.org-rsa-2048-test.pub'],
  ['rpms-rpm-tests/RPMS/hello-2.0-1.x86_64-v3-signed.rpm', 'rpms-rpm-tests/keys/rpm.org-rsa-2048-test.pub'],
  [
    'rpms-rpm-rs/tests/assets/RPMS/v4/signed/rpm-basic-with-ed25519-2.3.4-5.el9.noarch.rpm',
    'rpms-rpm-rs/tests/assets/signing_keys/v4/rpm-testkey-v4-ed25519.asc',
  ],
  ['rpms-rpm-tests/RPMS/hello-2.0-1.x86_64.rpm', 'rpms-rpm-tests/keys/rpm.org-rsa-2048-test.pub'],
] as const;

describe.skipIf(!CORPUS)('rpmkeys and Sluice say the same of one wrong byte', () => {
  it.each(FLIPPED)('in %s', { timeout: 120_000 }, async (file, keyFile) => {
    const dir = await tempDir();
    const bytes = readFileSync(join(CORPUS ?? '', file));
    const next = chooser(file.length);
    const offsets = Array.from({ length: 200 }, () => next(bytes.length));
    const files = offsets.map((offset, n) => {
      const wrong = Buffer.from(bytes);
      wrong.writeUInt8(wrong.readUInt8(offset) ^ (1 << (n % 8)), offset);
      const path = join(dir, `${n}.rpm`);
      writeFileSync(path, wrong);
      return { path, offset };
    });
    const key = join(CORPUS ?? '', keyFile);
    const theirs = rpmkeys(join(dir, 'db'), [key]).check(files.map(({ path }) => path));
    const keys = await readAll([key]);
    const differing: unknown[] = [];
    let refused = 0;
    for (const { path, offset } of files) {
      const { word, why } = await ours(path, keys);
      if (word === 'refused') refused += 1;
      // Stricter is right: what reads oddly is refused. Never more lenient, and never another word.
      if (word !== theirs.get(path) && word !== 'refused')
        differing.push({ offset, word, why, rpm: theirs.get(path) });
    }
    expect(differing).toEqual([]);
    expect(refused).toBeGreaterThan(70);
  });
});

/** What gpg says of a detached signature, by its status lines (doc/DETAILS): of several signatures the best. */
function gpgSays(dir: string, signature: string, document: string): string {
  const { stdout } = gpg(dir, '--status-fd', '1', '--verify', signature, document);
  const found = ['BADSIG', 'GOODSIG', 'EXPKEYSIG', 'REVKEYSIG', 'EXPSIG', 'NO_PUBKEY', 'NODATA'];
  return found.find((word) => stdout.includes(`[GNUPG:] ${word} `)) ?? 'nothing';
}

function gpg(dir: string, ...args: string[]) {
  return spawnSync('gpg', ['--homedir', dir, '--batch', '--no-autostart', ...args], { encoding: 'utf8' });
}

describe.skipIf(!CORPUS)('gpg and Sluice say the same of repomd.xml', () => {
  const pairs = CORPUS ? filesBelow('.', /^repomd\.xml\.asc$/) : [];
  const keyFiles = CORPUS
    ? [
        ...filesBelow('keys/postgresql', /./),
        ...filesBelow('.', /^(repomd\.xml\.key|gpgkey\.pub)$/),
        ...filesBelow('keys/opensuse', /./),
      ]
    : [];
  let home: string;
  let keys: SigningKey[];

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'sluice-gpg-'));
    gpg(home, '--import', ...keyFiles);
    keys = await readAll(keyFiles);
  }, 60_000);
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  it('has pairs to ask about', () => expect(pairs.length).toBe(14));

  it.each(pairs.map(short))('%s', async (path) => {
    const dir = await tempDir();
    const signature = join(CORPUS ?? '', path);
    const document = signature.replace(/\.asc$/, '');
    const said = gpgSays(home, signature, document);
    const ask = async (allow: ReadonlySet<'expired' | 'sha1'>, bytes = readFileSync(document)) =>
      await judgeDetached(bytes, readFileSync(signature), keys, { allow, now: new Date('2026-11-21') }, path);
    const strict = await ask(new Set());
    expect(strict.kind, said).toBe(said === 'GOODSIG' ? 'signed' : 'refused');
    if (said === 'EXPKEYSIG') expect((await ask(new Set(['expired', 'sha1']))).kind).toBe('signed');
    else
      expect(strict).toMatchObject(
        said === 'GOODSIG' ? {} : { why: expect.stringMatching(/not a key of the policy/) },
      );

    const wrong = Buffer.from(readFileSync(document));
    wrong.writeUInt8(wrong.readUInt8(wrong.length >> 1) ^ 1, wrong.length >> 1);
    writeFileSync(join(dir, 'repomd.xml'), wrong);
    expect(gpgSays(home, signature, join(dir, 'repomd.xml'))).toMatch(/BADSIG|NO_PUBKEY/);
    expect((await ask(new Set(['expired']), wrong)).kind).toBe('refused');
  });
});
