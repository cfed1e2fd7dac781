import { formatChecksum } from '../base/checksum.ts';
import { by, byCodeUnit } from '../base/order.ts';
import { formatRepositoryId, type RepositoryName } from '../manifest/ids.ts';
import type { Pin } from '../manifest/snapshot.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { plain } from './safe.ts';
import { count } from './words.ts';

/** What live says of a build now: it lists it, marks it as pulled back, or had it and lists it no more. */
export type Standing = 'listed' | 'withdrawn' | 'dropped';

export type Origin =
  | {
      readonly kind: 'upstream';
      readonly standing: Standing;
      /** The upstream state in which live first had it; absent where nobody asked the history. */
      readonly repomd?: string | undefined;
    }
  | { readonly kind: 'foreign'; readonly why: string };

export type Signed =
  /** Fingerprints of those whose signatures counted, by the rules of now. */
  | { readonly kind: 'signed'; readonly by: readonly string[] }
  | { readonly kind: 'refused'; readonly why: string }
  /** The upstream's policy asks for none, and says why. */
  | { readonly kind: 'unsigned'; readonly why: string }
  | { readonly kind: 'unproved'; readonly why: string };

export interface BuildProvenance {
  readonly pin: Pin;
  readonly origin: Origin;
  /** Undefined for a foreign build: whose key would count? */
  readonly signed: Signed | undefined;
  /** `snapshots/infra/stable/rocky-9-x86_64-baseos.lock:12:1` */
  readonly at: string;
}

/** Every build of one repository of one tier, in the manifest's order. */
export interface RepositoryProvenance {
  readonly repository: RepositoryName;
  readonly upstream: string;
  readonly builds: readonly BuildProvenance[];
}

/** One line a tier, and below it each build that no upstream of its repository ever listed. */
export function provenanceText(repositories: readonly RepositoryProvenance[]): string {
  return tiersOf(repositories)
    .map(([tier, own]) => `${tierLine(tier, own)}\n${own.flatMap(foreignLines).join('')}`)
    .join('');
}

function tierLine(tier: string, repositories: readonly RepositoryProvenance[]): string {
  const builds = repositories.flatMap((r) => r.builds);
  if (builds.length === 0) return `${tier}: no builds`;
  const foreign = builds.filter((b) => b.origin.kind === 'foreign').length;
  const origins = repositories.filter((r) => r.builds.some((b) => b.origin.kind === 'upstream'));
  const from = origins.map((r) => r.upstream).sort(byCodeUnit);
  const parts = [
    foreign === 0 ? `all from ${from.join(', ')}` : '',
    foreign > 0 && from.length > 0 ? `${builds.length - foreign} from ${from.join(', ')}` : '',
    foreign > 0 ? `${foreign} foreign` : '',
    ...signedParts(builds),
    ...standingParts(builds),
  ];
  return `${tier}: ${count(builds.length, 'build')}, ${parts.filter((part) => part !== '').join('; ')}`;
}

function signedParts(builds: readonly BuildProvenance[]): string[] {
  const of = <K extends Signed['kind']>(kind: K) =>
    builds.flatMap(({ signed }) => (signed?.kind === kind ? [signed as Signed & { kind: K }] : []));
  const signed = of('signed');
  const keys = [...new Set(signed.flatMap((s) => s.by))].sort(byCodeUnit);
  const all = signed.length === builds.length;
  const reasons = (said: readonly { readonly why: string }[]) =>
    [...new Set(said.map((s) => plain(s.why, 160)))].sort(byCodeUnit).join('; ');
  const [unsigned, refused, unproved] = [of('unsigned'), of('refused'), of('unproved')];
  return [
    keys.length === 0 ? '' : `${all ? '' : `${signed.length} `}signed by ${keys.join(', ')}`,
    unsigned.length === 0 ? '' : `${unsigned.length} not signed by policy (${reasons(unsigned)})`,
    refused.length === 0 ? '' : `${refused.length} whose signature does not count (${reasons(refused)})`,
    unproved.length === 0
      ? ''
      : `${unproved.length} whose signature is not proved here (${reasons(unproved)})`,
  ];
}

