import { Fault } from '../base/fault.ts';
import { checkLine } from '../forge/forge.ts';
import type { StaysOut } from '../plan/staysOut.ts';
import type { World } from './context.ts';
import { type Claim, told } from './recompute.ts';

const DAY = 86_400_000;
/** Two weeks to find out what was wrong; the hold stays in force after that too, until somebody renews or drops it. */
const DEFAULT_DAYS = 14;

/** Why, who and until when, as a person asked for it. */
export function staysOutOf(
  world: World,
  o: { readonly reason: string; readonly owner: string | undefined; readonly until: string | undefined },
): StaysOut {
  checkLine('--reason', o.reason);
  const owner = checkLine('--owner', o.owner ?? world.by, undefined, 200);
  const today = world.now.toISOString().slice(0, 10);
  const until = o.until ?? new Date(world.now.getTime() + DEFAULT_DAYS * DAY).toISOString().slice(0, 10);
  if (isDay(until) && until >= today) return { reason: o.reason, owner, until };
  throw new Fault('USAGE', `--until ${JSON.stringify(until)} is no day from today on`, {
    hint: 'Write it as 2027-03-31: the hold ends with that day.',
  });
}

/** The same for the check: trailers of the commit. */
export function staysOutTrailers({ reason, owner, until }: StaysOut): [string, string][] {
  return [
    ['Sluice-Reason', reason],
    ['Sluice-Owner', owner],
    ['Sluice-Until', until],
  ];
}

export function claimedStaysOut(claim: Claim): StaysOut {
  const [reason, owner, until] = ['Sluice-Reason', 'Sluice-Owner', 'Sluice-Until'].map((t) => told(claim, t));
  if (reason && owner && until && isDay(until)) return { reason, owner, until };
  throw new Fault(
    'PLAN_DIFFERS',
    'the trailers Sluice-Reason, Sluice-Owner and Sluice-Until cannot be read',
    {
      hint: 'Close the pull request and run the command again.',
    },
  );
}

function isDay(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return (
    /^\d{4}-\d\d-\d\d$/.test(text) && Number.isFinite(time) && new Date(time).toISOString().startsWith(text)
  );
}
