import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createMessage, readKeys as openKeys, readSignature, verify } from 'openpgp';
import { describe, expect, it } from 'vitest';
import { judge } from '../../src/openpgp/judge.ts';
import { readKeys } from '../../src/openpgp/keys.ts';
import { examinePackage } from '../../src/openpgp/package.ts';
import { evidenceOf } from '../../src/rpm/evidence.ts';
import { openRpm } from '../../src/rpm/header.ts';
import { CORPUS } from '../fixtures/oracle.ts';

const TESTS = 'rpms-rpm-tests';
const RS = 'rpms-rpm-rs/tests/assets';

function corpus(path: string): string {
  return join(CORPUS ?? '', path);
}

function open(path: string): AsyncIterable<Buffer> {
  return createReadStream(corpus(path)) as AsyncIterable<Buffer>;
}

async function verdict(
  file: string,
  keyFile: string,
  o: { allow?: ('md5' | 'sha1' | 'expired')[]; now?: string; only?: string[] } = {},
) {
  const keys = await readKeys(readFileSync(corpus(keyFile)), keyFile);
  const examined = await examinePackage(open(file), keys, file);
  return judge(examined, { allow: new Set(o.allow ?? []), now: new Date(o.now ?? '2026-11-21') });
}

const WITH_SUBKEY = `${TESTS}/RPMS/hello-2.0-1.x86_64-signed-with-subkey.rpm`;

describe.skipIf(!CORPUS)('what a policy says of a package', () => {
  it('signed by a bound subkey', async () => {
    const said = await verdict(WITH_SUBKEY, `${TESTS}/keys/alice.asc`);
    expect(said).toMatchObject({
      kind: 'signed',
      by: [{ primary: 'B6542F92F30650C36B6F41BCB3A771BFEB04E625' }],
    });
  });

  it('signed by a revoked subkey: never, whatever is allowed', async () => {
    const said = await verdict(WITH_SUBKEY, `${TESTS}/keys/alice-revoked-subkey.asc`, { allow: ['expired'] });
    expect(said).toEqual({
      kind: 'refused',
      why: 'it is signed by subkey 1F71177215217EE0 of B6542F92F30650C36B6F41BCB3A771BFEB04E625, which is revoked',
    });
  });

  it('signed by a subkey that has expired: by the day, and by what is allowed', async () => {
    const key = `${TESTS}/keys/alice-expired-subkey.asc`;
    expect(await verdict(WITH_SUBKEY, key)).toEqual({
      kind: 'refused',
      why: 'it is signed by subkey 1F71177215217EE0 of B6542F92F30650C36B6F41BCB3A771BFEB04E625, which expired on 2022-04-12',
    });
    expect(await verdict(WITH_SUBKEY, key, { allow: ['expired'] })).toMatchObject({ kind: 'signed' });
    expect(await verdict(WITH_SUBKEY, key, { now: '2022-04-11' })).toMatchObject({ kind: 'signed' });
  });

  it.each([
    [`${TESTS}/RPMS/hello-2.0-1.x86_64.rpm`, 'it is not signed'],
    [`${TESTS}/RPMS/hello-2.0-1.x86_64-corrupted.rpm`, 'its digest does not hold (Payload SHA256)'],
    [
      WITH_SUBKEY,
      'it is signed by 43253A62850DFADCACD423F11F71177215217EE0, which is not a key of the policy',
    ],
  ])('%s', async (file, why) => {
    const said = await verdict(file, `${TESTS}/keys/rpm.org-rsa-2048-test.pub`);
    expect(said).toEqual({ kind: 'refused', why });
  });

  it.each([
    ['rpm-basic-with-ed25519', 'rpm-testkey-v6-ed25519'],
    ['rpm-basic-with-rsa4k', 'rpm-testkey-v6-rsa4k'],
    ['rpm-basic-multiple-signatures', 'rpm-testkey-v6-ed25519'], // one of two keys is known: enough
  ])('version 6: %s, as openpgp.js verifies it', async (name, key) => {
    const file = `${RS}/RPMS/v6/signed/${name}-2.3.4-5.el9.noarch.rpm`;
    const keyFile = `${RS}/signing_keys/v6/${key}.asc`;
    expect(await verdict(file, keyFile)).toMatchObject({ kind: 'signed' });

    const rpm = await openRpm(open(file), file);
    await rpm.close();
    const certificates = await openKeys({ armoredKeys: readFileSync(corpus(keyFile), 'latin1') });
    const held: boolean[] = [];
    for (const { packets } of evidenceOf(rpm, file).signatures) {
      const { signatures } = await verify({
        message: await createMessage({ binary: new Uint8Array(rpm.headerBytes) }),
        signature: await readSignature({ binarySignature: new Uint8Array(packets) }),
        verificationKeys: certificates,
      });
      for (const { verified } of signatures) held.push(await verified.then(Boolean, () => false));
    }
    expect(held).toContain(true);
  });

  it('the content digest is the same however a file was signed', async () => {
    const contents = await Promise.all(
      ['', '-signed', '-v3-signed', '-signed-with-subkey'].map(async (how) => {
        const file = `${TESTS}/RPMS/hello-2.0-1.x86_64${how}.rpm`;
        return (await examinePackage(open(file), [], file)).content;
      }),
    );
    expect(new Set(contents).size).toBe(1);
  });
});
