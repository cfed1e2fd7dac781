import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { codeOf, Fault } from '../base/fault.ts';
import { loadPolicies } from '../manifest/policy.ts';
import { armorSignatures } from '../openpgp/armor.ts';
import { judgeDetached, packetsOf } from '../openpgp/detached.ts';
import { openTrust, type Trust } from '../openpgp/trust.ts';
import { writeFileAtomic } from '../pool/disk.ts';
import type { CommitHistory } from './history.ts';
import type { Layout } from './layout.ts';

/** Makes a detached signature, armored or binary, by the key with a fingerprint, wherever that key is. `name`: of the document. SIGNING_FAILED. */
export type Signer = (fingerprint: string, document: Buffer, name: string) => Promise<Buffer>;

const SITE = 'policies/site.yaml';
const TIMEOUT = 120_000; // a person may have to touch a token
const MAX_SIGNATURE_BYTES = 1 << 16;

/** Whose signatures every repomd.xml and every statement must have: the site's `signing`, at one commit. */
export class Signing {
  readonly #keys: readonly { readonly fingerprint: string; readonly trust: Trust }[];
  readonly #signer: Signer | undefined;

  private constructor(keys: readonly { fingerprint: string; trust: Trust }[], signer: Signer | undefined) {
    this.#keys = keys;
    this.#signer = signer;
  }

  /** Undefined where the site does not sign. POLICY_INVALID for a key file that is not as the policy says. */
  static async of(
    history: CommitHistory,
    now: Date,
    signer: Signer | undefined,
  ): Promise<Signing | undefined> {
    const site = await history.readMany([SITE]);
    const { signing } = loadPolicies(site).site;
    if (signing.length === 0) return undefined;
    const texts = await history.readMany(signing.map(({ file }) => `policies/${file}`));
    const keys = await Promise.all(
      signing.map(async ({ file, fingerprint, subkeys }) => {
        const at = `policies/${file}`;
        const key = { text: texts.get(at), at, fingerprint, subkeys };
        return { fingerprint, trust: await openTrust({ required: true, allow: [], keys: [key] }, now) };
      }),
    );
    return new Signing(keys, signer);
  }

  /**
   * `<document>.asc` has a signature by each key. One that is there and holds is kept: gpg writes the time into it, so a new one
   * would change bytes for nothing. Written in one step: a client sees the old one or the new, over the same document.
   */
  async sign(document: string, layout: Layout): Promise<void> {
    const bytes = await readFile(document);
    const path = `${document}.asc`;
    const present = await bytesOf(path);
    if (present && (await this.lacking(bytes, present)).length === 0) return;
    if (!this.#signer) throw new Error('the site signs, and no signer was handed down');
    const packets: Buffer[] = [];
    const name = basename(document);
    for (const { fingerprint, trust } of this.#keys) {
      const made = await packetsOf(await this.#signer(fingerprint, bytes, name), path);
      const verdict = await judgeDetached(bytes, made, trust.keys, trust.rules, path);
      if (verdict.kind === 'refused') {
        throw failed(name, fingerprint, `what was made does not count: ${verdict.why}`);
      }
      packets.push(made);
    }
    await writeFileAtomic(path, await armorSignatures(packets), { mirrorRoot: layout.root, mode: 0o444 });
  }

  /** Keys whose signature is not there or does not count. */
  async lacking(document: Buffer, signature: Buffer): Promise<string[]> {
    const lacking: string[] = [];
    for (const { fingerprint, trust } of this.#keys) {
      try {
        const verdict = await judgeDetached(document, signature, trust.keys, trust.rules, 'a signature');
        if (verdict.kind === 'refused') lacking.push(fingerprint);
      } catch (cause) {
        if (!(cause instanceof Fault)) throw cause;
        lacking.push(fingerprint);
      }
    }
    return lacking;
  }
}

export function repomdPath(tree: string): string {
  return join(tree, 'repodata', 'repomd.xml');
}

/**
 * gpg with its agent; or, where the environment has SLUICE_SIGNER, that program: it is started with the fingerprint as its one
 * argument, reads the document and writes the signature. It comes from the mirror's own environment and never from git: whoever
 * edits a policy must not choose what runs here.
 */
export function signerOf(env: Readonly<Record<string, string | undefined>>): Signer {
  const own = env['SLUICE_SIGNER'];
  return async (fingerprint, document, name) => {
    const gpg = [
      'gpg',
      '--batch',
      '--no-tty',
      '--local-user',
      fingerprint,
      '--digest-algo',
      'SHA256',
      '--detach-sign',
    ];
    const [command, ...args] = own === undefined ? gpg : [own, fingerprint];
    const fault = (why: string, cause?: unknown) => failed(name, fingerprint, why, cause);
    return await run([command as string, ...args], document, env, fault);
  };
}

function run(
  [command = '', ...args]: readonly string[],
  input: Buffer,
  env: Readonly<Record<string, string | undefined>>,
  fault: (why: string, cause?: unknown) => Fault,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'pipe', timeout: TIMEOUT, env: { ...env } });
    const out: Buffer[] = [];
    let said = '';
    let bytes = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_SIGNATURE_BYTES) out.push(chunk);
      else child.kill();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.slice(-2_000);
    });
    child.on('error', (cause) => reject(fault(`${command} cannot be started`, cause)));
    child.on('close', (status, signal) => {
      if (status === 0) return resolve(Buffer.concat(out));
      const last = said.trim().split('\n').at(-1) ?? '';
      reject(fault(`${command} ended with ${status ?? signal}${last ? `: ${last}` : ''}`));
    });
    child.stdin.on('error', () => {}); // a signer that does not read says so by its status
    child.stdin.end(input);
  });
}

function failed(name: string, fingerprint: string, why: string, cause?: unknown): Fault {
  return new Fault('SIGNING_FAILED', `${name} was not signed by ${fingerprint}: ${why}`, {
    hint: 'Unlock the key (gpg --list-secret-keys, gpg-agent), or set SLUICE_SIGNER, then publish again.',
    cause,
  });
}

async function bytesOf(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined;
    throw cause;
  }
}
