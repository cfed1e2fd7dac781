import { createHash } from 'node:crypto';
import { Fault } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import type { Leniency, SignatureRules } from './judge.ts';
import { readKeys, type SigningKey } from './keys.ts';

/** Whose signatures count, and how strictly. */
export interface Trust {
  readonly required: boolean;
  readonly keys: readonly SigningKey[];
  readonly rules: SignatureRules;
  /** Of all of it but the time: what was judged by other rules is judged anew. */
  readonly digest: string;
}

/** What a policy says of signatures. */
export interface TrustPolicy {
  readonly required: boolean;
  readonly allow: readonly Leniency[];
  readonly keys: readonly {
    /** The key file's text, and its name in faults. */
    readonly text: string | undefined;
    readonly at: string;
    readonly fingerprint: string;
    readonly subkeys?: readonly string[] | undefined;
  }[];
}

/** Nobody's signature is asked for. Digests still have to hold. */
export function noTrust(now: Date): Trust {
  return { required: false, keys: [], rules: { allow: new Set(), now }, digest: digestOf(['none']) };
}

/** POLICY_INVALID for a key file that is not there or does not hold the key that the policy names: the fingerprint decides. */
export async function openTrust(policy: TrustPolicy, now: Date): Promise<Trust> {
  const keys: SigningKey[] = [];
  for (const { text, at, fingerprint, subkeys } of policy.keys) {
    if (text === undefined) {
      throw refused('the key file is not there', 'Commit it below policies/keys/.', at);
    }
    const found = await readKeys(Buffer.from(text, 'utf8'), at);
    const named = found.filter((key) => key.primary === fingerprint);
    if (named.length === 0) {
      const has = [...new Set(found.map((key) => key.primary))].join(', ') || 'no key that can sign';
      throw refused(
        `the key file does not hold ${fingerprint}, but ${has}`,
        'Compare with what the vendor publishes.',
        at,
      );
    }
    for (const subkey of subkeys ?? []) {
      if (named.some((key) => key.fingerprint === subkey)) continue;
      throw refused(
        `the key ${fingerprint} has no subkey ${subkey} that it has bound for signing`,
        'Correct subkeys.',
        at,
      );
    }
    keys.push(...named.filter((key) => !subkeys || subkeys.includes(key.fingerprint)));
  }
  const words = [
    policy.required ? 'required' : 'none',
    ...policy.allow,
    ...keys.map((key) => `${key.fingerprint} ${key.revoked} ${key.expires?.getTime() ?? 'never'}`),
  ];
  return {
    required: policy.required,
    keys,
    rules: { allow: new Set(policy.allow), now },
    digest: digestOf(words.sort(byCodeUnit)),
  };
}

function digestOf(words: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(words)).digest('hex');
}

function refused(message: string, hint: string, at: string): Fault {
  return new Fault('POLICY_INVALID', message, { hint, at });
}
