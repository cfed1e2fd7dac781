import { type Checksum, formatChecksum, parseChecksum, sameChecksum } from '../base/checksum.ts';
import { Fault, quote } from '../base/fault.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import { recallOfReason } from '../manifest/recall.ts';
import type { AcceptedState } from '../manifest/snapshot.ts';
import { sameTree } from '../plan/kickstart.ts';
import type { StaysOut } from '../plan/staysOut.ts';
import type { Plan } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import { newestTimestamp, readRepomd } from '../repodata/repomd.ts';
import { chooseDocuments, GROUP } from '../upstream/documents.ts';
import { whole } from './facts.ts';
import { planGood } from './good.ts';
import { readPart } from './part.ts';
import { type FillRequest, fillPlan } from './plan-fill.ts';
import { holdPlan, readHoldClaim } from './plan-hold.ts';
import { hotfixPlanOf } from './plan-hotfix.ts';
import { importPlan } from './plan-import.ts';
import { groupOf, lockstepPlan } from './plan-lockstep.ts';
import { pinsPlan, readPinsRequest } from './plan-pins.ts';
import { type PromoteScope, promotionPlan } from './plan-promote.ts';
import { recallPlan, withdrawPlan } from './plan-recall.ts';
import { refuseCascade, removalPlan } from './plan-remove.ts';
import { rollbackPlan } from './plan-rollback.ts';
import { type SyncSource, syncPlan } from './plan-sync.ts';
import { compareAsClaimed } from './resigned.ts';
import { clientSets, liveName, type State, teamOf, tierOf } from './state.ts';
import { claimedStaysOut } from './stays-out.ts';
import { refuseOlderTree, treeinfoOf } from './trees.ts';

/** What a bot's commit says of itself: its trailers. */
export interface Claim {
  readonly verb: string;
  readonly team: string;
  readonly tier: string;
  readonly set: string;
  readonly now: Date;
  /** By upstream id. */
  readonly catalog: ReadonlyMap<string, Checksum>;
  /** What the command was asked for: the values of a trailer (`Sluice-Named`), in order. */
  readonly all: (trailer: string) => readonly string[];
}

/** The one value of a trailer. */
export function told(claim: Claim, trailer: string): string | undefined {
  return claim.all(trailer)[0];
}

const MAX_REPOMD = 16 << 20;

/** Undefined: the commit claims nothing (a person's pull request). A Fault where it claims what cannot be read. */
export function readClaim(trailers: readonly (readonly [string, string])[]): Claim | undefined {
  const all = (key: string) => trailers.filter(([k]) => k === key).map(([, value]) => value);
  const [verb] = all('Sluice-Verb');
  if (verb === undefined) return undefined;
  const [, team, tier, set] = /^([a-z0-9._]+)\/([a-z0-9._]+) (\S+)$/.exec(all('Sluice-Scope')[0] ?? '') ?? [];
  const now = new Date(all('Sluice-Now')[0] ?? '');
  if (!team || !tier || !set || Number.isNaN(now.getTime())) {
    throw new Fault('PLAN_DIFFERS', 'the trailers Sluice-Scope and Sluice-Now cannot be read', {
      hint: 'Close the pull request and run the command again.',
    });
  }
  const catalog = new Map<string, Checksum>();
  for (const line of all('Sluice-Catalog')) {
    const [id = '', sum = ''] = line.split(' ');
    catalog.set(id, parseChecksum(sum, 'Sluice-Catalog'));
  }
  return { verb, team, tier, set, now, catalog, all };
}

/**
 * The plan that a claim stands for, computed again from the base commit, its policies, and the documents that the claim names.
 * `head` is what the pull request wants main to be; it is read as data only, for the upstream states that a sync takes in.
 */
