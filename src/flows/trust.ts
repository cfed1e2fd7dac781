import type { KeyReference, SignatureRule, UpstreamPolicy } from '../manifest/policy.ts';
import { openTrust, type Trust } from '../openpgp/trust.ts';
import type { State } from './state.ts';

/** Whose signatures count for an upstream's packages or its repomd.xml: keys and policy are those of one commit. */
export async function trustOf(
  state: Pick<State, 'files'>,
  upstream: UpstreamPolicy,
  what: 'packages' | 'metadata',
  now: Date,
): Promise<Trust> {
  const rule: SignatureRule = upstream[what];
  const required = rule.signatures === 'required';
  return await open(state, required, rule.allow, required ? upstream.keys : [], now);
}

/** Whose signatures our own repomd.xml must have. */
export async function siteTrust(state: Pick<State, 'files' | 'policies'>): Promise<Trust> {
  const { signing } = state.policies.site;
  return await open(state, signing.length > 0, [], signing, new Date(0));
}

/** Whose signature main's tip must have before it is published. */
export async function mainTrust(state: Pick<State, 'files' | 'policies'>, now: Date): Promise<Trust> {
  const { mainSignedBy } = state.policies.site;
  return await open(state, mainSignedBy.length > 0, [], mainSignedBy, now);
}

async function open(
  state: Pick<State, 'files'>,
  required: boolean,
  allow: SignatureRule['allow'],
  keys: readonly KeyReference[],
  now: Date,
): Promise<Trust> {
  const texts = keys.map(({ file, fingerprint, subkeys }) => {
    const at = `policies/${file}`;
    return { text: state.files.get(at), at, fingerprint, subkeys };
  });
  return await openTrust({ required, allow, keys: texts }, now);
}
