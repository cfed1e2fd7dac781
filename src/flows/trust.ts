import type { SignatureRule, UpstreamPolicy } from '../manifest/policy.ts';
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
  const keys = required ? upstream.keys : [];
  return await openTrust(
    {
      required,
      allow: rule.allow,
      keys: keys.map(({ file, fingerprint, subkeys }) => {
        const at = `policies/${file}`;
        return { text: state.files.get(at), at, fingerprint, subkeys };
      }),
    },
    now,
  );
}
