import { brokenDigests, judge } from '../openpgp/judge.ts';
import type { Examined } from '../openpgp/package.ts';
import type { Trust } from '../openpgp/trust.ts';
import { unfoundedClaims } from './claims.ts';

/**
 * What every package must pass, fetched or added: its digests, what its metadata says of it, and the signatures that the policy
 * asks for. `refused` is a clause; `by` are the fingerprints of those whose signatures counted.
 */
export function judgePackage(
  examined: Examined,
  primary: Buffer | undefined,
  { required, rules }: Trust,
  at: string,
): { readonly refused?: string; readonly by: readonly string[] } {
  const wrong = brokenDigests(examined) ?? (primary && unfoundedClaims(primary, examined.rpm.header, at));
  if (wrong !== undefined) return { refused: wrong, by: [] };
  if (!required) return { by: [] };
  const verdict = judge(examined, rules);
  if (verdict.kind === 'refused') return { refused: verdict.why, by: [] };
  return { by: verdict.by.map((key) => key.fingerprint) };
}
