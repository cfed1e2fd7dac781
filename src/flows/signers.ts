import { formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import type { Pin } from '../manifest/snapshot.ts';
import type { Trust } from '../openpgp/trust.ts';
import { openPool, type Pool } from '../pool/pool.ts';
import type { Signed } from '../report/provenance.ts';
import { examineBuild } from '../upstream/examine.ts';
import { type PackageVerdict, Verdicts } from '../upstream/verdicts.ts';
import type { World } from './context.ts';
import type { State } from './state.ts';
import { trustOf } from './trust.ts';

/**
 * Whose signatures count on builds of an upstream, by the keys and rules of `state`, by checksum. What the mirror judged by just
 * these rules is believed; of the rest, those that `examine` names (by checksum) are read again from the pool, their checksum too. What is found is not
 * kept: that is for sync, which holds the mirror's lock.
 */
export async function signersOf(
  world: Pick<World, 'mirrorDir' | 'now' | 'progress'>,
  state: Pick<State, 'files'>,
  upstream: UpstreamPolicy,
  pins: readonly Pin[],
  o: { readonly examine: ReadonlySet<string> },
): Promise<ReadonlyMap<string, Signed>> {
  const bySum = new Map(pins.map((pin) => [formatChecksum(pin.checksum), pin]));
  const all = (said: Signed) => new Map([...bySum.keys()].map((sum) => [sum, said]));
  const { packages, id } = upstream;
  if (packages.signatures === 'none')
    return all({ kind: 'unsigned', why: `${id}: ${packages.reason ?? ''}` });
  if (world.mirrorDir === undefined) return all({ kind: 'unproved', why: 'no mirror is named' });
  const trust = await trustOf(state, upstream, 'packages', world.now);
  const verdicts = await Verdicts.open(world.mirrorDir, id, trust.digest);
  const signed = new Map<string, Signed>();
  const unknown: [string, Pin][] = [];
  for (const [sum, pin] of bySum) {
    const verdict = verdicts.get(sum);
    if (verdict) signed.set(sum, signedBy(verdict));
    else if (o.examine.has(sum)) unknown.push([sum, pin]);
    else signed.set(sum, { kind: 'unproved', why: 'not judged by these rules yet' });
  }
  if (unknown.length === 0) return signed;
  const pool = openPool(world.mirrorDir);
  world.progress.start(`${id}: files that nobody judged by these rules`, unknown.length, 'items');
  try {
    for (const [sum, pin] of unknown) {
      signed.set(sum, await examine(pool, pin, trust));
      world.progress.advance(1);
    }
  } finally {
    world.progress.done();
  }
  return signed;
}

function signedBy({ refused, by }: PackageVerdict): Signed {
  if (refused !== undefined) return { kind: 'refused', why: refused };
  return by.length > 0 ? { kind: 'signed', by } : { kind: 'refused', why: 'it is not signed' };
}

async function examine(pool: Pool, pin: Pin, trust: Trust): Promise<Signed> {
  try {
    await pool.verify(pin.checksum); // a signature says nothing of the bytes of its own header
    return signedBy(await examineBuild(pool.path(pin.checksum), { pin }, trust, pool.path(pin.checksum)));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (error.code === 'POOL_MISSING') return { kind: 'unproved', why: 'its file is not in the pool' };
    if (error.code === 'POOL_CORRUPT') return { kind: 'unproved', why: 'its file in the pool is damaged' };
    return { kind: 'refused', why: error.message };
  }
}