function standingParts(builds: readonly BuildProvenance[]): string[] {
  const of = (standing: Standing) =>
    builds.filter(({ origin }) => origin.kind === 'upstream' && origin.standing === standing).length;
  const [withdrawn, dropped] = [of('withdrawn'), of('dropped')];
  return [
    withdrawn === 0 ? '' : `${withdrawn} pulled back by upstream since`,
    dropped === 0 ? '' : `${dropped} that live has no more`,
  ];
}

function foreignLines({ repository, builds }: RepositoryProvenance): string[] {
  return builds.flatMap(({ pin, origin, at }) =>
    origin.kind === 'foreign'
      ? [`  foreign: ${formatNevra(pin.nevra)} in ${formatRepositoryId(repository)} (${at}): ${origin.why}\n`]
      : [],
  );
}

/** One line a build: repository, build, checksum, upstream, its repomd.xml, signers; `-` for what is not known. */
export function provenanceTable(repositories: readonly RepositoryProvenance[]): string {
  return sorted(repositories)
    .flatMap(({ repository, upstream, builds }) =>
      builds.map(({ pin, origin, signed }) => {
        const cells = [
          formatRepositoryId(repository),
          formatNevra(pin.nevra),
          formatChecksum(pin.checksum),
          ...(origin.kind === 'foreign' ? ['foreign', '-'] : [upstream, origin.repomd ?? '-']),
          signed?.kind === 'signed' ? signed.by.join(',') : '-',
        ];
        return `${cells.join(' ')}\n`;
      }),
    )
    .join('');
}

/** For machines, in a fixed order. `pins`: every build, as an auditor wants it; else counts and what is foreign. */
export function provenanceJson(repositories: readonly RepositoryProvenance[], o: { pins: boolean }) {
  return sorted(repositories).map(({ repository, upstream, builds }) => {
    const kinds = (kind: Signed['kind']) => builds.filter((b) => b.signed?.kind === kind).length;
    return {
      team: repository.team,
      tier: repository.tier,
      repository: formatRepositoryId(repository),
      upstream,
      builds: builds.length,
      signatures: {
        signed: kinds('signed'),
        refused: kinds('refused'),
        unsigned: kinds('unsigned'),
        unproved: kinds('unproved'),
      },
      signers: [...new Set(builds.flatMap((b) => (b.signed?.kind === 'signed' ? b.signed.by : [])))].sort(
        byCodeUnit,
      ),
      foreign: builds.filter((b) => b.origin.kind === 'foreign').map(pinJson),
      ...(o.pins ? { pins: builds.map(pinJson) } : {}),
    };
  });
}

function pinJson({ pin, origin, signed, at }: BuildProvenance) {
  return {
    build: formatNevra(pin.nevra),
    checksum: formatChecksum(pin.checksum),
    at,
    origin:
      origin.kind === 'foreign'
        ? { kind: origin.kind, why: origin.why }
        : {
            kind: origin.kind,
            standing: origin.standing,
            ...(origin.repomd === undefined ? {} : { repomd: origin.repomd }),
          },
    ...(signed ? { signed } : {}),
  };
}

function sorted(repositories: readonly RepositoryProvenance[]): RepositoryProvenance[] {
  return [...repositories].sort(by((r) => formatRepositoryId(r.repository)));
}

function tiersOf(repositories: readonly RepositoryProvenance[]): [string, RepositoryProvenance[]][] {
  const tiers = new Map<string, RepositoryProvenance[]>();
  for (const r of sorted(repositories)) {
    const tier = `${r.repository.team}/${r.repository.tier}`;
    tiers.set(tier, [...(tiers.get(tier) ?? []), r]);
  }
  return [...tiers];
}