export async function recompute(claim: Claim, base: State, head: State, catalog: Catalog): Promise<Plan> {
  const { now } = claim;
  switch (claim.verb) {
    case 'promote': {
      checkCatalog(claim, base);
      if (told(claim, 'Sluice-Lockstep') !== undefined) return recomputeLockstep(claim, base, catalog);
      const team = teamOf(base.policies, claim.team);
      const scope = { team, tier: tierOf(team, claim.tier), set: claim.set };
      return promotionPlan(base, catalog, scope, {
        named: claim.all('Sluice-Named'),
        overrideHolds: told(claim, 'Sluice-Override-Hold'),
        part: readPart(claim.all),
        now,
      });
    }
    case 'import': {
      checkCatalog(claim, base);
      const team = teamOf(base.policies, claim.team);
      const scope = { team, tier: tierOf(team, claim.tier), set: claim.set };
      return (await pinsPlan(base, catalog, scope, readPinsRequest(told(claim, 'Sluice-Import')), now)).plan;
    }
    case 'hotfix': {
      checkCatalog(claim, base);
      const teams = claim.all('Sluice-Team');
      const scopes = (teams.length > 0 ? teams : [claim.team]).map((name) => {
        const team = teamOf(base.policies, name);
        return { team, tier: tierOf(team, claim.tier), set: claim.set };
      });
      return hotfixPlanOf(base, catalog, scopes, {
        named: claim.all('Sluice-Named'),
        reason: told(claim, 'Sluice-Reason') ?? '',
        by: told(claim, 'Sluice-By') ?? '',
        overrideHolds: told(claim, 'Sluice-Override-Hold'),
        now,
      });
    }
    case 'fill': {
      checkCatalog(claim, base);
      const team = teamOf(base.policies, claim.team);
      const request = readFill(claim);
      return fillPlan(base, catalog, { team, tier: tierOf(team, claim.tier), set: claim.set }, request, now);
    }
    case 'remove':
    case 'rollback': {
      checkCatalog(claim, base);
      const team = teamOf(base.policies, claim.team);
      const scope = { team, tier: tierOf(team, claim.tier), set: claim.set };
      const staysOut = claimedStaysOut(claim);
      if (claim.verb === 'remove') return recomputeRemoval(claim, base, catalog, scope, staysOut);
      return rollbackPlan(base, catalog, scope, { to: told(claim, 'Sluice-To') ?? '', staysOut, now });
    }
    case 'good': {
      const team = teamOf(base.policies, claim.team);
      const [commit, reason, owner] = ['Sluice-To', 'Sluice-Reason', 'Sluice-Owner'].map((t) =>
        told(claim, t),
      );
      const said = { commit: commit ?? '', reason: reason ?? '', owner: owner ?? '', now };
      return planGood(base, { team, tier: tierOf(team, claim.tier) }, said);
    }
    case 'hold':
    case 'unhold': {
      const team = teamOf(base.policies, claim.team);
      return holdPlan(base, team, readHoldClaim(claim, claim.verb), now).plan;
    }
    case 'recall': {
      checkCatalog(claim, base);
      const [reason, by] = [told(claim, 'Sluice-Reason') ?? '', told(claim, 'Sluice-By') ?? ''];
      const withdraw = told(claim, 'Sluice-Withdraw');
      if (withdraw !== undefined) return withdrawPlan(base, withdraw, { reason, by, now });
      const what = told(claim, 'Sluice-Named') ?? '';
      return recallPlan(
        base,
        catalog,
        { what, reason, by, cascade: told(claim, 'Sluice-Cascade') === 'yes' },
        now,
      );
    }
    case 'init':
    case 'sync': {
      const upstreams = clientSets(base.policies.upstreams.values()).get(claim.set) ?? [];
      const sources: SyncSource[] = [];
      for (const upstream of upstreams) {
        const source = await claimedSource(claim, upstream, base, head, catalog);
        if (source) sources.push(source);
      }
      const reason = told(claim, 'Sluice-Reason') ?? '';
      const nevras = new Set(claim.all('Sluice-Rerolled'));
      const rerolled = nevras.size > 0 ? { nevras, reason } : undefined;
      const older = isOlder(claim) ? reason : undefined;
      if (claim.verb === 'init') {
        const request = readFill(claim);
        return (await importPlan(base, catalog, claim.set, sources, request, { now })).plan;
      }
      const compare = compareAsClaimed(head, catalog.mirrorRoot);
      return (await syncPlan(base, catalog, claim.set, sources, { now, rerolled, older, compare })).plan;
    }
    default:
      throw new Fault(
        'PLAN_DIFFERS',
        `Sluice-Verb names ${JSON.stringify(claim.verb)}, which no command is`,
        {
          hint: 'Close the pull request and run the command again.',
        },
      );
  }
}

async function recomputeLockstep(claim: Claim, base: State, catalog: Catalog): Promise<Plan> {
  const group = groupOf(base.policies, told(claim, 'Sluice-Lockstep') ?? '');
  const { tier, set, now } = claim;
  const overrideHolds = told(claim, 'Sluice-Override-Hold');
  const plan = await lockstepPlan(base, catalog, { group, tier, set }, { overrideHolds, now });
  if (plan.team === claim.team && claim.all('Sluice-Named').length === 0) return plan;
  throw new Fault(
    'PLAN_DIFFERS',
    `${group.id} moves for ${plan.teams?.join(', ')}, and the trailers say otherwise`,
    {
      hint: 'Close the pull request and run the command again.',
    },
  );
}

async function recomputeRemoval(
  claim: Claim,
  base: State,
  catalog: Catalog,
  scope: PromoteScope,
  staysOut: StaysOut,
): Promise<Plan> {
  const said = (trailer: string) => told(claim, trailer) === 'true';
  const plan = await removalPlan(base, catalog, scope, {
    named: claim.all('Sluice-Named'),
    sources: said('Sluice-Sources'),
    cascade: said('Sluice-Cascade'),
    below: said('Sluice-And-Below'),
    staysOut,
    now: claim.now,
  });
  if (plan && !said('Sluice-Cascade')) refuseCascade(plan);
  if (plan) return plan;
  throw new Fault('PLAN_DIFFERS', `${claim.team}/${claim.tier} has none of what Sluice-Named names`, {
    hint: 'Close the pull request and run the command again.',
  });
}

