import { Fault } from '../base/fault.ts';
import { by, byCodeUnit } from '../base/order.ts';
import { type Evr, parseEvr } from '../rpm/evr.ts';
import { type ErrataName, isDay } from './errata.ts';
import { attempt, type PolicyFile, refuse } from './policy-reading.ts';
import schema from './schemas/errata-policy.schema.json' with { type: 'json' };
import { compileSchema } from './validate.ts';

export const ERRATA_POLICY = 'policies/errata.yaml';

/** The group of hosts that are in no other one. */
export const DEFAULT_GROUP = 'default';

const KEEP = '2';

/** The dated set that a default or a group names. */
export interface ErrataChosen extends ErrataName {
  /** `policies/errata.yaml:5:19` */
  readonly at: string;
}

/** A kernel that somebody chose: which one, and where that stands. */
export interface KernelChoice {
  readonly evr: Evr;
  /** `policies/site.yaml:9:20` */
  readonly at: string;
}

/** By client set. */
export type KernelChoices = ReadonlyMap<string, KernelChoice>;

/** `policies/errata.yaml`: which dated sets are published, and for whom. */
export interface ErrataPolicy {
  /** By client set. */
  readonly defaults: ReadonlyMap<string, ErrataChosen>;
  /** By group, then by client set: instead of the default. */
  readonly groups: ReadonlyMap<string, ReadonlyMap<string, ErrataChosen>>;
  /** The kernels of the operating systems, where neither a set nor the site names one. */
  readonly kernels: KernelChoices;
  /** Kernels of a set: the chosen one, and the ones before it that hosts may be running. */
  readonly keepInstallonly: number;
}

type SetsData = Readonly<Record<string, string>>;

interface ErrataPolicyData {
  readonly defaults?: SetsData;
  readonly groups?: Readonly<Record<string, SetsData>>;
  readonly kernels?: SetsData;
  readonly keepInstallonly?: string;
}

export const validErrataPolicy = compileSchema<ErrataPolicyData>(schema);

export function readErrataPolicy(data: ErrataPolicyData, file: PolicyFile): ErrataPolicy {
  const { groups = {} } = data;
  if (DEFAULT_GROUP in groups) {
    const hint = 'Write its sets below defaults, or give the group another name.';
    refuse(file, ['groups', DEFAULT_GROUP], 'is the group of all others', hint, 'key');
  }
  return {
    defaults: readSets(data.defaults, ['defaults'], file),
    groups: new Map(
      Object.keys(groups)
        .sort(byCodeUnit)
        .map((group) => [group, readSets(groups[group], ['groups', group], file)]),
    ),
    kernels: readKernels(data.kernels, file),
    keepInstallonly: Number(data.keepInstallonly ?? KEEP),
  };
}

function readSets(
  sets: SetsData | undefined,
  key: readonly string[],
  file: PolicyFile,
): Map<string, ErrataChosen> {
  return new Map(
    Object.entries(sets ?? {})
      .sort(by(([set]) => set))
      .map(([set, date]) => {
        const place = [...key, set];
        if (!isDay(date)) refuse(file, place, `must be a day of the calendar, not ${date}`, 'Correct it.');
        return [set, { set, date, at: file.doc.at(place) }];
      }),
  );
}

/** Of `kernels:` in this policy and in that of the site. */
export function readKernels(kernels: SetsData | undefined, file: PolicyFile): Map<string, KernelChoice> {
  return new Map(
    Object.entries(kernels ?? {})
      .sort(by(([set]) => set))
      .flatMap(([set, text]) => {
        const evr = attempt(file, ['kernels', set], () => parseEvr(text));
        return evr ? [[set, { evr, at: file.doc.at(['kernels', set]) }] as const] : [];
      }),
  );
}

/** Every set that a default or a group names, once, by set and day; with the first place that names it. */
export function namedErrata(policy: ErrataPolicy | undefined): ErrataChosen[] {
  const found = new Map<string, ErrataChosen>();
  for (const sets of policy ? [policy.defaults, ...policy.groups.values()] : []) {
    for (const one of sets.values()) {
      const key = `${one.set} ${one.date}`;
      if (!found.has(key)) found.set(key, one);
    }
  }
  return [...found].sort(by(([key]) => key)).map(([, one]) => one);
}

/** What the hosts of a group get, by client set: its own sets, and the defaults for the rest. */
export function errataOfGroup(policy: ErrataPolicy | undefined, group: string): ErrataChosen[] {
  const own = group === DEFAULT_GROUP ? new Map<string, ErrataChosen>() : policy?.groups.get(group);
  if (!policy || !own) {
    const known = [DEFAULT_GROUP, ...(policy?.groups.keys() ?? [])].join(', ');
    const hint = policy ? `Name one of: ${known}.` : `Write ${ERRATA_POLICY} (docs/errata.md).`;
    throw new Fault('NOT_FOUND', `there is no group ${group}`, { hint, at: ERRATA_POLICY });
  }
  return [...new Map([...policy.defaults, ...own]).values()].sort(by(({ set }) => set));
}

/** What is allowed and probably not meant: hosts that fall out of every default, and lines that say nothing. */
export function lintErrata(policy: ErrataPolicy | undefined): Fault[] {
  const warnings: Fault[] = [];
  for (const [group, sets] of policy?.groups ?? []) {
    for (const { set, date, at } of sets.values()) {
      const byDefault = policy?.defaults.get(set);
      if (byDefault && byDefault.date !== date) continue;
      const [message, hint] = byDefault
        ? [`the group ${group} says what the default says: ${set} ${date}`, 'Drop the line.']
        : [
            `${set} has no default: hosts outside of such groups get nothing`,
            `Name one: defaults: { ${set}: DATE }.`,
          ];
      warnings.push(new Fault('POLICY_INVALID', message, { hint, at }));
    }
  }
  return warnings;
}
