import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Fault } from '../base/fault.ts';
import { readKeys } from '../openpgp/keys.ts';
import { openSource } from '../upstream/source.ts';
import type { World } from './context.ts';
import type { VendorKey } from './distro-table.ts';

const MAX_KEY_BYTES = 1 << 20;
const ARMOR = '-----BEGIN PGP PUBLIC KEY BLOCK-----';
/** One try: whoever is offline adds the files later. */
const ONCE = { attempts: 1, connect: 10_000 };

/** The keys in files that a person named, and the files' texts by name. */
export async function keysFrom(
  paths: readonly string[],
): Promise<{ keys: VendorKey[]; files: Map<string, string> }> {
  const keys: VendorKey[] = [];
  const files = new Map<string, string>();
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch((cause: unknown) => {
      throw usage(`the key file ${path} cannot be read`, 'Name an armored public key.', cause);
    });
    const file = basename(path);
    if (!/^[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$/.test(file) || files.has(file)) {
      throw usage(
        `the key file ${path} has a name that cannot be used`,
        'Copy it to a plain name of its own.',
      );
    }
    if (!text.includes(ARMOR)) throw usage(`${path} is not an armored key`, 'Use gpg --armor --export.');
    const primaries = new Set((await readKeys(Buffer.from(text), path)).map((key) => key.primary));
    if (primaries.size === 0)
      throw usage(`${path} has no key that can sign`, 'Name the vendor\u2019s public key.');
    files.set(file, text);
    for (const fingerprint of primaries) keys.push({ file, fingerprint, from: 'given to sluice init' });
  }
  return { keys, files };
}

/**
 * The key files of known distributions, from their vendors. Each must hold the fingerprint that Sluice knows, so it does not matter
 * who answers. What cannot be had is said, and left out: sync stops until somebody commits it.
 */
export async function fetchKeys(world: World, keys: readonly VendorKey[]): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const byFile = new Map<string, VendorKey[]>();
  for (const key of keys) byFile.set(key.file, [...(byFile.get(key.file) ?? []), key]);
  for (const [file, wanted] of byFile) {
    const [{ from }] = wanted as [VendorKey];
    try {
      const text = await download(world, new URL(from));
      const found = new Set((await readKeys(Buffer.from(text), from)).map((key) => key.primary));
      const lacking = wanted.filter(({ fingerprint }) => !found.has(fingerprint));
      if (!text.includes(ARMOR) || lacking.length > 0)
        throw usage('it does not hold the key that is known', '');
      files.set(file, text);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      world.progress.say(`the key ${file} could not be had from ${from}: ${error.message}`);
      world.progress.say(
        `fetch it, compare ${wanted.map((k) => k.fingerprint).join(', ')}, commit it as policies/keys/${file}`,
      );
    }
  }
  return files;
}

async function download(world: World, url: URL): Promise<string> {
  await using source = await openSource({ bases: [url], env: world.env, timing: ONCE });
  const read = await source.read(url, { maxBytes: MAX_KEY_BYTES });
  return read.kind === 'bytes' ? read.bytes.toString('utf8') : '';
}

function usage(message: string, hint: string, cause?: unknown): Fault {
  return new Fault('USAGE', message, { hint, cause });
}
