import { Fault, quote } from '../base/fault.ts';
import { compileGlob } from './pattern.ts';
import type { ProvenanceRule, TeamPolicy, TierPolicy, UpstreamPolicy } from './policy.ts';
import { attempt, type PolicyFile, refuse } from './policy-reading.ts';
import type { Path } from './yaml.ts';

export interface ProvenanceData {
  readonly origins?: readonly string[];
  readonly signed?: 'required';
}

/** `provenance` of a team or of one of its tiers. What it says of upstreams is checked by `checkProvenance`. */
export function readProvenance(data: ProvenanceData, key: Path, file: PolicyFile): ProvenanceRule {
  const origins = data.origins?.flatMap((text, i) => {
    const place: Path = [...key, 'origins', i];
    const glob = attempt(file, place, () => compileGlob(text));
    return glob ? [{ ...glob, at: file.doc.at(place) }] : [];
  });
  return {
    ...(origins && origins.length === data.origins?.length ? { origins } : {}), // else the file has complaints
    signed: data.signed === 'required',
    at: file.doc.at(key, 'key'),
  };
}

/** Whether a tier takes builds of this upstream. */
export function permitsOrigin({ provenance = [] }: TierPolicy, upstream: string): boolean {
  return provenance.every(({ origins }) => !origins || origins.some((glob) => glob.matches(upstream)));
}

/** Whether every build of a tier must be shown to be signed. */
export function wantsSigned({ provenance = [] }: TierPolicy): boolean {
  return provenance.some((rule) => rule.signed);
}

/** `rocky-9-x86_64-*`: what a tier's rules say of origins, for sentences. */
export function originsText({ provenance = [] }: TierPolicy): string {
  const lists = provenance.flatMap(({ origins }) => (origins ? [origins.map((o) => o.text).join(', ')] : []));
  return [...new Set(lists)].join(' and of ');
}

/**
 * A rule must be one that can be kept: a pattern that fits no upstream is a slip, a repository that no tier may take is never
 * filled, and what nobody verifies can never be shown to be signed.
 */
export function checkProvenance(
  team: TeamPolicy,
  upstreams: ReadonlyMap<string, UpstreamPolicy>,
  declared: readonly string[],
  file: PolicyFile,
): void {
  const rules = new Map(team.tiers.flatMap((tier) => tier.provenance ?? []).map((rule) => [rule.at, rule]));
  const complain = (at: string, message: string, hint: string) =>
    file.complain(new Fault('POLICY_INVALID', message, { hint, at }));
  for (const { origins = [] } of rules.values()) {
    for (const glob of origins) {
      if (declared.some((id) => glob.matches(id))) continue;
      const message = `provenance: no upstream has an id such as ${quote(glob.text)}`;
      complain(glob.at, message, 'Correct the pattern: one that matches nothing is an error.');
    }
  }
  team.repositories.forEach((id, i) => {
    if (team.tiers.some((tier) => permitsOrigin(tier, id))) return;
    const hint = 'Add it to the origins, or take it out of the repositories.';
    refuse(
      file,
      ['repositories', i],
      `names ${id}, which the team's provenance keeps out of every tier`,
      hint,
    );
  });
  const said = new Set<string>();
  for (const tier of team.tiers.filter(wantsSigned)) {
    const at = tier.provenance?.find((rule) => rule.signed)?.at ?? file.path;
    for (const id of team.repositories.filter((repository) => permitsOrigin(tier, repository))) {
      if (upstreams.get(id)?.packages.signatures !== 'none' || said.has(`${at} ${id}`)) continue;
      said.add(`${at} ${id}`);
      const message = `provenance: nothing of ${id} can be shown to be signed: its policy asks for no signature of packages`;
      complain(at, message, "Correct the upstream's policy, or narrow the origins.");
    }
  }
}
