import { formatChecksum } from '../base/checksum.ts';
import { upstreamId } from '../manifest/ids.ts';
import { patternMatches } from '../manifest/pattern.ts';
import type { TeamPolicy } from '../manifest/policy.ts';
import { isOpen, nextOpening } from '../manifest/window.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { HotfixTier } from './hotfix.ts';
import { filterText, ripeAt } from './rules.ts';
import type { Facts, Normally, Pin, RepositoryPlan, Stay } from './types.ts';

/**
 * By when builds would have come into each tier by themselves: the end of the waits of one tier begins those of the next. What would
 * never have come says why. Dependencies are left out of it: a day that is too early is for whoever looks afterwards no harm.
 */
export function normalWay(
  planned: readonly { readonly tier: HotfixTier; readonly repositories: readonly RepositoryPlan[] }[],
  builds: readonly { readonly pin: Pin; readonly upstream: string }[],
  o: { readonly team: TeamPolicy; readonly facts: Facts; readonly now: Date },
): Normally[] {
  const latest = new Map<string, Normally>();
  for (const { pin, upstream } of builds) {
    let came: Stay | undefined; // into the parent
    for (const { tier, repositories } of [...planned].reverse()) {
      const own = repositories.find(({ repository }) => upstreamId(repository) === upstream);
      const isNew = own?.changes.some((c) => c.kind !== 'module' && 'to' in c && same(c.to, pin)) ?? false;
      const r = tier.repositories.find(({ repository }) => upstreamId(repository) === upstream);
      if (!r) continue;
      const sum = formatChecksum(pin.checksum);
      const there = r.inTarget.get(sum);
      const normally = there && !isNew ? undefined : whenIn(tier, pin, { upstream, r, came, ...o });
      came = there ?? (normally?.at ? { began: normally.at, exact: true } : came);
      const before = latest.get(tier.tier.name);
      if (isNew && normally && later(normally, before)) latest.set(tier.tier.name, normally);
    }
  }
  return planned.flatMap(({ tier }) => latest.get(tier.tier.name) ?? []);
}

function whenIn(
  { tier }: HotfixTier,
  pin: Pin,
  o: {
    readonly upstream: string;
    readonly r: HotfixTier['repositories'][number];
    readonly came: Stay | undefined;
    readonly team: TeamPolicy;
    readonly facts: Facts;
    readonly now: Date;
  },
): Normally {
  const about = o.facts.build(pin);
  const subject = {
    name: pin.nevra.name,
    source: about.source,
    repository: o.upstream,
    tier: tier.name,
  };
  const hold = o.team.holds.find((h) => patternMatches(h, subject));
  const build = formatNevra(pin.nevra);
  if (hold) return { tier: tier.name, build, at: undefined, why: `it is held by ${filterText(hold)}` };
  if (tier.mode === 'frozen') return { tier: tier.name, build, at: undefined, why: 'the tier is frozen' };
  const seen = o.r.seen.get(formatChecksum(pin.checksum));
  const ripe = ripeAt({
    build: pin,
    facts: about,
    repository: o.upstream,
    tier,
    holds: [],
    allow: [],
    deny: [],
    known: true,
    replaces: undefined,
    withdrawn: false,
    seen,
    inParent: o.came ?? seen,
    advisories: o.facts.advisories(build),
    severityTrusted: o.r.upstream.metadata.severity === 'trusted',
    now: o.now,
  });
  if (!ripe) {
    return { tier: tier.name, build, at: undefined, why: 'the history does not say since when it is there' };
  }
  const due = new Date(Math.max(ripe.at.getTime(), o.now.getTime(), o.came?.began.getTime() ?? 0));
  const at = tier.window && !isOpen(tier.window, due) ? nextOpening(tier.window, due) : due;
  return { tier: tier.name, build, at, why: ripe.why };
}

function same(a: Pin, b: Pin): boolean {
  return formatChecksum(a.checksum) === formatChecksum(b.checksum);
}

function later(a: Normally, b: Normally | undefined): boolean {
  if (!b) return true;
  return (a.at?.getTime() ?? Number.POSITIVE_INFINITY) > (b.at?.getTime() ?? Number.POSITIVE_INFINITY);
}
