import type { CascadeRow, Plan } from '../plan/types.ts';
import { plain } from './safe.ts';

/** `│ └ nginx-1:1.24-1.el9.x86_64 needs libssl.so.3()(64bit); falls back to nginx-1:1.22-1.el9.x86_64` */
export function cascadeWords({ tier, depth, build, needs, fallsBack }: CascadeRow): string {
  const indent = depth === 0 ? '' : `${'│ '.repeat(Math.min(depth, 40) - 1)}└ `; // spaces alone are not kept everywhere
  const why = needs === undefined ? ` from ${tier}` : ` needs ${plain(needs, 200)}`;
  return `${indent}${build}${why}${fallsBack === undefined ? '' : `; falls back to ${fallsBack}`}`;
}

/** Which policy keeps what goes from coming again. */
export function holdWords(plan: Plan): string {
  return `A hold in ${[...(plan.files?.keys() ?? [])].join(', ')} keeps it from coming again until somebody drops it.`;
}

/** Hosts that have the newer builds already keep them: dnf upgrades by itself, and never goes back. Undefined of other plans. */
export function hostsHint(plan: Plan): string | undefined {
  if (plan.verb !== 'rollback' && plan.verb !== 'remove') return undefined;
  return 'Merging publishes this. Hosts that have the newer builds keep them until they are told to go back: `dnf --refresh distro-sync`';
}
