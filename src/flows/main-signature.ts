import { Fault } from '../base/fault.ts';
import type { History } from '../forge/history.ts';
import type { Repository } from '../forge/repository.ts';
import { loadPolicies } from '../manifest/policy.ts';
import { judgeDetached } from '../openpgp/detached.ts';
import type { Trust } from '../openpgp/trust.ts';
import { publishedCommit } from '../publish/state.ts';
import { mainTrust } from './trust.ts';

const SITE = 'policies/site.yaml';

/**
 * Refuses a tip of main that no key of `mainSignedBy` has signed. Whom to believe is said by what was published last, so that whoever
 * moves main cannot choose it; and by the tip itself, so that a mistake in the keys is noticed while it can still be mended. What is
 * published already was accepted when it was. SIGNATURE_INVALID.
 */
export async function acceptMain(repo: Repository, main: History, mirror: string, now: Date): Promise<void> {
  const before = await publishedCommit(mirror);
  if (before === main.commit) return;
  const isKnown = before !== undefined && main.chain.some(({ id }) => id === before); // else publishing refuses it
  for (const commit of isKnown ? [before, main.commit] : [main.commit]) {
    const trust = await trustAt(main, commit, now);
    if (trust.required) await mustBeSigned(repo, main.commit, trust);
  }
}

async function trustAt(main: History, commit: string, now: Date): Promise<Trust> {
  const text = await main.read(SITE, commit);
  const policies = loadPolicies(new Map(text === undefined ? [] : [[SITE, text]]));
  const keys = policies.site.mainSignedBy.map(({ file }) => `policies/${file}`);
  return await mainTrust({ policies, files: await main.readMany(keys, commit) }, now);
}

async function mustBeSigned(repo: Repository, tip: string, { keys, rules }: Trust): Promise<void> {
  const { payload, signature } = await repo.signedCommit(tip);
  const refuse = (why: string) => {
    const hint =
      'Nothing is published. Find out who moved main; git verify-commit shows what it is signed with.';
    return new Fault('SIGNATURE_INVALID', `main's tip ${tip.slice(0, 12)} is not accepted: ${why}`, {
      hint,
      at: SITE,
    });
  };
  if (signature === undefined) throw refuse('it is not signed');
  if (!signature.startsWith('-----BEGIN PGP SIGNATURE-----')) {
    throw refuse('its signature is not of OpenPGP, and no other kind is judged');
  }
  const verdict = await judgeDetached(payload, Buffer.from(signature, 'latin1'), keys, rules, tip);
  if (verdict.kind === 'refused') throw refuse(verdict.why);
}