/** `Sluice-Fill` as `fill` and `init` write it; a Fault on anything else, whoever wrote that. */
function readFill(claim: Claim): FillRequest {
  const fill = told(claim, 'Sluice-Fill');
  const request = parsed(fill ?? '{}');
  if (typeof request === 'object' && request !== null && !Array.isArray(request)) {
    const { like, at, list, ...others } = request as Readonly<Record<string, unknown>>;
    const isText = (value: unknown) => value === undefined || typeof value === 'string';
    const isList =
      list === undefined || (Array.isArray(list) && list.every((line) => typeof line === 'string'));
    if (isText(like) && isText(at) && isList && Object.keys(others).length === 0)
      return request as FillRequest;
  }
  throw new Fault('PLAN_DIFFERS', `the trailer Sluice-Fill cannot be read: ${quote(fill ?? '')}`, {
    hint: 'Close the pull request and run the command again.',
  });
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function isOlder(claim: Claim): boolean {
  return claim.all('Sluice-Older').length > 0;
}

/** A promotion must stand on the upstream states that live's manifests name at the base. */
function checkCatalog(claim: Claim, base: State): void {
  for (const [id, sum] of claim.catalog) {
    const upstream = base.policies.upstreams.get(id);
    const live = upstream && base.snapshot(liveName(upstream))?.upstream;
    if (live && sameChecksum(live.repomd, sum)) continue;
    throw new Fault(
      'PLAN_DIFFERS',
      `Sluice-Catalog names ${id} ${formatChecksum(sum)}, and live at the base does not`,
      {
        hint: 'Run the command again, so that the plan stands on the present state.',
        at: base.commit,
      },
    );
  }
}

/** The upstream state that the head names, held against repomd.xml itself as the catalog has it. */
async function claimedSource(
  claim: Claim,
  upstream: UpstreamPolicy,
  base: State,
  head: State,
  catalog: Catalog,
): Promise<SyncSource | undefined> {
  const before = base.snapshot(liveName(upstream))?.upstream;
  const after = head.snapshot(liveName(upstream))?.upstream;
  const sum = claim.catalog.get(upstream.id);
  if (!after || !sum) return undefined;
  const [tree, now] = [base, head].map((state) => state.snapshot(liveName(upstream))?.kickstart);
  if (before && sameState(before, after) && sameKept(upstream, base, head) && sameTree(tree, now))
    return undefined;
  if (!sameChecksum(after.repomd, sum)) {
    throw differs(`${upstream.id}: the manifest names another repomd.xml than Sluice-Catalog`, upstream);
  }
  const at = `${upstream.id}: repomd.xml`;
  const repomd = readRepomd(await whole(catalog, sum, MAX_REPOMD, at), at);
  if (after.timestamp !== newestTimestamp(repomd))
    throw differs(`${at}: another timestamp than it has`, upstream);
  const { wanted, comps } = chooseDocuments(repomd, upstream, at);
  for (const [type, document] of after.documents) {
    const records = type === GROUP ? comps : wanted.filter((r) => r.type === type);
    const listed = records.some((r) => sameChecksum(r.checksum, document));
    if (!listed) {
      throw differs(`${at} does not list ${type} as ${formatChecksum(document)}`, upstream);
    }
  }
  if (before && after.timestamp < before.timestamp && !isOlder(claim)) {
    throw differs(`${upstream.id}: older than what was accepted, and Sluice-Older does not say so`, upstream);
  }
  if (upstream.kickstart !== (now !== undefined))
    throw differs(`${upstream.id}: an installation tree against its policy`, upstream);
  if (now) {
    const was = tree && (await treeinfoOf(catalog, tree));
    refuseOlderTree(upstream.id, was, await treeinfoOf(catalog, now), isOlder(claim));
  }
  // What was kept out only the mirror could see: the head says it, in the manifest that people review.
  // What is recalled the base's own policies say.
  const said = head.snapshot(liveName(upstream))?.quarantined ?? [];
  const kept = said.filter(({ reason }) => recallOfReason(reason) === undefined);
  const refused = new Map(kept.map(({ checksum, reason }) => [formatChecksum(checksum), reason]));
  return { upstream, state: after, kickstart: now, refused, notes: [] };
}

function sameKept(upstream: UpstreamPolicy, base: State, head: State): boolean {
  const kept = (state: State) => JSON.stringify(state.snapshot(liveName(upstream))?.quarantined ?? []);
  return kept(base) === kept(head);
}

function differs(message: string, upstream: UpstreamPolicy): Fault {
  return new Fault('PLAN_DIFFERS', message, {
    hint: 'Close the pull request and run sluice sync again.',
    at: upstream.path,
  });
}

export function sameState(a: AcceptedState, b: AcceptedState): boolean {
  if (a.timestamp !== b.timestamp || !sameChecksum(a.repomd, b.repomd)) return false;
  if (a.documents.size !== b.documents.size) return false;
  for (const [type, sum] of a.documents) {
    const other = b.documents.get(type);
    if (!other || !sameChecksum(sum, other)) return false;
  }
  return true;
}
